//! Requests and answers of the guide, and refusals of requests that the guide does not have.

use super::*;

const GUIDE_KEYS: [&str; 7] = [
    "Filename",
    "The number of rows successfully processed",
    "Job ID",
    "Status of the job",
    "Date the job was created",
    "Date the job began processing",
    "Date the job finished processing",
];
const SHORT_KEYS: [&str; 7] =
    ["job_id", "status", "rows", "filename", "uploaded_date", "started_processing_date", "finished_processing_date"];

fn assert_keys(job: &Value, keys: [&str; 7]) {
    let mut found: Vec<&str> = job.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = keys.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_guides_way_of_a_file() {
    let client = Client::of(Dialect::Guide).await;
    let upload = client.put("sales.txt", CONTENT).await.unwrap();
    assert_eq!(upload.status, 200);
    assert!(upload.header("x-request-id").is_some() && upload.header("date").is_some(), "{}", upload.head);
    let job = upload.json();
    assert_keys(&job, GUIDE_KEYS);
    assert_eq!((&job["Filename"], &job["Status of the job"]), (&json!("sales.txt"), &json!("uploaded")));
    assert_eq!(job["The number of rows successfully processed"], json!(0));
    assert_eq!(job["Date the job began processing"], Value::Null);
    let id = job["Job ID"].as_i64().unwrap();

    let marker = client.put("sales.fin", "").await.unwrap().json();
    assert_eq!(marker["Job ID"], json!(id + 1));

    let single = client.ask("GET", &format!("{JOBS}/{id}")).await;
    assert_eq!(single.status, 200);
    assert_keys(&single.json(), GUIDE_KEYS);
    assert_eq!(single.json()["Status of the job"], json!("success"));
    assert_eq!(single.json()["The number of rows successfully processed"], json!(2));
    assert!(single.json()["Date the job finished processing"].is_string());

    let list = client.ask("GET", JOBS).await.json();
    assert_eq!((&list["page"], &list["total_pages"]), (&json!(1), &json!(1)));
    let jobs = list["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 2);
    assert_eq!((&jobs[0]["Filename"], &jobs[1]["Job ID"]), (&json!("sales.fin"), &json!(id)));
    assert_eq!(jobs[0]["The number of rows successfully processed"], json!(0));
    assert_eq!(client.ask("GET", &format!("{JOBS}?page=2")).await.json()["jobs"], json!([]));

    let ledger = client.send(&raw("GET", "/_emulator/ledger", "", b"")).await.unwrap().json();
    assert_eq!(
        (&ledger[0]["order"], &ledger[0]["job_id"], &ledger[0]["style"]),
        (&json!(1), &json!(id), &json!("put-json"))
    );
    assert_eq!(ledger[0]["size"], json!(CONTENT.len()));
}

#[tokio::test]
async fn the_current_way_of_a_file() {
    let client = Client::of(Dialect::Current).await;
    for method in ["POST", "PUT"] {
        let upload = client.form(method, "sales.txt", CONTENT).await;
        assert_eq!(upload.status, 200, "{}", upload.body);
        assert_keys(&upload.json(), SHORT_KEYS);
        let single = client.ask("GET", &format!("{JOBS}/{}", upload.json()["job_id"])).await.json();
        assert_keys(&single, SHORT_KEYS);
        assert_eq!((&single["status"], &single["rows"]), (&json!("success"), &json!(2)));
    }
    let styles: Vec<&str> = client.emulator.ledger().iter().map(|entry| entry.style.as_str()).collect();
    assert_eq!(styles, ["post-multipart", "put-multipart"]);
}

#[tokio::test]
async fn both_spells_a_job_as_it_came_and_lists_short() {
    let client = Client::of(Dialect::Both).await;
    let guide = client.put("a.txt", CONTENT).await.unwrap().json();
    let short = client.form("POST", "b.txt", CONTENT).await.json();
    assert_keys(&client.ask("GET", &format!("{JOBS}/{}", guide["Job ID"])).await.json(), GUIDE_KEYS);
    assert_keys(&client.ask("GET", &format!("{JOBS}/{}", short["job_id"])).await.json(), SHORT_KEYS);
    for job in client.ask("GET", JOBS).await.json()["jobs"].as_array().unwrap() {
        assert_keys(job, SHORT_KEYS);
    }
}

#[tokio::test]
async fn all_three_segments_lead_to_the_same_jobs() {
    let client = Client::of(Dialect::Guide).await;
    client.put("sales.txt", CONTENT).await.unwrap();
    for segment in ["/datasources", "/data_sources", ""] {
        let list = client.ask("GET", &format!("/api/co{segment}/job/suite/1")).await.json();
        assert_eq!(list["jobs"].as_array().unwrap().len(), 1, "{segment}");
    }
}

#[tokio::test]
async fn accounts_are_created_shown_listed_and_deleted() {
    let client = Client::new(EmulatorOptions { accounts: vec![("suite".to_owned(), 1)], ..options() }).await;
    let suite = "/api/co/datasources/account/suite";
    let query = "?type=generic&name=My%20Data%20Sources%20Account&email=noreply%40mycompany.com";
    let account = client.ask("POST", &format!("{suite}{query}")).await.json();
    assert_eq!(
        (&account["name"], &account["email"]),
        (&json!("My Data Sources Account"), &json!("noreply@mycompany.com"))
    );
    let keys = ["name", "email", "data_source_id", "type", "ftp_hostname", "ftp_username", "ftp_password"];
    assert!(keys.iter().all(|key| !account[*key].is_null()), "{account}");
    assert_eq!(client.ask("GET", &format!("{suite}/2")).await.json(), account);
    assert_eq!(client.ask("GET", suite).await.json().as_array().unwrap().len(), 2);
    let deleted = client.ask("DELETE", &format!("{suite}/2")).await;
    assert_eq!(deleted.json(), json!({ "success": true, "message": "Operation successful" }));
    for (method, path) in [("GET", "/2"), ("DELETE", "/2"), ("GET", "/7")] {
        assert_eq!(client.ask(method, &format!("{suite}{path}")).await.status, 404, "{method} {path}");
    }
    assert_eq!(client.ask("GET", "/api/co/datasources/job/suite/2").await.status, 404);
    let company = client.ask("GET", "/discovery/me").await.json();
    assert_eq!(company["imsOrgs"][0]["companies"][0]["globalCompanyId"], json!("examplecompany"));
}

#[tokio::test]
async fn requests_outside_of_the_guide_are_refused_with_a_reason() {
    let client = Client::of(Dialect::Guide).await;
    for (method, path, status) in [
        ("POST", JOBS, 405),
        ("DELETE", JOBS, 405),
        ("PUT", "/api/co/datasources/job/suite/1/5", 405),
        ("PATCH", "/api/co/datasources/account/suite/1", 405),
        ("GET", "/api/co/datasources/job/suite/1/5", 404),
        ("GET", "/api/co/datasources/job/suite/1/five", 400),
        ("GET", "/api/co/datasources/job/suite/one", 400),
        ("GET", "/api/co/datasources/job/suite/1?start=1", 400),
        ("GET", "/api/co/datasources/job/suite/1?start_date=2026-01-01", 400),
        ("GET", "/api/co/datasources/job/suite/1?page=one", 400),
        ("GET", "/api/co/datasources/job/suite/1?end_date=2020-01-01+00:00:00", 400),
        ("GET", "/api/co/datasources/account/suite?page=1", 400),
        ("POST", "/api/co/datasources/account/suite?email=nobody", 400),
        ("POST", "/api/co/datasources/account/suite?kind=generic", 400),
        ("GET", "/api/co/elsewhere", 404),
        ("PUT", "/_emulator/ledger", 405),
    ] {
        let reply = client.ask(method, path).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        for key in ["errorCode", "errorDescription", "errorId"] {
            assert!(reply.json()[key].is_string(), "{method} {path}: {}", reply.body);
        }
        assert!(reply.header("x-request-id").is_some());
    }
    assert_eq!(client.ask("POST", JOBS).await.header("allow"), Some("GET, PUT"));
}

#[tokio::test]
async fn uploads_that_the_dialect_does_not_speak_are_refused() {
    let body = put_json("a.txt", CONTENT).to_string();
    for (dialect, method, content_type, status) in [
        (Dialect::Guide, "PUT", "text/plain", 415),
        (Dialect::Guide, "PUT", "multipart/form-data; boundary=xx", 415),
        (Dialect::Guide, "POST", "multipart/form-data; boundary=xx", 405),
        (Dialect::Current, "PUT", "application/json", 415),
        (Dialect::Current, "POST", "application/json", 415),
        (Dialect::Current, "POST", "multipart/form-data", 400),
        (Dialect::Both, "POST", "application/json", 415),
        (Dialect::Both, "PUT", "application/json", 200),
    ] {
        let client = Client::of(dialect).await;
        let headers = format!("{}content-type: {content_type}\r\n", client.rights());
        let reply = client.send(&raw(method, JOBS, &headers, body.as_bytes())).await.unwrap();
        assert_eq!(reply.status, status, "{dialect} {method} {content_type}: {}", reply.body);
        assert_eq!(client.emulator.ledger().len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn an_invalid_body_is_never_ingested() {
    let client = Client::of(Dialect::Both).await;
    let headers = format!("{}content-type: application/json\r\n", client.rights());
    let mut wrong = put_json("a.txt", CONTENT);
    wrong["size"] = json!(1);
    let reply = client.send(&raw("PUT", JOBS, &headers, wrong.to_string().as_bytes())).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.json()["errorDescription"].as_str().unwrap().contains("size says 1"), "{}", reply.body);

    let chunked = format!("{headers}transfer-encoding: chunked\r\n");
    let reply = client.send(&raw("PUT", JOBS, &chunked, b"")).await.unwrap();
    assert_eq!(reply.status, 411, "{}", reply.body);

    let large = format!("{headers}content-length: 99999999\r\n");
    assert_eq!(client.send(&raw("PUT", JOBS, &large, b"")).await.unwrap().status, 413);

    let elsewhere = format!("{headers}x-proxy-global-company-id: other\r\n");
    let body = put_json("a.txt", CONTENT).to_string();
    assert_eq!(client.send(&raw("PUT", JOBS, &elsewhere, body.as_bytes())).await.unwrap().status, 400);
    assert!(client.names().is_empty());
}
