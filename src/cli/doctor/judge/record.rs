//! What the job log says of itself and of accounts.

use crate::cli::doctor::finding::{Finding, Verdict};
use crate::config::{AccountConfig, Config, Duplicates, StyleChoice};
use crate::job::{Problem, RowCount, counted, files_of_no_day, printable};
use crate::joblog::{AccountRow, JobRow, OpenError, OpenJobs, ProvenStyle};
use std::collections::BTreeMap;

/// Versions of a job log that can be read; `None` if there is none yet.
pub(in crate::cli::doctor) fn job_log(state_dir: &str, opened: Result<Option<(i64, i64)>, &OpenError>) -> Finding {
    match opened {
        Ok(None) => Finding::ok("job-log", state_dir, "never run yet: the first start makes it"),
        Ok(Some((version, known))) if version < known => {
            let message = format!("whole; of version {version}, which the next start brings to {known}");
            Finding::ok("job-log", state_dir, message)
        }
        Ok(Some((version, _))) => Finding::ok("job-log", state_dir, format!("whole, version {version}")),
        // Which says nothing against it.
        Err(error @ OpenError::Closed { .. }) => Finding::of(Verdict::Warn, "job-log", state_dir, error.problem()),
        Err(error) => Finding::of(Verdict::Fail, "job-log", state_dir, error.problem()),
    }
}

/// The daemon itself. `is_running`: `None` where it is unknown; `refused`: why its last reload was, if it was.
pub(in crate::cli::doctor) fn daemon(
    state_dir: &str,
    is_running: Option<bool>,
    has_job_log: bool,
    refused: Option<&str>,
) -> Finding {
    match (is_running, has_job_log) {
        (Some(true), _) => match refused {
            None => Finding::ok("daemon", state_dir, "running"),
            Some(why) => Finding::bad(
                Verdict::Warn,
                "daemon",
                state_dir,
                format!("running, but not as configured: its last reload was refused: {why}"),
                "correct that, and reload it (`systemctl reload datadrop`)",
            ),
        },
        (Some(false), false) => Finding::ok("daemon", state_dir, "not started yet"),
        (None, _) => Finding::bad(
            Verdict::Warn,
            "daemon",
            state_dir,
            "this user may not look whether it runs",
            "ask systemd (`systemctl status datadrop`)",
        ),
        (Some(false), true) => Finding::bad(
            Verdict::Warn,
            "daemon",
            state_dir,
            "not running: nothing is sent or followed",
            "start it (`systemctl start datadrop`, or `datadrop run`)",
        ),
    }
}

/// Accounts that left the configuration with jobs that are not at their end (DESIGN A5).
pub(in crate::cli::doctor) fn orphans(config: &Config, open: &[OpenJobs]) -> Vec<Finding> {
    let mut orphaned: BTreeMap<&str, usize> = BTreeMap::new();
    for jobs in open.iter().filter(|jobs| config.accounts.iter().all(|account| account.name != jobs.account)) {
        *orphaned.entry(&jobs.account).or_default() += jobs.jobs;
    }
    let finding = |(account, jobs): (&str, usize)| {
        let jobs = counted(i64::try_from(jobs).unwrap_or(i64::MAX), "open job");
        let message = format!("not configured any more, and still has {jobs}");
        Finding::bad(
            Verdict::Warn,
            "account",
            account,
            message,
            "put it back into the configuration until they are done",
        )
    };
    orphaned.into_iter().map(finding).collect()
}

/// Whether an account is blocked, and which upload style it has learnt.
pub(in crate::cli::doctor) fn account(
    config: &AccountConfig,
    row: Option<&AccountRow>,
    is_running: bool,
) -> Vec<Finding> {
    let name = config.name.as_str();
    let mut findings = Vec::new();
    if !config.enabled {
        findings.push(Finding::ok("blocked", name, "disabled in the configuration: its files wait"));
    } else if let Some(why) = row.and_then(AccountRow::blocked) {
        let (verdict, when) = if is_running {
            (Verdict::Fail, "blocked, nothing is sent")
        } else {
            (Verdict::Warn, "was blocked when the service last ran")
        };
        let problem = Problem { what: format!("{when}: {}", why.what), ..why };
        let finding = Finding::of(verdict, "blocked", name, problem);
        findings.push(finding.or_remedy("see the other findings; it goes on by itself once the reason is gone"));
    } else {
        findings.push(Finding::ok("blocked", name, "not blocked"));
    }
    findings.push(Finding::ok("style", name, style_words(config.style, row)));
    findings.push(Finding::ok("row count", name, row_count_words(row.map(|row| row.row_count).unwrap_or_default())));
    findings
}

/// A job that Adobe may count twice.
pub(in crate::cli::doctor) fn doubled(job: &JobRow) -> Finding {
    let message =
        format!("{} (job {}): {}", printable(&job.file_name), job.id, job.reason.as_deref().unwrap_or_default());
    let remedy =
        "where both hold the same rows, ask Adobe to take one back, or correct the sums with a file of their own";
    Finding::bad(Verdict::Warn, "doubled", &job.account, message, remedy)
}

