//! What the API writes, in both spellings, and its way into the domain's types.
//!
//! Read key by key instead of by derived types: one odd member ("Adobe may add optional members at any time", its guide says)
//! must not make a whole page unreadable, and both spellings may meet in one object.

use crate::job::{Company, RemoteAccount, RemoteJob, RemoteJobId, Timestamp};
use secrecy::SecretString;
use serde_json::{Map, Value};

const FILE_NAME: [&str; 2] = ["Filename", "filename"];
const ROWS: [&str; 2] = ["The number of rows successfully processed", "rows"];
const JOB_ID: [&str; 2] = ["Job ID", "job_id"];
const STATUS: [&str; 2] = ["Status of the job", "status"];
const CREATED: [&str; 2] = ["Date the job was created", "uploaded_date"];
const STARTED: [&str; 2] = ["Date the job began processing", "started_processing_date"];
const FINISHED: [&str; 2] = ["Date the job finished processing", "finished_processing_date"];

/// A job, if the value is an object with a usable job ID.
pub(super) fn job(value: &Value) -> Option<RemoteJob> {
    let object = value.as_object()?;
    Some(RemoteJob {
        remote_job_id: RemoteJobId(number(first(object, JOB_ID)?).filter(|&id| id > 0)?),
        file_name: text(object, FILE_NAME),
        rows_processed: first(object, ROWS).and_then(number).filter(|&rows| rows >= 0),
        remote_status: text(object, STATUS),
        remote_created: text(object, CREATED),
        remote_started: text(object, STARTED),
        remote_finished: text(object, FINISHED),
    })
}

/// One page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In the order of the answer.
    pub jobs: Vec<RemoteJob>,
    /// Which page the API says this is.
    pub page: Option<u32>,
    /// How many the API says there are.
    pub total_pages: Option<u32>,
    /// The server's clock (`Date`).
    pub server_time: Option<Timestamp>,
    /// Entries that had no usable job ID: with any of them the list is not complete.
    pub unreadable: usize,
}

/// A page of the list (DESIGN §5, "GET retrieve all jobs"). `None` if it does not say which jobs there are: an unknown list is
/// not an empty one.
pub(super) fn page(value: &Value) -> Option<Listed> {
    let object = value.as_object()?;
    let page = object.get("page").and_then(small);
    let total_pages = object.get("total_pages").and_then(small);
    let entries: &[Value] = match object.get("jobs")? {
        Value::Array(entries) => entries,
        // A page past the end is empty (DESIGN §5, "Endpoints").
        Value::Null if page.zip(total_pages).is_some_and(|(page, pages)| page > pages) => &[],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
    };
    let jobs: Vec<RemoteJob> = entries.iter().filter_map(job).collect();
    Some(Listed { unreadable: entries.len() - jobs.len(), jobs, page, total_pages, server_time: None })
}

/// An account, if the value is an object with a usable number.
pub(super) fn account(value: &Value) -> Option<RemoteAccount> {
    let object = value.as_object()?;
    let text = |key| text(object, [key]);
    Some(RemoteAccount {
        data_source_id: number(first(object, ["data_source_id"])?).filter(|&id| id > 0)?,
        name: text("name"),
        email: text("email"),
        account_type: text("type"),
        ftp_hostname: text("ftp_hostname"),
        ftp_username: text("ftp_username"),
        ftp_password: text("ftp_password").map(SecretString::from),
    })
}

/// What an operation says of itself.
pub(super) fn message(value: &Value) -> Option<String> {
    text(value.as_object()?, ["message"]).map(|text| super::refusal::clean(&text))
}

/// The companies of `discovery/me`, each once. `None` if it does not say which there are.
pub(super) fn companies(value: &Value) -> Option<Vec<Company>> {
    let mut companies: Vec<Company> = Vec::new();
    for org in value.get("imsOrgs")?.as_array()? {
        for company in org.get("companies").and_then(Value::as_array).into_iter().flatten() {
            let Some(object) = company.as_object() else { continue };
            let Some(global_company_id) = text(object, ["globalCompanyId"]) else { continue };
            if companies.iter().all(|known| known.global_company_id != global_company_id) {
                companies.push(Company { global_company_id, name: text(object, ["companyName"]) });
            }
        }
    }
    Some(companies)
}

/// The member under its first spelling that is there and not null.
fn first<'a, const N: usize>(object: &'a Map<String, Value>, keys: [&str; N]) -> Option<&'a Value> {
    keys.iter().filter_map(|key| object.get(*key)).find(|value| !value.is_null())
}

