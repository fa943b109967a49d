//! Adobe's objects: remote jobs, report suites, Data Sources accounts, companies.

use super::{EventId, JobId, Target};
use secrecy::SecretString;
use serde::Serialize;
use std::fmt;

/// The number that Adobe gave to the remote job of an upload (`Job ID`, DESIGN §5, "Endpoints").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RemoteJobId(pub i64);

impl fmt::Display for RemoteJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One remote job as the API shows it, in Adobe's words (DESIGN §5, "GET retrieve a single job").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteJob {
    /// The name under which the file was sent.
    pub file_name: Option<String>,
    /// "The number of rows successfully processed".
    pub rows_processed: Option<i64>,
    /// Adobe's number for it.
    pub remote_job_id: RemoteJobId,
    /// `uploaded`, `processing`, `success`, `failure`, `deleted`, or an unknown word.
    pub remote_status: Option<String>,
    /// The date as Adobe wrote it. It has no zone.
    pub remote_created: Option<String>,
    /// The date as Adobe wrote it. It has no zone.
    pub remote_started: Option<String>,
    /// The date as Adobe wrote it. It has no zone.
    pub remote_finished: Option<String>,
}

/// What Adobe's row counts include, as far as an account's jobs have shown (DESIGN T1). The documentation contradicts
/// itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowCount {
    /// No job has shown it yet.
    #[default]
    Unknown,
    /// The rows that Adobe processed, without those that it skipped.
    Processing,
    /// All rows of the file, also those that Adobe skipped.
    File,
}

impl RowCount {
    /// The word of the job log and of `status --json`; `None` while nothing is known.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Processing => Some("processing"),
            Self::File => Some("file"),
        }
    }

    /// Reads the word of the job log.
    #[must_use]
    pub fn from_word(word: Option<&str>) -> Self {
        [Self::Processing, Self::File].into_iter().find(|count| count.as_str() == word).unwrap_or_default()
    }

    /// Explains the count to people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "not learnt yet",
            Self::Processing => "of processed rows",
            Self::File => "of the file's rows",
        }
    }
}

impl Serialize for RowCount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

/// Another file that datadrop sent and that a remote job may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSent {
    /// Its job.
    pub id: JobId,
    /// Its wire name.
    pub wire_name: String,
    /// Its upload is in progress.
    pub is_uploading: bool,
    /// It is uploading, or its outcome will be known soon. If false, nobody knows whether it arrived.
    pub is_open: bool,
    /// The event that began its latest attempt.
    pub began: EventId,
}

/// What the API showed of a remote job earlier. datadrop recognises the job by these facts. A number alone does not
/// identify a job, because a server may restart its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The name that the API showed.
    pub file_name: Option<String>,
    /// The creation date, as Adobe wrote it.
    pub created: Option<String>,
    /// A list showed it. The answer to an upload may have another date, and the name that was sent.
    pub by_list: bool,
}

impl Told {
    /// Returns whether a job that is shown under that number is this one. `None` if that is unknown.
    #[must_use]
    pub fn is_same(&self, shown: &RemoteJob) -> Option<bool> {
        let apart = self.apart(shown)?;
        // Lists never change what they show of a job.
        if self.by_list && self.has_another_name(shown) {
            return (apart > 0).then_some(false);
        }
        // Dates have no zone, so a difference of whole quarters of an hour may be the same moment in two zones.
        let past_quarter = apart % QUARTER;
        let is_zone = apart <= ZONES && (past_quarter <= SECONDS_OFF || past_quarter >= QUARTER - SECONDS_OFF);
        let least = if self.by_list { SECONDS_OFF } else { ANSWERED_AND_LISTED };
        if apart == 0 || apart <= SECONDS_OFF && !self.has_another_name(shown) {
            Some(true)
        } else if is_zone || apart <= least {
            None
        } else {
            Some(false)
        }
    }

    fn has_another_name(&self, shown: &RemoteJob) -> bool {
        matches!((&self.file_name, &shown.file_name), (Some(known), Some(shown)) if known != shown)
    }

    /// Returns whether a list has shown the job under this name before.
    #[must_use]
    pub fn was_listed_as(&self, shown: &RemoteJob) -> bool {
        self.by_list && self.file_name.is_some() && self.file_name == shown.file_name
    }

    /// Returns whether the text of the other job's date differs.
    #[must_use]
    pub fn has_another_date(&self, shown: &RemoteJob) -> bool {
        self.apart(shown).is_some_and(|apart| apart > 0)
    }

    fn apart(&self, shown: &RemoteJob) -> Option<u64> {
        let (known, now) = (date_told(self.created.as_deref()?)?, date_told(shown.remote_created.as_deref()?)?);
        Some(known.abs_diff(now))
    }
}

/// Largest difference in seconds between two forms of the same date.
const SECONDS_OFF: u64 = 1;
/// Largest difference in seconds between the date in the answer to an upload and that in a list.
const ANSWERED_AND_LISTED: u64 = 120;
const QUARTER: u64 = 15 * 60;
const ZONES: u64 = 26 * 3600;

