//! What every page has around it.

use super::html::{Html, link};
use crate::job::Timestamp;
use crate::status::{Here, day_or_time, grouped, parse_time, since_words};

/// What the frame of a page tells.
#[derive(Debug)]
pub(super) struct Frame {
    /// What keeps the service from making progress.
    pub(super) ailments: Vec<String>,
    /// When it started.
    pub(super) started: Timestamp,
    /// Where and when the reader is.
    pub(super) here: Here,
}

/// Where in the menu a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Menu {
    Overview,
    Jobs,
}

/// A whole page. `live` is what is exchanged while somebody looks; `fixed` stands above it and stays.
pub(super) fn page(
    frame: &Frame,
    title: &str,
    menu: Menu,
    fixed: impl FnOnce(&mut Html),
    live: impl FnOnce(&mut Html),
) -> String {
    let mut html = head(title);
    html.raw(
        "<body><a class=\"skip\" href=\"#main\">Skip to the content</a><header class=\"top\"><div class=\"inner\">",
    );
    brand(&mut html);
    html.raw("<nav aria-label=\"Pages\">");
    for (entry, path, name) in [(Menu::Overview, "/", "Overview"), (Menu::Jobs, "/jobs", "Jobs")] {
        let current: &[(&str, &str)] = &[("href", path), ("aria-current", "page")];
        html.say("a", if entry == menu { current } else { &current[..1] }, name);
    }
    html.raw("</nav></div></header><main id=\"main\">");
    fixed(&mut html);
    html.raw("<div id=\"live\">");
    vital_signs(&mut html, frame);
    live(&mut html);
    html.raw("</div></main>");
    footer(&mut html, frame);
    html.raw("</body></html>\n");
    html.into_string()
}

/// A page that only says something: an address that is not there, a job log that cannot be read.
pub(super) fn notice(title: &str, text: &str) -> String {
    let mut html = head(title);
    html.raw("<body><header class=\"top\"><div class=\"inner\">");
    brand(&mut html);
    html.raw("</div></header><main id=\"main\" class=\"notice\">");
    html.say("h1", &[], title);
    html.say("p", &[], text);
    html.raw("<p><a href=\"/\">To the overview</a></p></main></body></html>\n");
    html.into_string()
}

/// Asks for the token. `failed`: what was given was not it.
pub(super) fn login(failed: bool) -> String {
    let mut html = head("Log in");
    html.raw("<body><header class=\"top\"><div class=\"inner\">");
    brand(&mut html);
    html.raw(
        "</div></header><main id=\"main\" class=\"notice\"><h1>Who is looking?</h1>\
         <p>This page shows the names of accounts and files, so it asks for the token that stands in the file that \
         <code>status.token_file</code> names.</p><form class=\"login\" method=\"post\" action=\"/login\">\
         <label for=\"token\">Token</label><input id=\"token\" name=\"token\" type=\"password\" \
         autocomplete=\"current-password\" required autofocus/><button>Look</button></form>",
    );
    if failed {
        html.raw("<p class=\"wrong\" role=\"alert\">That was not the token.</p>");
    }
    html.raw("</main></body></html>\n");
    html.into_string()
}

fn head(title: &str) -> Html {
    let mut html = Html::default();
    html.raw(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/>",
    );
    html.say("title", &[], &format!("{title} · datadrop"));
    html.raw(
        "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\"/><link rel=\"stylesheet\" href=\"/style.css\"/>\
         <script src=\"/refresh.js\" defer></script></head>",
    );
    html
}

fn brand(html: &mut Html) {
    html.raw(
        "<a class=\"brand\" href=\"/\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 2.5c3.6 4.6 6 7.9 6 \
         11.1a6 6 0 0 1-12 0c0-3.2 2.4-6.5 6-11.1z\"/><path class=\"tray\" d=\"M3 21.5h18\"/></svg>datadrop</a>",
    );
}

/// One line on the service itself; loud only if something is wrong.
fn vital_signs(html: &mut Html, frame: &Frame) {
    if frame.ailments.is_empty() {
        return;
    }
    html.raw("<section class=\"ailments\" role=\"alert\"><h2>The service does not make progress</h2><ul>");
    for ailment in &frame.ailments {
        html.say("li", &[], ailment);
    }
    html.raw("</ul><p>If it does not recover by itself, look into its log and restart it; nothing is lost by that.</p></section>");
}

fn footer(html: &mut Html, frame: &Frame) {
    html.raw("<footer><p>datadrop ");
    html.text(env!("CARGO_PKG_VERSION"));
    html.raw(", started ");
    when(html, &frame.started.to_string(), &frame.here, Style::Ago);
    html.raw(". Times are those of the server");
    if let Some(zone) = frame.here.zone_name() {
        html.text(&format!(" ({zone})"));
    }
    html.raw(
        ". This page only looks; the command <code>datadrop</code> does.</p>\
         <p><a href=\"/metrics\">Metrics</a> <a href=\"/api/status\">Status as JSON</a></p></footer>",
    );
}

/// How a time is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// `5 min ago`.
    Ago,
    /// As short as the day allows.
    Short,
    /// Date and time to the second.
    Full,
}

/// A time, with the whole of it for machines and for whoever points at it.
pub(super) fn when(html: &mut Html, rfc3339: &str, here: &Here, style: Style) {
    let full = here.date_time(rfc3339);
    let words = match (style, parse_time(rfc3339)) {
        (Style::Ago, Some(at)) => since_words(at, here),
        (Style::Short, Some(_)) => day_or_time(rfc3339, here),
        (Style::Full, _) | (_, None) => full.clone(),
    };
    html.say("time", &[("datetime", rfc3339), ("title", &full)], &words);
}

/// A state as a badge: a colour, and the word beside it.
pub(super) fn badge(html: &mut Html, state: &str) {
    html.say("span", &[("class", &format!("badge s-{state}"))], state);
}

/// A count that leads to the jobs behind it.
pub(super) fn count_link(html: &mut Html, account: &str, state: &str, count: i64) {
    let target = link("/jobs", &[("account", account), ("state", state)]);
    html.element("a", &[("class", &format!("chip s-{state}")), ("href", &target)], |html| {
        html.say("b", &[], &grouped(count));
        html.raw(" ");
        html.text(state);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_escapes_what_it_tells() {
        let page = notice("No such <page>", "there is no \"/<script>\"");
        assert!(page.contains("<h1>No such &lt;page&gt;</h1>"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn a_wrong_token_is_told_and_a_first_look_is_not_blamed() {
        assert!(login(true).contains("That was not the token"));
        assert!(!login(false).contains("That was not the token"));
    }
}
