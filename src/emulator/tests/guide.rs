//! The guide as a table, in each dialect: its seven endpoints, each request parameter, each response member with its
//! type, and its status codes. A request that the guide does not allow gets a 4xx that names the error.

use super::*;
use crate::emulator::{AccountKey, JobFate, Upload};
use crate::job::{Timestamp, UploadStyle};

const SUITE: &str = "/api/co/datasources/account/suite";

type Members = &'static [(&'static str, &'static str)];

const ACCOUNT: Members = &[
    ("name", "string"),
    ("email", "string"),
    ("data_source_id", "integer"),
    ("type", "string"),
    ("ftp_hostname", "string"),
    ("ftp_username", "string"),
    ("ftp_password", "string"),
];
const DELETED: Members = &[("success", "boolean"), ("message", "string")];
const PAGE: Members = &[("page", "integer"), ("jobs", "container"), ("total_pages", "integer")];
const JOB: Members = &[
    ("Filename", "string"),
    ("The number of rows successfully processed", "integer"),
    ("Job ID", "integer"),
    ("Status of the job", "string"),
    ("Date the job was created", "string"),
    ("Date the job began processing", "string or null"),
    ("Date the job finished processing", "string or null"),
];
const SHORT_JOB: Members = &[
    ("filename", "string"),
    ("rows", "integer"),
    ("job_id", "integer"),
    ("status", "string"),
    ("uploaded_date", "string"),
    ("started_processing_date", "string or null"),
    ("finished_processing_date", "string or null"),
];

/// Asserts that the value has exactly these members with these types.
#[track_caller]
fn assert_is(value: &Value, members: Members, place: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("{place}: {value}"));
    for (name, kind) in members {
        let found = object.get(*name);
        let fits = match (*kind, found) {
            ("string", Some(Value::String(_)))
            | ("boolean", Some(Value::Bool(_)))
            | ("string or null", Some(Value::String(_) | Value::Null))
            | ("container", Some(Value::Array(_))) => true,
            ("integer", Some(Value::Number(number))) => number.is_i64(),
            _ => false,
        };
        assert!(fits, "{place}: {name} should be {kind}: {value}");
    }
    assert_eq!(object.len(), members.len(), "{place}: {value}");
}

async fn of(dialect: Dialect) -> Client {
    let accounts = vec![("suite".to_owned(), 1), ("suite".to_owned(), 2)];
    Client::new(EmulatorOptions { dialect, accounts, ..options() }).await
}

/// Sends a file in the form of the dialect.
async fn upload(client: &Client, dialect: Dialect, name: &str) -> Reply {
    match dialect {
        Dialect::Guide | Dialect::Both => client.put(name, CONTENT).await.unwrap(),
        Dialect::Current => client.form("POST", name, CONTENT).await,
    }
}

fn job_members(dialect: Dialect, listed: bool) -> Members {
    match dialect {
        Dialect::Guide => JOB,
        Dialect::Both if !listed => JOB,
        Dialect::Current | Dialect::Both => SHORT_JOB,
    }
}

fn job_id(job: &Value) -> i64 {
    job.get("Job ID").or(job.get("job_id")).and_then(Value::as_i64).unwrap()
}

#[tokio::test]
async fn each_of_the_seven_endpoints_answers_with_the_members_of_the_guide() {
    for dialect in Dialect::ALL {
        let client = of(dialect).await;
        let place = |endpoint: &str| format!("{dialect}: {endpoint}");

        let accounts = client.ask("GET", SUITE).await;
        assert_eq!(accounts.status, 200);
        let accounts = accounts.json();
        assert_eq!(accounts.as_array().unwrap().len(), 2);
        assert_is(&accounts[0], ACCOUNT, &place("retrieve all accounts"));

        let account = client.ask("GET", &format!("{SUITE}/2")).await;
        assert_eq!((account.status, account.json()), (200, accounts[1].clone()));
        assert_is(&account.json(), ACCOUNT, &place("retrieve a single account"));

        let created = client.ask("POST", &format!("{SUITE}?type=generic&name=New&email=a%40b")).await;
        assert_eq!(created.status, 200);
        assert_is(&created.json(), ACCOUNT, &place("create an account"));

        let deleted = client.ask("DELETE", &format!("{SUITE}/2")).await;
        assert_eq!(deleted.status, 200);
        assert_is(&deleted.json(), DELETED, &place("DELETE account"));

        let uploaded = upload(&client, dialect, "sales.txt").await;
        assert_eq!(uploaded.status, 200);
        assert_is(&uploaded.json(), job_members(dialect, false), &place("upload data"));

        let list = client.ask("GET", JOBS).await;
        assert_eq!(list.status, 200);
        assert_is(&list.json(), PAGE, &place("retrieve all jobs"));
        assert_is(&list.json()["jobs"][0], job_members(dialect, true), &place("a job of the list"));

        let single = client.ask("GET", &format!("{JOBS}/{}", job_id(&uploaded.json()))).await;
        assert_eq!(single.status, 200);
        assert_is(&single.json(), job_members(dialect, false), &place("retrieve a single job"));
    }
}

