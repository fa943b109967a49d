//! What operators see: the log-in, what would be done with jobs, and what was. None of these pages changes while somebody reads
//! it.

use super::forms::Fields;
use super::frame::{Frame, Menu, badge, command, small, still_page, title};
use super::proposal::{MOST, Proposal};
use super::sessions::{Plan, SESSIONS};
use crate::joblog::JobRow;
use crate::status::{counted, grouped};
use maud::{Markup, html};

/// Maximum number of jobs that are shown which stay as they are.
const REFUSED: usize = 50;

/// Asks for the token and a name. `wrong`: what was wrong with those that were given.
pub(super) fn operator_login(to: &str, given: &Fields, wrong: Option<&str>) -> String {
    let main = html! {
        h1 { "Who acts?" }
        p {
            "Operators retry, hold, release and cancel jobs on this page. The token stands in the file that "
            code { "status.operator_token_file" } " names. Your name stands in the history of each job that you act on."
        }
        form.login.operator method="post" action="/operator" {
            input type="hidden" name="to" value=(to);
            div {
                label for="name" { "Your name, one word" }
                input #name name="name" value=(given.one("name")) autocomplete="username" maxlength="32" required autofocus;
            }
            div {
                label for="token" { "Operator token" }
                input #token name="token" type="password" autocomplete="current-password" required;
            }
            button { "Log in" }
        }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        p.quiet {
            "The log-in ends after 30 minutes, when the service restarts, and when " (SESSIONS) " others have logged in after you."
        }
        p { a href="/" { "To the overview" } }
    };
    small("Log in", &main)
}

/// What would be done. `form` and `plan`: what the form must hold to have it done.
pub(super) fn proposal(frame: &Frame, proposal: &Proposal, form: &str, plan: &str) -> String {
    let Proposal { verb, jobs, refused, seen: _, too_many, command: line, back } = proposal;
    let (verb, number) = (title(*verb), i64::try_from(jobs.len()).unwrap_or(i64::MAX));
    let heading = match (too_many, jobs.as_slice()) {
        (Some(_), _) => format!("Too many jobs to {} here", verb.to_lowercase()),
        (None, []) => format!("No job to {}", verb.to_lowercase()),
        (None, [(job, _)]) => format!("{verb} job {}?", job.id),
        (None, _) => format!("{verb} {}?", counted(number, "job")),
    };
    let main = html! {
        h1 { (heading) }
        @if let Some(count) = too_many {
            p.why {
                (counted(*count, "job")) " match. This page acts on at most " (MOST)
                " at once, so nothing was done. Narrow the list by a filter, or use the command."
            }
        }
        @if !jobs.is_empty() {
            p { "This would happen. Nothing is done before you confirm it, and a job that changes until then is left as it is." }
            (list(jobs.iter().map(|(job, words)| (job, html! { (words) }))))
            (confirmation(verb, number, (form, plan), back))
        }
        @if !refused.is_empty() {
            section {
                h2 { "Left as they are" }
                (list(refused.iter().take(REFUSED).map(|(job, why)| (job, html! { (why) }))))
                @if refused.len() > REFUSED { p.more { (refused.len() - REFUSED) " more" } }
            }
        }
        p.instead { "The same as a command: " (command(line)) }
        @if jobs.is_empty() { p { a href=(back) { "Back" } } }
    };
    page_of(frame, &heading, &main)
}

fn confirmation(verb: &str, jobs: i64, (form, plan): (&str, &str), back: &str) -> Markup {
    html! {
        form.confirm method="post" action="/act/confirm" {
            input type="hidden" name="form" value=(form);
            input type="hidden" name="plan" value=(plan);
            button { (verb) " " (counted(jobs, "job")) }
            a href=(back) { "Leave as it is" }
        }
    }
}

/// What was confirmed could not be written down, and can be confirmed again. `form` and `plan` as for [`proposal`].
pub(super) fn not_written(frame: &Frame, plan: &Plan, why: &str, form: &str, name: &str) -> String {
    let number = i64::try_from(plan.jobs.len()).unwrap_or(i64::MAX);
    let main = html! {
        h1 { "Nothing was done" }
        p.why { "The job log could not be written: " (why) "." }
        p { "You can confirm it again. A job that has changed since you were shown it is left as it is." }
        (confirmation(title(plan.verb), number, (form, name), &plan.back))
    };
    page_of(frame, "Nothing was done", &main)
}

/// What came of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) job: JobRow,
    /// `None`: nothing yet.
    pub(super) done: Option<bool>,
    pub(super) words: String,
    /// The job that its file became.
    pub(super) new_job: Option<i64>,
}

