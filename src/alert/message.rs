//! The content of an alert: its JSON, from which `bodies` makes every other format. `ALERTS.md` documents its keys,
//! which must not change. Pure.

use super::group::Named;
use super::tally::Tally;
use crate::config::AlertEvent;
use crate::job::{Command, JobId, Program, Timestamp, printable, shell_word};
use crate::joblog::AlertRow;
use serde::Serialize;

/// The program that sends an alert.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// The name of this machine.
    pub(super) host: String,
    /// The version of datadrop.
    pub(super) version: &'static str,
    /// The beginning of the commands in the remedies.
    pub(super) program: Program,
}

/// The content for every receiver and format. The field names are the keys of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    pub(super) alert_id: String,
    pub(super) event: &'static str,
    pub(super) account: Option<String>,
    pub(super) count: u64,
    pub(super) jobs: Vec<JobEntry>,
    pub(super) first_at: String,
    pub(super) last_at: String,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) host: String,
    pub(super) version: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct JobEntry {
    pub(super) id: i64,
    pub(super) file_name: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
}

/// Returns the content of an alert. It is always the same for the same alert, so that a receiver can drop repeats.
#[must_use]
pub(super) fn compose(alert: &AlertRow, sender: &Sender) -> Body {
    let kept_back = (alert.topic == AlertEvent::Muted).then(|| Tally::of(alert));
    let named = kept_back.as_ref().map_or_else(|| Named::list(alert), |tally| tally.named.clone());
    let event = last_event(alert, &named);
    // The same content for receivers that do not subscribe to `unblocked`.
    let works_again = event == AlertEvent::Cleared && alert.topic == AlertEvent::Blocked;
    let news = if works_again { AlertEvent::Unblocked } else { event };
    let jobs = named.iter().filter_map(|named| {
        let job = named.job.as_ref()?;
        let (file_name, state) = (job.file_name.clone(), job.state.clone());
        Some(JobEntry { id: job.id, file_name, state, reason: named.detail.clone() })
    });
    Body {
        // A new job log restarts the IDs, so the time makes them unique.
        alert_id: format!("{}-{}", alert.id.unwrap_or_default(), alert.opened_at.0),
        event: event.as_str(),
        account: Some(alert.account.clone()).filter(|account| !account.is_empty()),
        count: alert.count,
        jobs: jobs.collect(),
        first_at: alert.first_at.to_string(),
        last_at: alert.last_at.to_string(),
        message: match &kept_back {
            Some(tally) => summed_up(&alert.account, tally),
            None => words(alert, news, &named),
        },
        hint: hint(
            news,
            &alert.account,
            named.iter().find_map(|named| named.job.as_ref()).map(|job| job.id),
            &sender.program,
        ),
        host: sender.host.clone(),
        version: sender.version,
    }
}

/// Returns the content of a test alert.
#[must_use]
pub(super) fn compose_test(sender: &Sender, now: Timestamp) -> Body {
    Body {
        alert_id: format!("test-{}", now.0),
        event: "test",
        account: None,
        count: 1,
        jobs: Vec::new(),
        first_at: now.to_string(),
        last_at: now.to_string(),
        message: format!("this is a test of datadrop's alerts on {}; nothing has happened", sender.host),
        hint: "nothing needs to be done".to_owned(),
        host: sender.host.clone(),
        version: sender.version,
    }
}

/// Returns the last event, which shows the current state.
fn last_event(alert: &AlertRow, named: &[Named]) -> AlertEvent {
    if alert.topic == AlertEvent::Muted {
        return alert.topic;
    }
    named.last().and_then(|named| AlertEvent::from_word(&named.event)).unwrap_or(alert.topic)
}

/// Sums up the alerts of an account that were kept back while it was muted.
fn summed_up(account: &str, tally: &Tally) -> String {
    let newest = tally.named.last().map(|named| {
        let job = named.job.as_ref().map(|job| format!(" {} (job {})", printable(&job.file_name), job.id));
        let reason = named.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("; the newest is {}{}{reason}", named.event, job.unwrap_or_default())
    });
    format!("account {account}: while its alerts were muted: {}{}", tally.words(), newest.unwrap_or_default())
}