/// Converts a date of Adobe to seconds. It has no zone, so compare it only with dates of the same server.
#[must_use]
pub fn date_told(text: &str) -> Option<i64> {
    let text = text.trim();
    let civil = |date| jiff::tz::TimeZone::UTC.to_timestamp(date).ok().map(jiff::Timestamp::as_second);
    text.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_second)
        .ok()
        .or_else(|| text.parse().ok().and_then(civil))
        .or_else(|| jiff::civil::DateTime::strptime("%m/%d/%Y %H:%M:%S", text).ok().and_then(civil))
}

/// A report suite, with the address to reach it. Its Data Sources accounts belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSuite {
    /// `https://analytics.adobe.io/api`, without a slash at the end.
    pub base_url: String,
    /// `datasources`, `data_sources`, or empty (all three occur, DESIGN §5, "Endpoints").
    pub path_segment: String,
    /// The global company ID.
    pub company: String,
    /// The report suite ID.
    pub id: String,
}

impl ReportSuite {
    /// Returns one of its Data Sources accounts.
    #[must_use]
    pub fn account(&self, data_source_id: i64) -> Target {
        Target {
            base_url: self.base_url.clone(),
            path_segment: self.path_segment.clone(),
            company: self.company.clone(),
            report_suite_id: self.id.clone(),
            data_source_id,
        }
    }
}

impl Target {
    /// Returns the report suite of this Data Sources account.
    #[must_use]
    pub fn report_suite(&self) -> ReportSuite {
        ReportSuite {
            base_url: self.base_url.clone(),
            path_segment: self.path_segment.clone(),
            company: self.company.clone(),
            id: self.report_suite_id.clone(),
        }
    }
}

impl fmt::Display for ReportSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report suite {} at {}", self.id, self.base_url)
    }
}

/// A Data Sources account as the API shows it (DESIGN §5, "GET retrieve a single account"). Only its number is always
/// there.
#[derive(Debug, Clone)]
pub struct RemoteAccount {
    /// The number to which jobs are sent.
    pub data_source_id: i64,
    /// Its name in Adobe's pages.
    pub name: Option<String>,
    /// The address that Adobe notifies of its files.
    pub email: Option<String>,
    /// For example `generic`.
    pub account_type: Option<String>,
    /// The FTP host that takes its files.
    pub ftp_hostname: Option<String>,
    /// The FTP user name.
    pub ftp_username: Option<String>,
    /// The FTP password, which the API returns in clear text.
    pub ftp_password: Option<SecretString>,
}

impl RemoteAccount {
    /// The address that Adobe writes errors to, shortened for display: `a…@example.com`. `None` if Adobe has none.
    #[must_use]
    pub fn shown_email(&self) -> Option<String> {
        let short = |address: &str| {
            let (name, host) = address.trim().split_once('@')?;
            Some(format!("{}…@{host}", name.chars().next()?))
        };
        let addresses: Vec<String> = self.email.as_deref()?.split([',', ';']).filter_map(short).collect();
        (!addresses.is_empty()).then(|| addresses.join(", "))
    }
}

/// The settings of a new account (DESIGN §5, "POST create an account"). The API requires none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name in Adobe's pages.
    pub name: Option<String>,
    /// The address that Adobe notifies of its files.
    pub email: Option<String>,
    /// For example `generic`.
    pub account_type: Option<String>,
}

/// A company that a credential may act for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// The global company ID.
    pub global_company_id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(date: &str) -> RemoteJob {
        RemoteJob {
            file_name: None,
            rows_processed: None,
            remote_job_id: RemoteJobId(1),
            remote_status: None,
            remote_created: Some(date.to_owned()),
            remote_started: None,
            remote_finished: None,
        }
    }

    #[test]
    fn dates_are_read_in_all_three_forms() {
        for text in ["1/1/2026 03:05:07", "2026-01-01 03:05:07", "2026-01-01T03:05:07Z", "2026-01-01T03:05:07.000Z"] {
            assert_eq!(date_told(text), Some(1_767_236_707), "{text}");
        }
        assert_eq!(date_told("soon"), None);
    }

    #[test]
    fn a_job_is_known_again_by_its_date() {
        let told = |by_list| Told { file_name: None, created: Some("1/1/2026 03:05:07".to_owned()), by_list };
        for (shown, listed, answered) in [
            ("2026-01-01 03:05:07", Some(true), Some(true)),
            ("2026-01-01 03:05:12", Some(false), None),
            ("2026-01-01 03:09:12", Some(false), Some(false)),
            // A difference of an hour or more, exact to the second, may be a zone.
            ("2026-01-01 11:05:07", None, None),
            ("2026-01-09 03:05:07", Some(false), Some(false)),
            ("soon", None, None),
        ] {
            assert_eq!(told(true).is_same(&created(shown)), listed, "{shown}");
            assert_eq!(told(false).is_same(&created(shown)), answered, "{shown}");
        }
        let named = |name: &str, date: &str| RemoteJob { file_name: Some(name.to_owned()), ..created(date) };
        let known = Told { file_name: Some("a.txt".to_owned()), ..told(true) };
        assert_eq!(known.is_same(&named("b.txt", "2026-01-01 03:05:08")), Some(false), "restarted within a second");
        assert_eq!(known.is_same(&named("a.txt", "2026-01-01 03:05:07")), Some(true));
        assert_eq!(Told::default().is_same(&created("2026-01-01 03:05:07")), None);
    }
}