#[tokio::test]
async fn each_parameter_of_an_account_request_counts() {
    let client = of(Dialect::Guide).await;
    for (query, name, email, kind) in [
        ("", Value::Null, Value::Null, Value::Null),
        ("?name=My%20Data%20Sources%20Account", json!("My Data Sources Account"), Value::Null, Value::Null),
        ("?email=noreply%40mycompany.com", Value::Null, json!("noreply@mycompany.com"), Value::Null),
        ("?type=traffic", Value::Null, Value::Null, json!("traffic")),
        ("?type=x&name=%C3%BC%26%3D&email=a%40b", json!("ü&="), json!("a@b"), json!("x")),
    ] {
        let account = client.ask("POST", &format!("{SUITE}{query}")).await.json();
        for (key, value) in [("name", name), ("email", email), ("type", kind)] {
            assert!(value.is_null() || account[key] == value, "{query}: {account}");
        }
        // The report suite and the ID in the path count too.
        let id = &account["data_source_id"];
        assert_eq!(client.ask("GET", &format!("{SUITE}/{id}")).await.json(), account);
        assert_eq!(client.ask("GET", &format!("/api/co/datasources/account/other/{id}")).await.status, 404);
    }
    assert_eq!(client.ask("GET", "/api/co/datasources/account/other").await.json(), json!([]));
}

/// Adds jobs of the last forty days, four days apart. The oldest is `00.txt`.
fn fill(client: &Client, now: Timestamp) {
    for number in 0..10 {
        let account = AccountKey { report_suite_id: "suite".to_owned(), data_source_id: 1 };
        let upload = Upload::new(account, format!("{number:02}.txt"), UploadStyle::PostMultipart, CONTENT.as_bytes());
        let age = Duration::from_hours(24 * (38 - 4 * number));
        client.emulator.with_world(|world| world.commit(upload, JobFate::default(), now.before(age)));
    }
}

#[tokio::test]
async fn each_parameter_of_a_job_list_counts() {
    for dialect in Dialect::ALL {
        let client = of(dialect).await;
        let now = Timestamp(jiff::Timestamp::now().as_millisecond());
        let date = |hours: u64| {
            let time = jiff::Timestamp::from_millisecond(now.before(Duration::from_hours(hours)).0).unwrap();
            // Adds 30 s, so that the limits stay clear of jobs while the test runs.
            let time = time + Duration::from_secs(30);
            time.strftime("%Y-%m-%d%%20%H:%M:%S").to_string()
        };
        fill(&client, now);
        client.emulator.add_fault("job:status=failure:name=bad*".parse().unwrap());
        upload(&client, dialect, "bad.txt").await;
        let deleted = job_id(&upload(&client, dialect, "gone.txt").await.json());
        assert!(client.emulator.with_world(|world| world.delete_job(crate::job::RemoteJobId(deleted))));
        for (query, page, jobs) in [
            // The default is from a month ago to today.
            (String::new(), 1, 9..=10),
            (format!("?start_date={}", date(24 * 60)), 1, 12..=12),
            (format!("?start_date={}&end_date={}", date(24 * 39), date(24 * 37)), 1, 1..=1),
            (format!("?start_date={}&end_date={}", date(24 * 60), date(24 * 39)), 1, 0..=0),
            (format!("?end_date={}", date(24)), 1, 7..=8),
            ("?status=success".to_owned(), 1, 7..=8),
            ("?status=failure".to_owned(), 1, 1..=1),
            ("?status=deleted".to_owned(), 1, 1..=1),
            ("?status=uploaded".to_owned(), 1, 0..=0),
            ("?status=processing".to_owned(), 1, 0..=0),
            ("?page=1".to_owned(), 1, 9..=10),
            ("?page=2".to_owned(), 2, 0..=0),
            ("?page=4000000000".to_owned(), 4_000_000_000_u64, 0..=0),
            (format!("?status=failure&start_date={}&end_date={}&page=1", date(24), date(0)), 1, 1..=1),
        ] {
            let list = client.ask("GET", &format!("{JOBS}{query}")).await;
            assert_eq!(list.status, 200, "{dialect} {query}: {}", list.body);
            let list = list.json();
            let found = list["jobs"].as_array().unwrap().len();
            assert!(jobs.contains(&found), "{dialect} {query}: {found} jobs");
            assert_eq!(list["page"], json!(page), "{dialect} {query}");
        }
        // The list of one data source does not include another's jobs.
        assert_eq!(client.ask("GET", "/api/co/datasources/job/suite/2").await.json()["jobs"], json!([]));
    }
}