fn words(alert: &AlertRow, event: AlertEvent, named: &[Named]) -> String {
    let account = &alert.account;
    let last = named.last().and_then(|named| named.detail.as_deref()).unwrap_or("no reason is known");
    match event {
        AlertEvent::Started => format!("datadrop started: {last}"),
        AlertEvent::Blocked => format!("account {account} is blocked, nothing of it is sent: {last}"),
        AlertEvent::Unblocked => {
            let since = named.first().filter(|first| first.event == AlertEvent::Blocked.as_str());
            let since = since.map(|first| format!(" since {}", Timestamp(first.at))).unwrap_or_default();
            format!("account {account} works again; it was blocked{since}: {last}")
        }
        AlertEvent::Missing | AlertEvent::Summary => format!("account {account}: {}", all_details(named)),
        AlertEvent::Cleared if named.iter().any(|named| named.job.is_none()) => {
            let files = named.iter().filter(|named| named.job.is_some()).count();
            let files = match files {
                0 => String::new(),
                1 => "; 1 file is no longer overdue".to_owned(),
                more => format!("; {more} files are no longer overdue"),
            };
            format!("account {account}: {}{files}", all_details(named))
        }
        AlertEvent::Failure
        | AlertEvent::Partial
        | AlertEvent::Rejected
        | AlertEvent::Held
        | AlertEvent::Delayed
        | AlertEvent::Stalled
        | AlertEvent::Cleared
        | AlertEvent::Double
        | AlertEvent::Doubled
        | AlertEvent::Muted => {
            let Some((job, reason)) =
                named.first().and_then(|named| Some((named.job.as_ref()?, named.detail.as_deref())))
            else {
                return format!("account {account}: {} files: {}", alert.count, event.as_str());
            };
            let file = format!("{} (job {})", printable(&job.file_name), job.id);
            let reason = match (event, reason) {
                (AlertEvent::Cleared, _) => format!(": it is now {}", job.state),
                (_, Some(reason)) => format!(": {reason}"),
                (_, None) => String::new(),
            };
            let (one, many) = states(event);
            if alert.count == 1 {
                format!("account {account}: {file} {one}{reason}")
            } else {
                format!("account {account}: {} files {many}; the first is {file}{reason}", alert.count)
            }
        }
    }
}

/// Joins the details of an account's events, because each has its own.
fn all_details(named: &[Named]) -> String {
    let details = named.iter().filter(|named| named.job.is_none()).filter_map(|named| named.detail.as_deref());
    details.collect::<Vec<_>>().join("; ")
}

/// Describes what happened, to one file and to many.
fn states(event: AlertEvent) -> (&'static str, &'static str) {
    match event {
        AlertEvent::Failure => ("ended as failure", "ended as failure"),
        AlertEvent::Partial => ("is partial", "are partial"),
        AlertEvent::Rejected => ("is rejected", "are rejected"),
        AlertEvent::Held => ("is held", "are held"),
        AlertEvent::Delayed => ("is overdue", "are overdue"),
        AlertEvent::Stalled => ("does not continue at Adobe", "do not continue at Adobe"),
        AlertEvent::Cleared => ("is no longer overdue", "are no longer overdue"),
        AlertEvent::Double => ("repeats a data day", "repeat data days"),
        AlertEvent::Doubled => ("was possibly ingested twice", "were possibly ingested twice"),
        AlertEvent::Blocked
        | AlertEvent::Unblocked
        | AlertEvent::Missing
        | AlertEvent::Started
        | AlertEvent::Summary
        | AlertEvent::Muted => ("", ""),
    }
}

