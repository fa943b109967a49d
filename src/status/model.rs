//! The state of the service and its accounts.

use super::format::{Here, counted, printable, since_words, size, until_words};
use crate::job::{RowCount, State, Timestamp};
use crate::joblog::{MOST_DAYS_SENT, MOST_WAITING};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// The answer to `status`. The field names are the JSON keys.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// `running` or `stopped`.
    pub daemon: &'static str,
    /// The directory of the job log.
    pub state_dir: String,
    /// Why the service runs an older configuration, if it refused the reload.
    pub reload_refused: Option<String>,
    /// Time of that reload.
    #[serde(serialize_with = "time")]
    pub reload_refused_at: Option<Timestamp>,
    /// Each account of the configuration, then those that are only in the job log.
    pub accounts: Vec<AccountStatus>,
    /// The requests that the API allows.
    pub request_budget: RequestBudget,
    /// The files that are ready to be sent.
    pub backlog: BacklogStatus,
}

/// The files that are ready to be sent, over all accounts that send.
#[derive(Debug, Clone, Serialize)]
pub struct BacklogStatus {
    /// Number of files, including markers.
    pub files: u64,
    /// Seconds to send them at the rate that the API allows. Null without a limit.
    pub seconds: Option<u64>,
    /// Number and time in words.
    #[serde(skip)]
    pub words: String,
}

/// The maximum number of requests per window of time. Nulls mean no limit.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RequestBudget {
    /// Number of requests.
    pub limit: Option<u32>,
    /// Length of the window.
    pub per_seconds: Option<f64>,
}

/// One account.
#[derive(Debug, Clone, Serialize)]
pub struct AccountStatus {
    /// Its name.
    pub name: String,
    /// Its folder. Null if the configuration no longer has the account.
    pub folder: Option<String>,
    /// Whether it sends files.
    pub enabled: bool,
    /// Jobs by state.
    #[serde(flatten)]
    pub jobs: StateCounts,
    /// Why it sends nothing, if it is blocked.
    pub blocked: Option<String>,
    /// Time since when.
    #[serde(serialize_with = "time")]
    pub blocked_since: Option<Timestamp>,
    /// Why files wait for another attempt, if any do.
    pub trying_again: Option<String>,
    /// When the first of these files is due.
    #[serde(skip)]
    pub next_try: Option<Timestamp>,
    /// The states in which files need a person.
    #[serde(skip)]
    pub to_handle: Vec<String>,
    /// The upload style that worked.
    pub style: Option<String>,
    /// Time of the last `success`.
    #[serde(serialize_with = "time")]
    pub last_success: Option<Timestamp>,
    /// Time at which Adobe's list was last read.
    #[serde(serialize_with = "time")]
    pub last_sweep: Option<Timestamp>,
    /// Time of the next sweep.
    #[serde(serialize_with = "time")]
    pub next_sweep: Option<Timestamp>,
    /// Number of names in the folder that datadrop ignores: hidden files, folders, excluded files, other extensions.
    pub ignored_files: i64,
    /// The quiet period in seconds, if programs that write files in pieces have made it longer than the configured one.
    pub settle_seconds: Option<f64>,
    /// What Adobe's row counts mean: `processing` or `file`. Null until a job has shown it.
    pub row_count: RowCount,
    /// Why jobs at Adobe are overdue, if any are.
    pub overdue: Option<String>,
    /// Number of distinct data days sent today, as far as files were checked.
    pub data_days_today: i64,
    /// Bytes that Adobe has not processed.
    pub bytes_at_adobe: u64,
    /// Number of files that wait for a day to begin.
    pub waiting_for_day: i64,
    /// Time until which its alerts are muted, if they are.
    #[serde(serialize_with = "time")]
    pub muted_until: Option<Timestamp>,
    /// The user who muted them.
    pub muted_by: Option<String>,
    /// When the first file that waits for a day is due.
    #[serde(skip)]
    pub next_day: Option<Timestamp>,
}

