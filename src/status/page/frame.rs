//! What every page has around it, and the pieces that several of them show.
//!
//! File names come from other people and may contain `<script>`. `maud` escapes every text in a page, and [`document`]
//! replaces characters that could move the cursor or turn a line around.

use crate::job::{Timestamp, Verb};
use crate::status::{Here, day_or_time, grouped, parse_time, printable, since_words};
use maud::{DOCTYPE, Markup, html};

/// What the frame of a page tells.
#[derive(Debug)]
pub(super) struct Frame {
    /// What keeps the service from making progress.
    pub(super) ailments: Vec<String>,
    /// When it started.
    pub(super) started: Timestamp,
    /// Where and when the reader is.
    pub(super) here: Here,
    /// What the reader may do.
    pub(super) visitor: Visitor,
}

/// What somebody may do here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Visitor {
    /// Nobody may act on jobs.
    Looks,
    /// May act on jobs after a log-in.
    MayLogIn,
    /// Is logged in.
    Acts {
        /// The name given at log-in.
        name: String,
        /// What forms of this session hold.
        form: String,
    },
}

/// Where in the menu a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Menu {
    Overview,
    Jobs,
    Days,
}

/// A whole page. `live` is what is exchanged while somebody looks; `fixed` stands above it and stays.
pub(super) fn page(frame: &Frame, title: &str, menu: Menu, fixed: &Markup, live: &Markup) -> String {
    still_page(frame, title, menu, &html! { (fixed) div #live { (vital_signs(frame)) (live) } })
}

/// A whole page that stays as it is.
pub(super) fn still_page(frame: &Frame, title: &str, menu: Menu, content: &Markup) -> String {
    let entries =
        [(Menu::Overview, "/", "Overview"), (Menu::Jobs, "/jobs", "Jobs"), (Menu::Days, "/days", "Data days")];
    let nav = html! {
        nav aria-label="Pages" {
            @for (entry, path, name) in entries {
                a href=(path) aria-current=[(entry == menu).then_some("page")] { (name) }
            }
        }
    };
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        (top(&html! { (nav) (who(&frame.visitor)) }))
        main #main { (content) }
        (footer(frame))
    };
    document(title, &body)
}

/// Who acts, or how to.
fn who(visitor: &Visitor) -> Markup {
    html! {
        @match visitor {
            Visitor::Looks => {}
            Visitor::MayLogIn => { a.who href="/operator" { "Log in to act on jobs" } }
            Visitor::Acts { name, form } => {
                form.who method="post" action="/logout" {
                    span { (name) }
                    input type="hidden" name="form" value=(form);
                    button { "Log out" }
                }
            }
        }
    }
}

/// A verb as a person reads it.
pub(super) fn title(verb: Verb) -> &'static str {
    match verb {
        Verb::Retry => "Retry",
        Verb::Hold => "Hold",
        Verb::Release(_) => "Release",
        Verb::Cancel { .. } => "Cancel",
    }
}

/// A command that people paste: a click selects it, and the page's own script copies it.
pub(super) fn command(line: &str) -> Markup {
    html! {
        span.command {
            input readonly value=(line) size=(line.chars().count().clamp(12, 120)) aria-label="Command" spellcheck="false";
            button.copy type="button" { "Copy" }
        }
    }
}

/// A page that only says something: an address that is not there, a job log that cannot be read.
pub(super) fn notice(title: &str, text: &str) -> String {
    let main = html! {
        h1 { (title) }
        p { (text) }
        p { a href="/" { "To the overview" } }
    };
    small(title, &main)
}

/// Asks for the token. `failed`: what was given was not it.
pub(super) fn login(failed: bool) -> String {
    let main = html! {
        h1 { "Who is looking?" }
        p {
            "This page shows the names of accounts and files, so it asks for the token that stands in the file that "
            code { "status.token_file" } " names."
        }
        form.login method="post" action="/login" {
            label for="token" { "Token" }
            input #token name="token" type="password" autocomplete="current-password" required autofocus;
            button { "Look" }
        }
        @if failed { p.wrong role="alert" { "That was not the token." } }
    };
    small("Log in", &main)
}