/// What was done.
pub(super) fn outcomes(frame: &Frame, verb: &str, outcomes: &[Outcome], back: &str) -> String {
    let count = |done| outcomes.iter().filter(|outcome| outcome.done == done).count();
    let (done, refused, open) = (count(Some(true)), count(Some(false)), count(None));
    let mut counts = vec![format!("{} done", grouped(i64::try_from(done).unwrap_or(i64::MAX)))];
    counts.extend((refused > 0).then(|| format!("{refused} not done")));
    counts.extend((open > 0).then(|| format!("{open} not done yet")));
    let heading = format!("{verb}: {}", counts.join(", "));
    let words = |outcome: &Outcome| {
        html! {
            @match outcome.done {
                Some(true) => {}
                Some(false) => { b { "Not done: " } }
                None => { b { "Not done yet: " } }
            }
            (outcome.words)
            @if let Some(new) = outcome.new_job { " (" a href={ "/jobs/" (new) } { "job " (new) } ")" }
        }
    };
    let main = html! {
        h1 { (heading) }
        (list(outcomes.iter().map(|outcome| (&outcome.job, words(outcome)))))
        p { a href=(back) { "Back" } }
    };
    page_of(frame, &heading, &main)
}

fn list<'a>(jobs: impl Iterator<Item = (&'a JobRow, Markup)>) -> Markup {
    html! {
        table.jobs.proposed.card {
            thead { tr { @for name in ["State", "File", "Account", "Job"] { th { (name) } } } }
            tbody {
                @for (job, words) in jobs {
                    tr {
                        td.state { (badge(&job.state)) }
                        td.file {
                            a.name href={ "/jobs/" (job.id) } { (job.file_name) }
                            span.reason { (words) }
                            @if let Some(reason) = &job.reason { span.reason { (reason) } }
                        }
                        td.of { (job.account) }
                        td.id { (job.id) }
                    }
                }
            }
        }
    }
}

/// What is confirmed is what was read.
fn page_of(frame: &Frame, title: &str, main: &Markup) -> String {
    still_page(frame, title, Menu::Jobs, main)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Visitor;
    use super::super::page_fixtures::{here, job};
    use super::*;
    use crate::job::{EventId, JobId, Timestamp, Verb};

    fn frame() -> Frame {
        let visitor = Visitor::Acts { name: "anna".to_owned(), form: "f0".to_owned() };
        Frame { ailments: Vec::new(), started: Timestamp(0), here: here(), visitor }
    }

    fn shown(page: &str) -> String {
        page.replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<")
    }

    fn hold() -> Proposal {
        Proposal {
            verb: Verb::Hold,
            jobs: vec![(job(7, "queued", None), "is queued, would be held".to_owned())],
            refused: vec![(job(8, "success", None), "the job has ended as <success>".to_owned())],
            seen: vec![(JobId(7), EventId(1))],
            too_many: None,
            command: "datadrop jobs hold --name '<b>'".to_owned(),
            back: "/jobs?name=%3Cb%3E&state=queued".to_owned(),
        }
    }

    #[test]
    fn what_would_be_done() {
        insta::assert_snapshot!(shown(&proposal(&frame(), &hold(), "f0", "p0")));
    }

    #[test]
    fn there_is_nothing_to_confirm_where_nothing_would_be_done() {
        let too_many = Proposal { too_many: Some(100_000), jobs: Vec::new(), refused: Vec::new(), ..hold() };
        let page = proposal(&frame(), &too_many, "f0", "p0");
        assert!(page.contains("100,000 jobs match") && page.contains("at most 500"), "{page}");
        assert!(!page.contains("/act/confirm") && page.contains("value=\"datadrop jobs hold"), "{page}");
        let none = Proposal { jobs: Vec::new(), ..hold() };
        let page = proposal(&frame(), &none, "f0", "p0");
        assert!(page.contains("<h1>No job to hold</h1>") && !page.contains("/act/confirm"), "{page}");
    }

    #[test]
    fn what_was_done() {
        let outcome = |id, done, words: &str, new_job| Outcome {
            job: job(id, "held", None),
            done,
            words: words.to_owned(),
            new_job,
        };
        let all = [
            outcome(7, Some(true), "is sent again as job 9", Some(9)),
            outcome(8, Some(false), "it has <changed>", None),
            outcome(9, None, "it stands in the job log", None),
        ];
        let page = outcomes(&frame(), "Retry", &all, "/jobs?state=held");
        assert!(page.contains("<h1>Retry: 1 done, 1 not done, 1 not done yet</h1>"), "{page}");
        assert!(page.contains("it has &lt;changed&gt;") && page.contains("href=\"/jobs?state=held\""), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn a_log_in_keeps_the_name_and_never_the_token() {
        let given = Fields::parse(b"name=anna%22&token=0123456789abcdef");
        let page = operator_login("/jobs?a=\"", &given, Some("That was not the token."));
        assert!(page.contains("value=\"anna&quot;\"") && page.contains("value=\"/jobs?a=&quot;\""), "{page}");
        assert!(page.contains("That was not the token") && !page.contains("0123456789abcdef"), "{page}");
    }
}
