//! Turns rows of the job log into pages for people and formats for programs. Pure: no terminal, no clock, no database.
//!
//! The time, the zone and the width of the terminal are arguments, so that a test can check every page as a text.
//! Others choose the file names, so control characters in them never reach a terminal.

mod coverage_view;
mod csv;
mod format;
mod job_page;
mod json;
mod live_view;
mod model;
pub mod page;
mod remote_view;
mod standing;
mod table;

#[cfg(test)]
mod sample_rows;

pub use self::csv::{JOB_COLUMNS, jobs_csv};
pub use coverage_view::{
    AccountCoverage, JOBS_NAMED, coverage_calendar, coverage_csv, coverage_json, coverage_summary, coverage_table,
    day_totals_table,
};
pub use format::{
    Here, Since, counted, cut, cut_middle, day_or_time, grouped, parse_time, printable, since_words, size, span,
    until_words,
};
pub use job_page::job_page;
pub use json::{chosen_json, job_json, jobs_json, status_json};
pub use live_view::{WatchData, change_line, state_style, watch_view};
pub use model::{AccountStatus, BacklogStatus, RequestBudget, StateCounts, StatusReport, status_page};
pub use remote_view::{
    AccountOfSuite, account_json, account_page, accounts_json, accounts_table, columns, remote_job_json,
    remote_job_page, remote_jobs_csv, remote_jobs_json, remote_jobs_table,
};
pub use standing::{FIRST_LIST, RECENT, state_counts, status_report};
pub use table::{chosen_table, jobs_table};