#[tokio::test]
async fn pages_hold_a_hundred_jobs_and_tell_how_many_there_are() {
    let client = of(Dialect::Guide).await;
    let account = AccountKey { report_suite_id: "suite".to_owned(), data_source_id: 1 };
    for number in 0..201 {
        let name = format!("{number:03}.txt");
        client.emulator.insert(Upload::new(account.clone(), name, UploadStyle::PutJson, CONTENT.as_bytes()));
    }
    for (page, jobs, first) in [(1, 100, "200.txt"), (2, 100, "100.txt"), (3, 1, "000.txt"), (4, 0, "")] {
        let list = client.ask("GET", &format!("{JOBS}?page={page}")).await.json();
        assert_eq!((&list["page"], &list["total_pages"]), (&json!(page), &json!(3)));
        assert_eq!(list["jobs"].as_array().unwrap().len(), jobs);
        assert_eq!(list["jobs"][0]["Filename"].as_str().unwrap_or_default(), first);
    }
}

#[tokio::test]
async fn each_status_of_the_guide_is_met_on_each_endpoint() {
    for dialect in Dialect::ALL {
        let client = of(dialect).await;
        let id = job_id(&upload(&client, dialect, "sales.txt").await.json());
        let single = format!("{JOBS}/{id}");
        let put = match dialect {
            Dialect::Guide | Dialect::Both => "PUT",
            Dialect::Current => "POST",
        };
        // Method, the place of its faults, its address, a malformed address, a missing one.
        for (method, place, path, malformed, missing) in [
            ("GET", "account", SUITE.to_owned(), format!("{SUITE}?page=1"), None),
            ("GET", "account", format!("{SUITE}/1"), format!("{SUITE}/one"), Some(format!("{SUITE}/9"))),
            ("POST", "account", SUITE.to_owned(), format!("{SUITE}?email=nobody"), None),
            ("DELETE", "account", format!("{SUITE}/2"), format!("{SUITE}/two"), Some(format!("{SUITE}/9"))),
            (put, "upload", JOBS.to_owned(), format!("{JOBS}?name=x"), Some(JOBS.replace("/1", "/9"))),
            ("GET", "list", JOBS.to_owned(), format!("{JOBS}?page=0"), Some(JOBS.replace("/1", "/9"))),
            ("GET", "single", single.clone(), format!("{JOBS}/x"), Some(format!("{JOBS}/9"))),
        ] {
            let good = client.rights();
            let (content_type, body) = match (place, dialect) {
                ("upload", Dialect::Current) => {
                    ("content-type: multipart/form-data; boundary=xx\r\n", form("b.txt", CONTENT))
                }
                ("upload", _) => ("content-type: application/json\r\n", put_json("b.txt", CONTENT).to_string()),
                _ => ("", String::new()),
            };
            let ask = async |path: &str, rights: &str| {
                let headers = format!("{rights}{content_type}");
                client.send(&raw(method, path, &headers, body.as_bytes())).await.unwrap()
            };
            let mut refusals = vec![
                (400, ask(&malformed, &good).await),
                (401, ask(&path, &good.replace("Bearer ", "Bearer x")).await),
                (403, ask(&path, &good.replace("authorization", "x-nothing")).await),
                (403, ask(&path, &good.replace("x-api-key", "x-nothing")).await),
            ];
            if let Some(missing) = missing {
                refusals.push((404, ask(&missing, &good).await));
            }
            client.emulator.add_fault(format!("{place}:before-body:refuse=500:n=1").parse().unwrap());
            refusals.push((500, ask(&path, &good).await));
            client.emulator.clear_faults();
            for (status, reply) in refusals {
                assert_eq!(reply.status, status, "{dialect} {method} {path}: {}", reply.body);
                let body = reply.json();
                let words = [&body["errorDescription"], &body["message"]].into_iter().find_map(Value::as_str);
                assert!(words.is_some_and(|words| words.len() > 5), "{dialect} {method} {path}: {body}");
                assert!(reply.header("x-request-id").is_some() && reply.header("date").is_some());
            }
            // Another method gets the list of allowed ones.
            let reply = client.send(&raw("PATCH", &path, &good, b"")).await.unwrap();
            assert_eq!(reply.status, 405, "{path}: {}", reply.body);
        }
        assert_eq!(client.names(), ["sales.txt"], "{dialect}: nothing of that was ingested");
        assert_eq!(
            client.ask("GET", SUITE).await.json().as_array().unwrap().len(),
            2,
            "{dialect}: nothing was changed"
        );
    }
}