/// Whether an account that goes by data days has files of which none is known.
pub(in crate::cli::doctor) fn unknown_days(config: &AccountConfig, files: i64) -> Option<Finding> {
    let goes_by_days = config.duplicates == Duplicates::HoldDays || config.expect_days.is_some();
    let problem = files_of_no_day(files).filter(|_| goes_by_days)?;
    Some(Finding::of(Verdict::Warn, "data days", &config.name, problem))
}

/// What Adobe's row counts prove (DESIGN T1, T2).
fn row_count_words(row_count: RowCount) -> String {
    let proves = match row_count {
        RowCount::Processing => "a file of which Adobe skips rows ends as partial",
        RowCount::File => {
            "it does not show rows that Adobe skips, so a file with such rows ends as partial, whatever the count"
        }
        RowCount::Unknown => "until a job shows what it means, a file with rows that Adobe skips ends as partial",
    };
    format!("{}: {proves}", row_count.words())
}

/// Which upload style is used, what proves that the API supports it, and what the API answered to others.
fn style_words(choice: StyleChoice, row: Option<&AccountRow>) -> String {
    let mut words = vec![match (choice, row.and_then(|row| row.style.as_deref())) {
        (StyleChoice::Fixed(style), _) => format!("{}, as configured", style.as_str()),
        (StyleChoice::Auto, Some(style)) => style.to_owned(),
        (StyleChoice::Auto, None) => "not learnt yet: the first upload finds out".to_owned(),
    }];
    words.extend(row.and_then(|row| row.proven.as_ref()).map(|ProvenStyle { style, by, at }| {
        let which = if words[0] == *style { String::new() } else { format!("{style} is ") };
        format!("{which}proven since {at}, when the API accepted job {by} in it")
    }));
    let refused = row.iter().flat_map(|row| &row.refused_styles);
    words.extend(refused.map(|(style, answer)| format!("the API refused {style}: {answer}")));
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_draft;

    fn config(keys: &str) -> AccountConfig {
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[[account]]\nname = \"a\"\n\
             report_suite_id = \"r\"\ndata_source_id = 1\nfolder = \"/nowhere/a\"\n{keys}"
        );
        load_draft("test", &text, []).unwrap().accounts.remove(0)
    }

    #[test]
    fn an_account_is_told_as_the_job_log_has_it() {
        let lines =
            |config, row: Option<&AccountRow>, is_running| -> Vec<Finding> { account(&config, row, is_running) };
        let fresh = lines(config(""), None, false);
        assert!(fresh.iter().all(|finding| finding.verdict == Verdict::Ok), "{fresh:?}");
        assert!(fresh[1].message.starts_with("not learnt yet"));
        let mut row = AccountRow { style: Some("put-json".into()), ..AccountRow::default() };
        assert_eq!(lines(config(""), Some(&row), true)[1].message, "put-json");
        assert_eq!(
            lines(config("style = \"put-multipart\""), Some(&row), true)[1].message,
            "put-multipart, as configured"
        );
        row.api_problem = Some(Problem::new("HTTP 403: no", "check the credential"));
        let blocked = lines(config(""), Some(&row), true).remove(0);
        assert_eq!((blocked.verdict, blocked.remedy.as_deref()), (Verdict::Fail, Some("check the credential")));
        assert_eq!(lines(config(""), Some(&row), false)[0].verdict, Verdict::Warn);
        assert_eq!(lines(config("enabled = false"), Some(&row), true)[0].verdict, Verdict::Ok);
    }

    #[test]
    fn an_account_that_left_with_open_jobs_is_named() {
        let api = "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n";
        let config = load_draft("test", api, []).unwrap();
        let open = OpenJobs { account: "gone".to_owned(), target: None, jobs: 1, oldest: vec![crate::job::JobId(1)] };
        let findings = orphans(&config, &[open.clone(), open]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("2 open jobs") && findings[0].verdict == Verdict::Warn, "{findings:?}");
    }

    #[test]
    fn a_job_log_is_told_by_version() {
        assert!(job_log("/s", Ok(None)).message.starts_with("never run yet"));
        assert!(job_log("/s", Ok(Some((1, 2)))).message.contains("brings to 2"));
        assert_eq!(job_log("/s", Ok(Some((2, 2)))).message, "whole, version 2");
        let newer = OpenError::Newer { file: "/s/datadrop.db".into(), found: 9, known: 2 };
        let newer = job_log("/s", Err(&newer));
        assert_eq!((newer.verdict, newer.remedy.as_deref()), (Verdict::Fail, Some("install that version again")));
        assert_eq!(daemon("/s", Some(false), true, None).verdict, Verdict::Warn);
        assert!(daemon("/s", None, true, None).message.contains("may not look"));
        assert_eq!(daemon("/s", Some(true), true, None).verdict, Verdict::Ok);
        assert_eq!(daemon("/s", Some(true), true, Some("no such file")).verdict, Verdict::Warn);
        let closed = job_log(
            "/s",
            Err(&OpenError::Closed { dir: "/s".into(), file: "/s/datadrop.db".into(), why: "denied".to_owned() }),
        );
        assert_eq!(closed.verdict, Verdict::Warn);
        assert!(closed.remedy.unwrap().contains("a member of its group"));
    }
}
