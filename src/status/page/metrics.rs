//! The metrics, in the text format of Prometheus: from facts to text.

use crate::job::Timestamp;
use crate::joblog::{AttemptEnds, CommitCounts, Sums};
use crate::status::StatusReport;
use std::fmt::Write as _;
use std::time::Duration;

/// The facts behind the metrics.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Each account and its counts.
    pub(super) report: &'a StatusReport,
    pub(super) oldest_queued: &'a [(String, Timestamp)],
    pub(super) attempts: &'a [AttemptEnds],
    pub(super) sums: &'a [(String, Sums)],
    /// By account, the age in days of the newest data day that is covered, and how many are missing, as far as either is known.
    pub(super) data_days: Vec<(&'a str, Option<i64>, Option<i64>)>,
    /// Files that scans found and events had not reported, by account.
    pub(super) missed: Vec<(&'a str, u64)>,
    /// Requests in the window of the rate limit, and the limit.
    pub(super) budget: (usize, Option<usize>),
    pub(super) commits: &'a CommitCounts,
    pub(super) job_log_is_writable: bool,
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(i64),
    Count(u64),
    Seconds(Duration),
}

/// A label's name and its value.
type Label<'a> = (&'static str, &'a str);

/// A page of families, each with its help and its type.
#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn family<'a>(
        &mut self,
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, Value)>,
    ) {
        self.head(kind, name, help);
        for (labels, value) in samples {
            self.sample(name, "", &labels, value);
        }
    }

    fn gauge<'a>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, Value)>,
    ) {
        self.family("gauge", name, help, samples);
    }

    fn counter<'a>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, Value)>,
    ) {
        self.family("counter", name, help, samples);
    }

    fn histogram(&mut self, name: &'static str, help: &'static str, counts: &CommitCounts) {
        self.head("histogram", name, help);
        for (bound, count) in &counts.up_to {
            self.sample(name, "_bucket", &[("le", &bound.to_string())], Value::Count(*count));
        }
        self.sample(name, "_bucket", &[("le", "+Inf")], Value::Count(counts.count));
        self.sample(name, "_sum", &[], Value::Seconds(Duration::try_from_secs_f64(counts.seconds).unwrap_or_default()));
        self.sample(name, "_count", &[], Value::Count(counts.count));
    }

    fn head(&mut self, kind: &'static str, name: &'static str, help: &'static str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &[Label<'_>], value: Value) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            Value::Whole(number) => writeln!(self.0, " {number}"),
            Value::Count(number) => writeln!(self.0, " {number}"),
            Value::Seconds(time) => writeln!(self.0, " {}", time.as_secs_f64()),
        };
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn since_1970(at: Timestamp) -> Value {
    Value::Seconds(at.since(Timestamp(0)))
}

/// The whole answer.
#[must_use]
pub(super) fn render(facts: &Facts<'_>) -> String {
    let mut metrics = Metrics::default();
    let account = |name| vec![("account", name)];
    let truth = |is: bool| Value::Whole(i64::from(is));
    metrics.gauge(
        "datadrop_build_info",
        "The version that runs.",
        [(vec![("version", env!("CARGO_PKG_VERSION"))], Value::Whole(1))],
    );
    metrics.gauge(
        "datadrop_start_time_seconds",
        "When the service started, since 1970.",
        [(vec![], since_1970(facts.started))],
    );
    about_accounts(&mut metrics, facts);
    let ends = facts.attempts.iter();
    metrics.counter(
        "datadrop_attempts_total",
        "Upload requests by how they ended, since the job log was made.",
        ends.map(|end| {
            (vec![("account", end.account.as_str()), ("outcome", &end.outcome)], Value::Whole(end.attempts))
        }),
    );
    about_rows(&mut metrics, facts);
    let days = || facts.data_days.iter();
    metrics.gauge(
        "datadrop_data_day_lag_days",
        "Age of the newest data day that an accepted file reports; 0 is today. Absent before the first.",
        days().filter_map(|(name, lag, _)| Some((account(*name), Value::Whole((*lag)?)))),
    );
    metrics.gauge(
        "datadrop_data_days_missing",
        "Data days of the last year that are missing; absent where nothing tells which are expected.",
        days().filter_map(|(name, _, missing)| Some((account(*name), Value::Whole((*missing)?)))),
    );
    metrics.counter(
        "datadrop_watcher_misses_total",
        "Files that a scan found and no file event had reported, since the folder was opened.",
        facts.missed.iter().map(|(name, missed)| (account(*name), Value::Count(*missed))),
    );
    let whole = |number: usize| Value::Count(u64::try_from(number).unwrap_or(u64::MAX));
    metrics.gauge(
        "datadrop_requests_in_window",
        "Requests that count against the rate limit at this moment.",
        [(vec![], whole(facts.budget.0))],
    );
    metrics.gauge(
        "datadrop_requests_limit",
        "Requests that the rate limit allows in its window; absent without a limit.",
        facts.budget.1.map(|limit| (vec![], whole(limit))),
    );
    metrics.histogram(
        "datadrop_commit_seconds",
        "Time to make a transaction of the job log durable: nearly all of it is the fsync.",
        facts.commits,
    );
    metrics.gauge(
        "datadrop_job_log_writable",
        "1 while the job log can be written; 0 stops all sending.",
        [(vec![], truth(facts.job_log_is_writable))],
    );
    metrics.0
}

