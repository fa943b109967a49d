//! The data that Adobe returns: remote jobs and Data Sources accounts, as tables, pages, JSON and CSV.

use super::format::{pad, printable};
use crate::job::{RemoteAccount, RemoteJob};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::fmt::Write as _;

/// The keys of a remote job, in the order of DESIGN §7.
const JOB_KEYS: [&str; 7] = [
    "file_name",
    "rows_processed",
    "remote_job_id",
    "remote_status",
    "remote_created",
    "remote_started",
    "remote_finished",
];

/// An array of remote jobs.
///
/// # Errors
/// Never in practice: every job has a JSON form.
pub fn remote_jobs_json(jobs: &[RemoteJob]) -> serde_json::Result<String> {
    super::json::lines(jobs)
}

/// One remote job.
///
/// # Errors
/// Never in practice: every job has a JSON form.
pub fn remote_job_json(job: &RemoteJob) -> serde_json::Result<String> {
    super::json::lines(job)
}

/// A header and a line for each remote job.
///
/// # Errors
/// Never in practice: the text is built in memory.
pub fn remote_jobs_csv(jobs: &[RemoteJob]) -> Result<String, ::csv::Error> {
    super::csv::lines(&JOB_KEYS, jobs.iter().map(|job| cells(job).map(|cell| super::csv::text(&cell))))
}

/// A line for each remote job, in the order of the API.
#[must_use]
pub fn remote_jobs_table(jobs: &[RemoteJob]) -> String {
    let header = ["file", "rows", "remote job", "status", "created", "started", "finished"];
    columns(&header, &[1, 2], jobs.iter().map(|job| cells(job).map(|cell| printable(&cell))))
}

/// Everything about one remote job, for a person.
#[must_use]
pub fn remote_job_page(job: &RemoteJob) -> String {
    let [file, rows, id, status, created, started, finished] = cells(job).map(|cell| printable(&cell));
    let title = format!("remote job {id}: {} is {}", or_unknown(file), or_unknown(status));
    let facts = [("rows", rows), ("created", created), ("started", started), ("finished", finished)];
    page(&title, facts.map(|(label, value)| (label, or_unknown(value))))
}

fn cells(job: &RemoteJob) -> [String; 7] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        text(&job.file_name),
        job.rows_processed.map(|rows| rows.to_string()).unwrap_or_default(),
        job.remote_job_id.to_string(),
        text(&job.remote_status),
        text(&job.remote_created),
        text(&job.remote_started),
        text(&job.remote_finished),
    ]
}

/// A Data Sources account, with its name in the configuration.
#[derive(Debug, Clone)]
pub struct AccountOfSuite {
    /// The report suite that it belongs to.
    pub report_suite_id: String,
    /// As the API shows it.
    pub account: RemoteAccount,
    /// The `[[account]]` that sends to it.
    pub configured_as: Option<String>,
}

/// The guide's keys, and the report suite (DESIGN §7).
#[derive(Serialize)]
struct AccountObject<'a> {
    report_suite_id: &'a str,
    name: Option<&'a str>,
    email: Option<&'a str>,
    data_source_id: i64,
    #[serde(rename = "type")]
    account_type: Option<&'a str>,
    ftp_hostname: Option<&'a str>,
    ftp_username: Option<&'a str>,
    ftp_password: Option<&'a str>,
}

impl<'a> AccountObject<'a> {
    fn new(of_suite: &'a AccountOfSuite, show_secrets: bool) -> Self {
        let account = &of_suite.account;
        Self {
            report_suite_id: &of_suite.report_suite_id,
            name: account.name.as_deref(),
            email: account.email.as_deref(),
            data_source_id: account.data_source_id,
            account_type: account.account_type.as_deref(),
            ftp_hostname: account.ftp_hostname.as_deref(),
            ftp_username: account.ftp_username.as_deref(),
            ftp_password: account.ftp_password.as_ref().filter(|_| show_secrets).map(ExposeSecret::expose_secret),
        }
    }
}

/// An array of accounts. FTP passwords are null unless `show_secrets` is set.
///
/// # Errors
/// Never in practice: every account has a JSON form.
pub fn accounts_json(accounts: &[AccountOfSuite], show_secrets: bool) -> serde_json::Result<String> {
    let objects: Vec<AccountObject<'_>> =
        accounts.iter().map(|account| AccountObject::new(account, show_secrets)).collect();
    super::json::lines(&objects)
}

/// One account.
///
/// # Errors
/// Never in practice: every account has a JSON form.
pub fn account_json(account: &AccountOfSuite, show_secrets: bool) -> serde_json::Result<String> {
    super::json::lines(&AccountObject::new(account, show_secrets))
}

