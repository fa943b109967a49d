//! From rows of the job log to what people and programs read. Pure: no terminal, no clock, no database.
//!
//! Whatever depends on the reader (the time, the zone, the width of the terminal) is an argument, so that every page
//! can be tested as a text. Names of files are other people's words: control characters never reach a terminal.

mod change;
mod csv;
mod json;
mod page;
mod remote;
mod since;
mod standing;
mod status;
mod table;
mod watch;
mod words;

#[cfg(test)]
mod fixtures;

pub use self::csv::{JOB_COLUMNS, jobs_csv};
pub use change::{change_line, state_style};
pub use json::{job_json, jobs_json, status_json};
pub use page::job_page;
pub use remote::{
    AccountOfSuite, account_json, account_page, accounts_json, accounts_table, remote_job_json, remote_job_page,
    remote_jobs_csv, remote_jobs_json, remote_jobs_table,
};
pub use since::Since;
pub use standing::{FIRST_LIST, RECENT, state_counts, status_report};
pub use status::{AccountStatus, BacklogStatus, RequestBudget, StateCounts, StatusReport, status_page};
pub use table::jobs_table;
pub use watch::{WatchData, watch_view};
pub use words::{
    Here, counted, cut, cut_middle, day_or_time, grouped, parse_time, printable, since_words, size, span, until_words,
};