/// The remedy, in commands that work when pasted. `job` is the first job of the alert.
fn hint(event: AlertEvent, account: &str, job: Option<i64>, program: &Program) -> String {
    let datadrop = program.as_str();
    let show = match job {
        Some(id) => Command::Show(JobId(id)).line(program),
        None => format!("{datadrop} jobs show ID"),
    };
    match event {
        AlertEvent::Failure => format!("`{show}` shows what is known; the file lies in failed/ with a .why"),
        AlertEvent::Partial => format!("`{show}` names the rows that were likely lost; the file lies in done/"),
        AlertEvent::Rejected => {
            "the .why beside the file in failed/ says why; a corrected file that is dropped again is a new one"
                .to_owned()
        }
        AlertEvent::Held => "a person has to decide; the .why beside the file in held/ says what helps".to_owned(),
        AlertEvent::Blocked => {
            format!("`{datadrop} doctor` looks for the cause and names the remedy; the files wait meanwhile")
        }
        AlertEvent::Unblocked => "nothing needs to be done; the files that waited are sent".to_owned(),
        AlertEvent::Delayed => {
            format!("nothing is given up; `{datadrop} status` and `{show}` say what it waits for")
        }
        AlertEvent::Stalled => format!(
            "in Adobe's user interface, press Restart Processing for the data source of account {account}; `{show}` names it"
        ),
        AlertEvent::Cleared if job.is_none() => "nothing needs to be done".to_owned(),
        AlertEvent::Cleared => format!("`{show}` says how it ended"),
        AlertEvent::Missing => format!(
            "ask the people who deliver the files; `{datadrop} coverage --account {}` shows what came",
            shell_word(account)
        ),
        AlertEvent::Double => format!(
            "compare the files: `{show}` has the sums of both; Adobe can take nothing back, but a file with negative amounts lowers \
             what was counted"
        ),
        AlertEvent::Doubled => {
            let list = Command::RemoteJobs(account.to_owned()).line(program);
            format!("compare the two remote jobs: `{list}`")
        }
        AlertEvent::Started => {
            "if no person started it, `journalctl -u datadrop` shows how the last run ended".to_owned()
        }
        AlertEvent::Summary => format!(
            "`{datadrop} status` says how the account stands now, and `{datadrop} coverage --account {}` what came for each data day",
            shell_word(account)
        ),
        AlertEvent::Muted => format!(
            "alerts of the account are sent again; `{datadrop} status` says how it stands, and `{datadrop} jobs list --account {}` what \
             came of its files",
            shell_word(account)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::group::NamedJob;
    use serde_json::{Value, json};

    fn alert(topic: AlertEvent, count: u64, named: &[Named]) -> AlertRow {
        AlertRow {
            id: Some(7),
            receiver: "alert #1: command".to_owned(),
            account: if topic == AlertEvent::Started { String::new() } else { "shop".to_owned() },
            topic,
            count,
            facts: serde_json::to_string(named).unwrap(),
            first_at: Timestamp(0),
            last_at: Timestamp(1000),
            opened_at: Timestamp(5),
            due_at: Timestamp(9),
            failures: 0,
            sealed: false,
        }
    }

    fn named(event: &str, job: Option<i64>, detail: Option<&str>) -> Named {
        let job = job.map(|id| NamedJob { id, file_name: format!("file{id}.txt"), state: "rejected".to_owned() });
        Named { event: event.to_owned(), at: 0, job, detail: detail.map(str::to_owned) }
    }

    fn composed(alert: &AlertRow) -> Value {
        let sender = Sender { host: "box".to_owned(), version: "1.2.3", program: Program::default() };
        serde_json::to_value(compose(alert, &sender)).unwrap()
    }

    #[test]
    fn an_alert_has_every_key_whatever_it_is_about() {
        let files = [named("rejected", Some(1), Some("too large")), named("rejected", Some(2), None)];
        assert_eq!(
            composed(&alert(AlertEvent::Rejected, 5000, &files)),
            json!({
                "alert_id": "7-5", "event": "rejected", "account": "shop", "count": 5000,
                "jobs": [
                    {"id": 1, "file_name": "file1.txt", "state": "rejected", "reason": "too large"},
                    {"id": 2, "file_name": "file2.txt", "state": "rejected", "reason": null},
                ],
                "first_at": "1970-01-01T00:00:00.000Z", "last_at": "1970-01-01T00:00:01.000Z",
                "message": "account shop: 5000 files are rejected; the first is file1.txt (job 1): too large",
                "hint": hinted(AlertEvent::Rejected, 1), "host": "box", "version": "1.2.3",
            })
        );
        for &event in AlertEvent::ALL {
            let alert = composed(&alert(event, 1, &[named(event.as_str(), None, Some("why"))]));
            assert_eq!(alert.as_object().unwrap().len(), 11, "{event:?}");
            assert_eq!(alert["event"], event.as_str());
            assert_eq!(alert["account"].is_null(), event == AlertEvent::Started);
        }
    }

    #[test]
    fn an_alert_about_a_block_and_its_end_names_both() {
        let events = [named("blocked", None, Some("gone")), named("unblocked", None, Some("gone"))];
        let told = composed(&alert(AlertEvent::Blocked, 2, &events));
        assert_eq!(told["event"], "unblocked");
        assert_eq!(told["message"], "account shop works again; it was blocked since 1970-01-01T00:00:00.000Z: gone");
        let told = composed(&alert(AlertEvent::Blocked, 1, &events[..1]));
        assert_eq!(told["message"], "account shop is blocked, nothing of it is sent: gone");
    }

    fn hinted(event: AlertEvent, job: i64) -> String {
        hint(event, "shop", Some(job), &Program::reading(std::path::Path::new("/d.toml")))
    }

    #[test]
    fn a_hint_names_the_account_the_job_and_the_configuration() {
        let mut hints = AlertEvent::ALL.iter().map(|&event| hinted(event, 17));
        assert!(hints.all(|hint| !hint.contains("--account A") && !hint.contains(" ID`")));
        assert!(hinted(AlertEvent::Failure, 17).starts_with("`datadrop --config /d.toml jobs show 17`"));
        assert!(hinted(AlertEvent::Doubled, 17).contains("--config /d.toml jobs list --remote --account shop`"));
    }

    /// One alert may hold events of `expect` and of `expect_days`, days that came, and jobs that end.
    #[test]
    fn all_missing_files_and_days_are_reported() {
        let events = [named("missing", None, Some("2 data files")), named("missing", None, Some("2026-11-03"))];
        let told = composed(&alert(AlertEvent::Missing, 2, &events));
        assert_eq!(told["message"], "account shop: 2 data files; 2026-11-03");
        let events = [named("cleared", Some(1), None), named("cleared", None, Some("no longer missing: 2026-11-03"))];
        let told = composed(&alert(AlertEvent::Cleared, 2, &events));
        assert_eq!(told["message"], "account shop: no longer missing: 2026-11-03; 1 file is no longer overdue");
    }

    #[test]
    fn facts_that_were_damaged_still_make_an_alert() {
        let told = composed(&AlertRow { facts: "[".to_owned(), ..alert(AlertEvent::Held, 3, &[]) });
        assert_eq!(told["message"], "account shop: 3 files: held");
    }
}