/// An integer, also as `100.0`, or one in quotes.
fn number(value: &Value) -> Option<i64> {
    // The text decides: a float has not all integers.
    let whole = |text: &str| {
        let text = text.trim();
        let digits = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
        digits.map_or(text, |(digits, _)| digits).parse().ok()
    };
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn small(value: &Value) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn text<const N: usize>(object: &Map<String, Value>, keys: [&str; N]) -> Option<String> {
    match first(object, keys)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn expected() -> RemoteJob {
        RemoteJob {
            file_name: Some("my_data_file.txt".into()),
            rows_processed: Some(100),
            remote_job_id: RemoteJobId(12345),
            remote_status: Some("processing".into()),
            remote_created: Some("1/1/2024 00:00:00".into()),
            remote_started: Some("1/1/2024 00:00:00".into()),
            remote_finished: None,
        }
    }

    #[test]
    fn both_spellings_read_alike() {
        let guide = json!({
            "Filename": "my_data_file.txt", "The number of rows successfully processed": 100, "Job ID": 12345,
            "Status of the job": "processing", "Date the job was created": "1/1/2024 00:00:00",
            "Date the job began processing": "1/1/2024 00:00:00", "Date the job finished processing": null
        });
        let current = json!({
            "filename": "my_data_file.txt", "rows": "100", "job_id": "12345", "status": "processing",
            "uploaded_date": "1/1/2024 00:00:00", "started_processing_date": "1/1/2024 00:00:00", "new": {"er": [1]}
        });
        assert_eq!(job(&guide), Some(expected()));
        assert_eq!(job(&current), Some(expected()));
    }

    #[test]
    fn a_job_without_a_usable_id_is_none() {
        for value in [
            json!({}),
            json!({"job_id": null}),
            json!({"job_id": "x"}),
            json!({"job_id": 1.5}),
            json!([]),
            json!({"job_id": 0}),
            json!({"Job ID": -3}),
            json!({"job_id": 18_446_744_073_709_551_615_u64}),
        ] {
            assert_eq!(job(&value), None, "{value}");
        }
        assert_eq!(job(&json!({"Job ID": null, "job_id": 7})).unwrap().remote_job_id, RemoteJobId(7));
    }

    #[test]
    fn rows_that_make_no_sense_are_unknown() {
        assert_eq!(job(&json!({"job_id": 7, "rows": -1})).unwrap().rows_processed, None);
        assert_eq!(job(&json!({"job_id": 7, "rows": "many"})).unwrap().rows_processed, None);
        assert_eq!(job(&json!({"job_id": 7, "rows": "0"})).unwrap().rows_processed, Some(0));
        for rows in [json!(100), json!("100"), json!(100.0), json!("100.0"), json!(" 100 ")] {
            assert_eq!(job(&json!({"job_id": 7.0, "rows": rows})).unwrap().rows_processed, Some(100), "{rows}");
        }
        for rows in [json!(100.5), json!("100.5"), json!(1e300), json!("1,000"), json!(null), json!(".0")] {
            assert_eq!(job(&json!({"job_id": 7, "rows": rows})).unwrap().rows_processed, None, "{rows}");
        }
    }

    #[test]
    fn a_page_counts_what_it_cannot_read_and_is_never_guessed() {
        let read = page(&json!({"page": 1, "jobs": [{"job_id": 7}, {}, 4], "total_pages": "2"})).unwrap();
        assert_eq!((read.jobs.len(), read.unreadable, read.page, read.total_pages), (1, 2, Some(1), Some(2)));
        assert_eq!(page(&json!({"page": 1, "total_pages": 1})), None);
        assert_eq!(page(&json!({"page": 1, "jobs": null, "total_pages": 1})), None);
        assert_eq!(page(&json!({"page": 2, "jobs": null, "total_pages": 1})).unwrap().jobs, []);
        assert_eq!(page(&json!([])), None);
    }

    #[test]
    fn an_account_is_read_as_far_as_it_goes() {
        let full = account(&json!({
            "name": "Account 1", "email": "noreply@mycompany.com", "data_source_id": "1", "type": "generic",
            "ftp_hostname": "ftp.omniture.com", "ftp_username": "my_username", "ftp_password": "geheim", "date_created": 1
        }))
        .unwrap();
        assert_eq!((full.data_source_id, full.name.as_deref()), (1, Some("Account 1")));
        assert_eq!(
            (full.email.as_deref(), full.account_type.as_deref()),
            (Some("noreply@mycompany.com"), Some("generic"))
        );
        assert!(!format!("{full:?}").contains("geheim"));
        let bare = account(&json!({"data_source_id": 7, "name": null})).unwrap();
        assert_eq!((bare.data_source_id, bare.name, bare.ftp_password.is_none()), (7, None, true));
        for value in [json!({"name": "x"}), json!({"data_source_id": 0}), json!([]), json!({"data_source_id": "x"})] {
            assert!(account(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn companies_are_each_told_once() {
        let company =
            |id: &str, name: Option<&str>| Company { global_company_id: id.to_owned(), name: name.map(str::to_owned) };
        let answer = json!({"imsUserId": "x", "imsOrgs": [
            {"imsOrgId": "a", "companies": [{"globalCompanyId": "one", "companyName": "One"}, {"companyName": "none"}]},
            {"imsOrgId": "b", "companies": [{"globalCompanyId": "one"}, {"globalCompanyId": "two"}]},
            {"imsOrgId": "c"},
        ]});
        assert_eq!(companies(&answer).unwrap(), [company("one", Some("One")), company("two", None)]);
        assert_eq!(companies(&json!({"imsOrgs": []})).unwrap(), []);
        assert_eq!(companies(&json!({"imsUserId": "x"})), None);
        assert_eq!(companies(&json!([])), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let keys = [FILE_NAME, ROWS, JOB_ID, STATUS, CREATED, ["jobs", "page"], ["total_pages", "other"]].concat();
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            let key = proptest::sample::select(keys.clone());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..8)
                    .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_panics(value in any_json()) {
            let _ = job(&value);
            if let Some(page) = page(&value) {
                prop_assert!(page.jobs.iter().all(|job| job.remote_job_id.0 > 0));
            }
        }
    }
}
