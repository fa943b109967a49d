//! What Adobe keeps: remote jobs, report suites, Data Sources accounts, companies.

use super::Target;
use secrecy::SecretString;
use serde::Serialize;
use std::fmt;

/// The number that Adobe gave to what it made of an upload (guide: `Job ID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RemoteJobId(pub i64);

impl fmt::Display for RemoteJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the API says of one remote job, Adobe's words kept (guide, "GET retrieve a single job").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteJob {
    /// The name under which the file was sent.
    pub file_name: Option<String>,
    /// "The number of rows successfully processed".
    pub rows_processed: Option<i64>,
    /// Adobe's number for it.
    pub remote_job_id: RemoteJobId,
    /// `uploaded`, `processing`, `success`, `failure`, `deleted`, or a word not known yet.
    pub remote_status: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_created: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_started: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_finished: Option<String>,
}

/// A report suite and the way to it; Data Sources accounts lie within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSuite {
    /// `https://analytics.adobe.io/api`, without a slash at the end.
    pub base_url: String,
    /// `datasources`, `data_sources`, or empty (guide: all three occur).
    pub path_segment: String,
    /// The global company ID.
    pub company: String,
    /// The report suite ID.
    pub id: String,
}

impl ReportSuite {
    /// One of its Data Sources accounts.
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

impl fmt::Display for ReportSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report suite {} at {}", self.id, self.base_url)
    }
}

/// A Data Sources account as the API shows it (guide, "GET retrieve a single account"). Only its number is sure to be
/// there.
#[derive(Debug, Clone)]
pub struct RemoteAccount {
    /// The number by which jobs are sent to it.
    pub data_source_id: i64,
    /// Its name in Adobe's pages.
    pub name: Option<String>,
    /// Who is told of its files.
    pub email: Option<String>,
    /// `generic`, say.
    pub account_type: Option<String>,
    /// Where its files may go by FTP.
    pub ftp_hostname: Option<String>,
    /// By which name.
    pub ftp_username: Option<String>,
    /// By which password, which the API tells in clear text.
    pub ftp_password: Option<SecretString>,
}

/// What may be said of an account to be created (guide, "POST create an account"); the API requires none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name in Adobe's pages.
    pub name: Option<String>,
    /// Who is told of its files.
    pub email: Option<String>,
    /// `generic`, say.
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