#[tokio::test]
async fn each_member_of_an_upload_counts_and_a_wrong_one_is_named() {
    for dialect in [Dialect::Guide, Dialect::Both] {
        let client = of(dialect).await;
        let headers = format!("{}content-type: application/json\r\n", client.rights());
        let send = async |body: &Value| client.send(&raw("PUT", JOBS, &headers, body.to_string().as_bytes())).await;
        let whole = put_json("a.txt", CONTENT);
        for key in ["contentType", "originalFilename", "name", "bytes", "empty", "size"] {
            let mut body = whole.clone();
            body.as_object_mut().unwrap().remove(key);
            let reply = send(&body).await.unwrap();
            let words = reply.json()["errorDescription"].as_str().unwrap().to_owned();
            assert!(reply.status == 400 && words.contains(key), "{key} is missing: {}", reply.body);
        }
        for (path, value, says) in [
            ("/contentType", json!("image/png"), "contentType"),
            ("/originalFilename", json!("../a.txt"), "originalFilename"),
            ("/name", json!("data"), "name"),
            ("/bytes", json!(["%%%"]), "base64"),
            ("/empty", json!(true), "empty"),
            ("/size", json!(7), "size"),
            ("/inputStream", json!({ "x": 1 }), "inputStream"),
            ("/resource/file", json!("/srv/a.txt"), "resource.file"),
            ("/resource/uri", json!("file:///srv/a.txt"), "resource.uri"),
            ("/resource/url", json!("file:///srv/a.txt"), "resource.url"),
            ("/resource/description", json!("/srv/a.txt"), "resource.description"),
            ("/resource/filename", json!("b.txt"), "resource.filename"),
            ("/resource/readable", json!("yes"), "boolean"),
            ("/resource/open", json!(1), "boolean"),
            ("/resource/inputStream", json!([]), "empty object"),
        ] {
            let mut body = whole.clone();
            *body.pointer_mut(path).unwrap() = value;
            let reply = send(&body).await.unwrap();
            let words = reply.json()["errorDescription"].as_str().unwrap().to_owned();
            assert!(reply.status == 400 && words.contains(says), "{path}: {}", reply.body);
        }
        assert!(client.names().is_empty());
        // The guide shows `bytes` as an array, but gives its type as a string.
        let mut body = whole.clone();
        body["bytes"] = body["bytes"][0].clone();
        assert_eq!(send(&body).await.unwrap().status, 200);
        assert_eq!(send(&whole).await.unwrap().status, 200);
        assert_eq!(client.names(), ["a.txt", "a.txt"]);
    }
}

#[tokio::test]
async fn encoding_that_the_guide_requires_is_required() {
    let client = of(Dialect::Guide).await;
    let reply = client.ask("POST", &format!("{SUITE}?email=noreply@mycompany.com")).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(reply.json()["errorDescription"].as_str().unwrap().contains("%40"), "{}", reply.body);
    assert_eq!(client.ask("GET", SUITE).await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn requests_without_content_take_no_body() {
    let client = of(Dialect::Both).await;
    for (method, path) in
        [("GET", JOBS), ("GET", SUITE), ("POST", SUITE), ("DELETE", "/api/co/datasources/account/suite/1")]
    {
        let reply = client.send(&raw(method, path, &client.rights(), b"{}")).await.unwrap();
        assert_eq!(reply.status, 400, "{method} {path}: {}", reply.body);
        assert!(reply.json()["errorDescription"].as_str().unwrap().contains("no body"), "{}", reply.body);
    }
    assert_eq!(client.ask("GET", SUITE).await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_clock_can_differ_and_all_dates_follow_it() {
    for hours in [-1, 1, 120] {
        let clock_ahead = jiff::SignedDuration::from_hours(hours);
        let client = Client::new(EmulatorOptions { clock_ahead, ..options() }).await;
        let reply = client.put("a.txt", CONTENT).await.unwrap();
        let header = jiff::fmt::rfc2822::parse(reply.header("date").unwrap()).unwrap().timestamp();
        let ahead = header.duration_since(jiff::Timestamp::now());
        assert!((ahead - clock_ahead).abs() < jiff::SignedDuration::from_secs(60), "{hours} h: {ahead}");
        let created = reply.json()["Date the job was created"].as_str().unwrap().to_owned();
        let created = jiff::civil::DateTime::strptime("%m/%d/%Y %H:%M:%S", created).unwrap();
        let created = jiff::tz::TimeZone::UTC.to_timestamp(created).unwrap();
        assert!(header.duration_since(created).abs() < jiff::SignedDuration::from_secs(60), "{created}");
        assert_eq!(client.ask("GET", JOBS).await.json()["jobs"].as_array().unwrap().len(), 1);
    }
}
