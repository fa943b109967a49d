//! Jobs as the API spells them: sentences in the guide, short keys today.

use super::options::Dialect;
use super::world::{Job, Progress};
use crate::job::{Timestamp, UploadStyle};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

/// How keys and dates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Guide,
    Short,
}

impl Spelling {
    /// A job is spelled as it came.
    pub(super) fn of_style(style: UploadStyle) -> Self {
        match style {
            UploadStyle::PutJson => Self::Guide,
            UploadStyle::PostMultipart | UploadStyle::PutMultipart => Self::Short,
        }
    }

    /// A list has one spelling.
    pub(super) fn of_list(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Guide => Self::Guide,
            Dialect::Current | Dialect::Both => Self::Short,
        }
    }
}

/// One job of an answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum SpelledJob<'a> {
    Guide(GuideJob<'a>),
    Short(ShortJob<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct GuideJob<'a> {
    #[serde(rename = "Filename")]
    filename: &'a str,
    #[serde(rename = "The number of rows successfully processed")]
    rows: u64,
    #[serde(rename = "Job ID")]
    job_id: i64,
    #[serde(rename = "Status of the job")]
    status: &'a str,
    #[serde(rename = "Date the job was created")]
    created: String,
    #[serde(rename = "Date the job began processing")]
    started: Option<String>,
    #[serde(rename = "Date the job finished processing")]
    finished: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShortJob<'a> {
    job_id: i64,
    status: &'a str,
    rows: u64,
    filename: &'a str,
    uploaded_date: String,
    started_processing_date: Option<String>,
    finished_processing_date: Option<String>,
}

/// A page of the job list; its own keys are the same in both spellings.
#[derive(Debug, Serialize)]
pub(super) struct SpelledPage<'a> {
    pub(super) page: usize,
    pub(super) jobs: Vec<SpelledJob<'a>>,
    pub(super) total_pages: usize,
}

impl<'a> SpelledJob<'a> {
    pub(super) fn new(spelling: Spelling, job: &'a Job, progress: Progress<'a>) -> Self {
        let Progress { status, rows, started, finished } = progress;
        let filename = job.shown.as_str();
        let job_id = job.id.0;
        let date = |time| date(spelling, time);
        match spelling {
            Spelling::Guide => Self::Guide(GuideJob {
                filename,
                rows,
                job_id,
                status,
                created: date(job.created),
                started: started.map(date),
                finished: finished.map(date),
            }),
            Spelling::Short => Self::Short(ShortJob {
                job_id,
                status,
                rows,
                filename,
                uploaded_date: date(job.created),
                started_processing_date: started.map(date),
                finished_processing_date: finished.map(date),
            }),
        }
    }
}

/// UTC; the documents name no zone.
fn date(spelling: Spelling, time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time: DateTime = TimeZone::UTC.to_datetime(time);
    let (year, month, day) = (time.year(), time.month(), time.day());
    let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    match spelling {
        Spelling::Guide => format!("{month}/{day}/{year} {clock}"),
        Spelling::Short => format!("{year}-{month:02}-{day:02} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_spelling() {
        let time = Timestamp(1_767_236_707_999);
        assert_eq!(date(Spelling::Guide, time), "1/1/2026 03:05:07");
        assert_eq!(date(Spelling::Short, time), "2026-01-01 03:05:07");
    }
}