/// A page without a menu.
pub(super) fn small(title: &str, main: &Markup) -> String {
    document(title, &html! { (top(&html! {})) main.notice #main { (main) } })
}

fn document(title: &str, body: &Markup) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · datadrop" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script src="/refresh.js" defer {}
            }
            body { (body) }
        }
    };
    printable(&whole.into_string()) + "\n"
}

fn top(nav: &Markup) -> Markup {
    html! {
        header.top {
            div.inner {
                a.brand href="/" {
                    svg viewBox="0 0 24 24" aria-hidden="true" {
                        path d="M12 2.5c3.6 4.6 6 7.9 6 11.1a6 6 0 0 1-12 0c0-3.2 2.4-6.5 6-11.1z" {}
                        path.tray d="M3 21.5h18" {}
                    }
                    "datadrop"
                }
                (nav)
            }
        }
    }
}

/// One line on the service itself; loud only if something is wrong.
fn vital_signs(frame: &Frame) -> Markup {
    html! {
        @if !frame.ailments.is_empty() {
            section.ailments role="alert" {
                h2 { "The service does not make progress" }
                ul { @for ailment in &frame.ailments { li { (ailment) } } }
                p { "If it does not recover by itself, look into its log and restart it; nothing is lost by that." }
            }
        }
    }
}

fn footer(frame: &Frame) -> Markup {
    html! {
        footer {
            p {
                "datadrop " (env!("CARGO_PKG_VERSION")) ", started "
                (when(&frame.started.to_string(), &frame.here, Style::Ago))
                ". Times are those of the server"
                @if let Some(zone) = frame.here.zone_name() { " (" (zone) ")" }
                "."
                @if frame.visitor == Visitor::Looks { " This page only looks; the command " code { "datadrop" } " does." }
            }
            p { a href="/metrics" { "Metrics" } " " a href="/api/status" { "Status as JSON" } }
        }
    }
}

/// How a time is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// `5 min ago`.
    Ago,
    /// As short as the day allows.
    Short,
    /// Date and time to the second.
    Full,
}

/// A time, with its full form for machines and for a reader who points at it.
pub(super) fn when(rfc3339: &str, here: &Here, style: Style) -> Markup {
    let full = here.date_time(rfc3339);
    let words = match (style, parse_time(rfc3339)) {
        (Style::Ago, Some(at)) => since_words(at, here),
        (Style::Short, Some(_)) => day_or_time(rfc3339, here),
        (Style::Full, _) | (_, None) => full.clone(),
    };
    html! { time datetime=(rfc3339) title=(full) { (words) } }
}

/// A state as a badge: a colour, and the word beside it.
pub(super) fn badge(state: &str) -> Markup {
    html! { span class={ "badge s-" (state) } { (state) } }
}

/// A count that leads to the jobs behind it.
pub(super) fn count_link(account: &str, state: &str, count: i64) -> Markup {
    let target = link("/jobs", &[("account", account), ("state", state)]);
    html! { a class={ "chip s-" (state) } href=(target) { b { (grouped(count)) } " " (state) } }
}

/// A path of ours with query parameters; empty ones are left out.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn control_characters_are_shown_and_other_scripts_are_kept() {
        let page = notice("日本\u{202e}\n\0.txt", "");
        assert!(page.contains("<h1>日本\\u{202e}\\n\\u{0}.txt</h1>"), "{page}");
    }

    #[test]
    fn links_carry_any_name() {
        assert_eq!(link("/jobs", &[("account", ""), ("name", "a&b=日.txt")]), "/jobs?name=a%26b%3D%E6%97%A5.txt");
        assert_eq!(link("/jobs", &[("name", "")]), "/jobs");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_leaves_its_element_or_attribute(text in "\\PC*|[<>&\"'/a-z\\n]*") {
            let badge = badge(&text).into_string();
            prop_assert_eq!(badge.matches('<').count(), 2);
            prop_assert_eq!(badge.matches('>').count(), 2);
            prop_assert_eq!(badge.matches('"').count(), 2);
        }
    }
}