fn about_accounts(metrics: &mut Metrics, facts: &Facts<'_>) {
    let accounts = &facts.report.accounts;
    let label = |name| vec![("account", name)];
    let states = accounts.iter().flat_map(|account| {
        let name = account.name.as_str();
        account.jobs.all().map(move |(state, count)| (vec![("account", name), ("state", state)], Value::Whole(count)))
    });
    metrics.gauge("datadrop_files", "Files (jobs) in the job log, markers included, by state.", states);
    metrics.gauge(
        "datadrop_account_blocked",
        "1 while nothing is sent for the account because of its folder or its credential.",
        accounts
            .iter()
            .map(|account| (label(account.name.as_str()), Value::Whole(i64::from(account.blocked.is_some())))),
    );
    metrics.gauge(
        "datadrop_queue_age_seconds",
        "For how long the oldest queued file has been ready to be sent; 0 if none is.",
        accounts.iter().map(|account| {
            let oldest = facts.oldest_queued.iter().find(|(name, _)| *name == account.name);
            let age = oldest.map_or(Duration::ZERO, |(_, at)| facts.now.since(*at));
            (label(account.name.as_str()), Value::Seconds(age))
        }),
    );
    metrics.gauge(
        "datadrop_sweep_age_seconds",
        "How old the last reading of the remote list is; absent before the first. It is read while jobs are open.",
        accounts.iter().filter_map(|account| {
            Some((label(account.name.as_str()), Value::Seconds(facts.now.since(account.last_sweep?))))
        }),
    );
    metrics.gauge(
        "datadrop_last_success_timestamp_seconds",
        "When a file last ended in success, since 1970; absent before the first.",
        accounts.iter().filter_map(|account| Some((label(account.name.as_str()), since_1970(account.last_success?)))),
    );
}

/// A name, its help, and which of the sums it tells.
type Family = (&'static str, &'static str, fn(&Sums) -> i64);

fn about_rows(metrics: &mut Metrics, facts: &Facts<'_>) {
    let families: [Family; 5] = [
        ("datadrop_files_ended_total", "Data files at their end, whichever it is.", |sums| sums.files),
        ("datadrop_bytes_sent_total", "Bytes of data files that were accepted and are at their end.", |sums| {
            sums.bytes_sent
        }),
        ("datadrop_rows_sent_total", "Rows of data files that were accepted and are at their end.", |sums| {
            sums.rows_sent
        }),
        ("datadrop_rows_processed_total", "Rows that Adobe processed.", |sums| sums.rows_processed),
        ("datadrop_rows_lost_total", "Rows that were accepted and that Adobe did not process.", |sums| sums.rows_lost),
    ];
    for (name, help, value) in families {
        let samples =
            facts.sums.iter().map(|(account, sums)| (vec![("account", account.as_str())], Value::Whole(value(sums))));
        metrics.counter(name, help, samples);
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_fixtures::{here, report};
    use super::*;

    #[test]
    fn a_scrape_reads_as_prometheus_wants_it() {
        let report = report();
        let now = here().now;
        let sums = Sums { files: 121, bytes_sent: 9_000_000, rows_sent: 12_100, rows_processed: 12_096, rows_lost: 4 };
        let facts = Facts {
            report: &report,
            oldest_queued: &[("callcentre".to_owned(), now.before(Duration::from_millis(2_500)))],
            attempts: &[AttemptEnds {
                account: "callcentre".to_owned(),
                outcome: "accepted".to_owned(),
                attempts: 122,
            }],
            sums: &[("callcentre".to_owned(), sums)],
            data_days: vec![("callcentre", Some(1), Some(2)), ("returns", None, None)],
            missed: vec![("callcentre", 1)],
            budget: (3, Some(12)),
            commits: &CommitCounts { up_to: vec![(0.001, 5), (1.0, 6)], count: 7, seconds: 1.25 },
            job_log_is_writable: true,
            started: now.before(Duration::from_hours(24)),
            now,
        };
        insta::assert_snapshot!(render(&facts).replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