/// Number of jobs in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the states of DESIGN §4")]
pub struct StateCounts {
    pub waiting: i64,
    pub queued: i64,
    pub uploading: i64,
    pub unconfirmed: i64,
    pub held: i64,
    pub uploaded: i64,
    pub processing: i64,
    pub success: i64,
    pub partial: i64,
    pub failure: i64,
    pub rejected: i64,
    pub cancelled: i64,
}

impl StateCounts {
    /// Returns the count of a state.
    pub fn of(&mut self, state: State) -> &mut i64 {
        match state {
            State::Waiting => &mut self.waiting,
            State::Queued => &mut self.queued,
            State::Uploading(_) => &mut self.uploading,
            State::Unconfirmed => &mut self.unconfirmed,
            State::Held => &mut self.held,
            State::Uploaded => &mut self.uploaded,
            State::Processing => &mut self.processing,
            State::Success => &mut self.success,
            State::Partial => &mut self.partial,
            State::Failure => &mut self.failure,
            State::Rejected => &mut self.rejected,
            State::Cancelled => &mut self.cancelled,
        }
    }

    /// Number of files in the inbox.
    #[must_use]
    pub fn inbox(&self) -> i64 {
        self.waiting + self.queued + self.uploading + self.unconfirmed
    }

    /// Number of accepted jobs that have not ended.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.uploaded + self.processing
    }

    /// Number of ended jobs.
    #[must_use]
    pub fn ended(&self) -> i64 {
        self.ends().iter().map(|(_, count)| count).sum()
    }

    /// Every state with its count, in the order of a job's life.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, i64)> + use<> {
        let under_way = [("held", self.held), ("uploaded", self.uploaded), ("processing", self.processing)];
        self.inbox_states().into_iter().chain(under_way).chain(self.ends())
    }

    fn inbox_states(&self) -> [(&'static str, i64); 4] {
        [
            ("waiting", self.waiting),
            ("queued", self.queued),
            ("uploading", self.uploading),
            ("unconfirmed", self.unconfirmed),
        ]
    }

    fn ends(&self) -> [(&'static str, i64); 5] {
        [
            ("success", self.success),
            ("partial", self.partial),
            ("failure", self.failure),
            ("rejected", self.rejected),
            ("cancelled", self.cancelled),
        ]
    }
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

/// The report as a page for people.
#[must_use]
pub fn status_page(report: &StatusReport, here: &Here) -> String {
    let running = report.daemon == "running";
    let mut page = if running {
        "datadrop is running".to_owned()
    } else {
        "datadrop is not running: nothing is sent until it is (`systemctl start datadrop`)".to_owned()
    };
    let _ = write!(page, "\nstate directory {}", printable(&report.state_dir));
    match (report.request_budget.limit, report.request_budget.per_seconds) {
        (Some(limit), Some(seconds)) => {
            let _ = writeln!(page, ", at most {} in {seconds} s", counted(i64::from(limit), "request"));
        }
        (_, _) => page.push_str(", requests without a limit\n"),
    }
    if let (Some(why), Some(at)) = (&report.reload_refused, report.reload_refused_at) {
        let _ = writeln!(
            page,
            "NOT AS CONFIGURED: the last reload was refused {}, so what runs is what held before: {}",
            since_words(at, here),
            printable(why)
        );
    }
    if report.backlog.files > 0 {
        let _ = writeln!(page, "to be sent: {}", report.backlog.words);
    }
    if report.accounts.is_empty() {
        page.push_str("\nno accounts: the configuration has no [[account]]\n");
    }
    for account in &report.accounts {
        page.push('\n');
        account_page(&mut page, account, running, here);
    }
    page
}

fn account_page(page: &mut String, account: &AccountStatus, running: bool, here: &Here) {
    let _ = write!(page, "{}  ", printable(&account.name));
    page.push_str(&account.folder.as_deref().map_or("(not in the configuration any more)".to_owned(), printable));
    if !account.enabled && account.folder.is_some() {
        page.push_str("  (disabled: nothing is sent)");
    }
    let jobs = &account.jobs;
    let _ = writeln!(
        page,
        "\n  inbox {}, open {}, held {}",
        list(jobs.inbox(), &jobs.inbox_states()),
        jobs.open(),
        jobs.held
    );
    let _ = writeln!(page, "  ended {}", list(jobs.ended(), &jobs.ends()));
    let _ = write!(page, "{}", see_why(account));
    if let Some(why) = &account.blocked {
        let since = account.blocked_since.map_or_else(String::new, |at| format!(" {}", since_words(at, here)));
        let _ = writeln!(page, "  BLOCKED{since}: {}", printable(why));
    }
    if let Some(why) = account.trying_again.as_ref().filter(|_| account.blocked.is_none()) {
        let next = account.next_try.filter(|_| running);
        let next = next.map_or_else(String::new, |at| format!(" (next try {})", until_words(at, here)));
        let _ = writeln!(page, "  NOT SENT YET{next}: {}", printable(why));
    }
    if let Some(at) = account.next_day {
        let files = counted(account.waiting_for_day, "file");
        let _ = writeln!(page, "  WAITING FOR A DAY: {files}, the first until {at} ({})", until_words(at, here));
    }
    if let Some(why) = &account.overdue {
        let _ = writeln!(page, "  OVERDUE: {}", printable(why));
    }
    if let Some(until) = account.muted_until {
        let by = account.muted_by.as_ref().map(|by| format!(" by {}", printable(by))).unwrap_or_default();
        let _ = writeln!(page, "  ALERTS MUTED{by}: until {until} ({})", until_words(until, here));
    }
    if let Some(seconds) = account.settle_seconds {
        let _ = writeln!(
            page,
            "  WRITTEN IN PIECES: files were changed after they were taken in, so each waits until it was quiet for {seconds} s; \
             rename finished files into the folder, or add a marker (.fin) after each"
        );
    }
    let ago = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |at| since_words(at, here));
    let _ = write!(page, "  last success {}, last sweep {}", ago(account.last_success), ago(account.last_sweep));
    if let Some(at) = account.next_sweep.filter(|_| running) {
        let _ = write!(page, ", next sweep {}", until_words(at, here));
    }
    let _ = write!(page, ", style {}", account.style.as_deref().map_or("not learnt yet".to_owned(), printable));
    let _ = writeln!(page, ", row count {}", account.row_count.words());
    if account.data_days_today > 0 || account.bytes_at_adobe > 0 {
        let _ = writeln!(
            page,
            "  sent today: {} (Adobe documents at most {MOST_DAYS_SENT}); at Adobe: {} (it documents that it pauses above {})",
            counted(account.data_days_today, "data day"),
            size(account.bytes_at_adobe.cast_signed()),
            size(MOST_WAITING.cast_signed())
        );
    }
    if account.ignored_files > 0 {
        let _ = writeln!(
            page,
            "  {} in the folder ignored: hidden, a folder, excluded, or not of a watched extension",
            counted(account.ignored_files, "name")
        );
    }
}

/// The command that shows the jobs that need a person, if there are any.
fn see_why(account: &AccountStatus) -> String {
    let states: Vec<String> = account.to_handle.iter().map(|state| format!("--state {state}")).collect();
    if states.is_empty() {
        return String::new();
    }
    format!("  see why: datadrop jobs list --account {} {}\n", printable(&account.name), states.join(" "))
}

/// `3 (1 waiting, 2 queued)`: a sum with its parts.
fn list(sum: i64, parts: &[(&str, i64)]) -> String {
    let parts: Vec<String> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    if parts.is_empty() { sum.to_string() } else { format!("{sum} ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests;