/// A line for each account. FTP passwords are shown only if `show_secrets` is set.
#[must_use]
pub fn accounts_table(accounts: &[AccountOfSuite], show_secrets: bool) -> String {
    let mut header = vec!["report suite", "id", "name", "type", "e-mail", "configured as"];
    if show_secrets {
        header.extend(["ftp user", "ftp password"]);
    }
    let rows = accounts.iter().map(|of_suite| {
        let object = AccountObject::new(of_suite, show_secrets);
        let text = |text: Option<&str>| text.map(printable).unwrap_or_default();
        let mut cells = vec![
            printable(object.report_suite_id),
            object.data_source_id.to_string(),
            text(object.name),
            text(object.account_type),
            text(object.email),
            of_suite.configured_as.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        if show_secrets {
            cells.extend([text(object.ftp_username), text(object.ftp_password)]);
        }
        cells
    });
    columns(&header, &[1], rows)
}

/// Everything about one account, for a person.
#[must_use]
pub fn account_page(of_suite: &AccountOfSuite, show_secrets: bool) -> String {
    let object = AccountObject::new(of_suite, show_secrets);
    let text = |text: Option<&str>| or_unknown(text.map(printable).unwrap_or_default());
    let title = format!("account {} of report suite {}", object.data_source_id, printable(object.report_suite_id));
    let password = match (&of_suite.account.ftp_password, object.ftp_password) {
        (None, _) => or_unknown(String::new()),
        (Some(_), None) => "hidden; --show-secrets shows it".to_owned(),
        (Some(_), Some(password)) => printable(password),
    };
    page(
        &title,
        [
            ("name", text(object.name)),
            ("e-mail", text(object.email)),
            ("type", text(object.account_type)),
            ("ftp host", text(object.ftp_hostname)),
            ("ftp user", text(object.ftp_username)),
            ("ftp password", password),
            (
                "configured as",
                of_suite.configured_as.clone().unwrap_or_else(|| "no [[account]] sends to it".to_owned()),
            ),
        ],
    )
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn page<const N: usize>(title: &str, facts: [(&str, String); N]) -> String {
    let mut page = format!("{title}\n\n");
    for (label, value) in facts {
        let _ = writeln!(page, "  {}{value}", pad(label, 14));
    }
    page
}

/// A table whose width does not depend on the terminal: nothing is cut, and numbers are right-aligned.
#[must_use]
pub fn columns<R: IntoIterator<Item = String>>(
    header: &[&str],
    numbers: &[usize],
    rows: impl Iterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    let last = header.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::RemoteJobId;
    use secrecy::SecretString;

    fn job() -> RemoteJob {
        RemoteJob {
            file_name: Some("sales\n.txt".into()),
            rows_processed: Some(100),
            remote_job_id: RemoteJobId(12345),
            remote_status: Some("processing".into()),
            remote_created: Some("1/1/2024 00:00:00".into()),
            remote_started: None,
            remote_finished: None,
        }
    }

    fn account() -> AccountOfSuite {
        AccountOfSuite {
            report_suite_id: "examplersid".into(),
            account: RemoteAccount {
                data_source_id: 621,
                name: Some("Call centre".into()),
                email: None,
                account_type: Some("generic".into()),
                ftp_hostname: Some("ftp.example.com".into()),
                ftp_username: Some("examplersid_621".into()),
                ftp_password: Some(SecretString::from("geheim")),
            },
            configured_as: Some("callcentre".into()),
        }
    }

    #[test]
    fn a_remote_job_is_shown_with_adobes_words() {
        insta::assert_snapshot!(remote_jobs_table(&[job()]), @r"
        file         rows  remote job  status      created            started  finished
        sales\n.txt   100       12345  processing  1/1/2024 00:00:00
        ");
        insta::assert_snapshot!(remote_job_page(&job()), @r"
        remote job 12345: sales\n.txt is processing

          rows          100
          created       1/1/2024 00:00:00
          started       -
          finished      -
        ");
        insta::assert_snapshot!(remote_jobs_csv(&[job()]).unwrap(), @r#"
        file_name,rows_processed,remote_job_id,remote_status,remote_created,remote_started,remote_finished
        "sales
        .txt",100,12345,processing,1/1/2024 00:00:00,,
        "#);
        insta::assert_snapshot!(remote_job_json(&job()).unwrap(), @r#"
        {
          "file_name": "sales\n.txt",
          "rows_processed": 100,
          "remote_job_id": 12345,
          "remote_status": "processing",
          "remote_created": "1/1/2024 00:00:00",
          "remote_started": null,
          "remote_finished": null
        }
        "#);
    }

    #[test]
    fn an_ftp_password_is_hidden_unless_it_is_asked_for() {
        let accounts = [account()];
        let texts = |show: bool| {
            [
                accounts_json(&accounts, show).unwrap(),
                account_json(&accounts[0], show).unwrap(),
                accounts_table(&accounts, show),
                account_page(&accounts[0], show),
            ]
        };
        assert!(texts(false).iter().all(|text| !text.contains("geheim")));
        assert!(texts(true).iter().all(|text| text.contains("geheim")));
    }

    #[test]
    fn an_account_is_shown_with_the_guides_names() {
        insta::assert_snapshot!(accounts_table(&[account()], false), @r"
        report suite   id  name         type     e-mail  configured as
        examplersid   621  Call centre  generic          callcentre
        ");
        insta::assert_snapshot!(account_page(&account(), false), @r"
        account 621 of report suite examplersid

          name          Call centre
          e-mail        -
          type          generic
          ftp host      ftp.example.com
          ftp user      examplersid_621
          ftp password  hidden; --show-secrets shows it
          configured as callcentre
        ");
        insta::assert_snapshot!(account_json(&account(), false).unwrap(), @r#"
        {
          "report_suite_id": "examplersid",
          "name": "Call centre",
          "email": null,
          "data_source_id": 621,
          "type": "generic",
          "ftp_hostname": "ftp.example.com",
          "ftp_username": "examplersid_621",
          "ftp_password": null
        }
        "#);
    }
}
