//! Descriptions of report suites, uploads by PUT that no gateway routes, and data sources that halt.

use super::*;
use crate::config::RateLimit;
use crate::emulator::{AccountKey, Rows};

const SUITE: &str = "/api/co/reportsuites/collections/suites/suite";

#[tokio::test]
async fn a_report_suite_its_metrics_and_its_dimensions_have_the_members_that_adobe_documents() {
    let client = Client::new(options()).await;
    let suite = client.ask("GET", &format!("{SUITE}?expansion=name,currency")).await.json();
    assert_eq!(
        (&suite["rsid"], &suite["currency"], &suite["timezoneZoneinfo"]),
        (&json!("suite"), &json!("USD"), &json!("Etc/UTC"))
    );
    assert!(suite["name"].is_string() && suite.get("parentRsid").is_none());
    assert!(client.ask("GET", SUITE).await.json().get("currency").is_none(), "only an expansion brings it");

    let metrics = "/api/co/metrics?rsid=suite&locale=en_US&expansion=allowedForReporting";
    let dimensions = "/api/co/dimensions?rsid=suite&locale=en_US";
    for (path, id, kind) in [
        (metrics, "metrics/event41", "int"),
        (metrics, "metrics/event43", "currency"),
        (metrics, "metrics/revenue", "currency"),
        (dimensions, "variables/evar12", "string"),
        (dimensions, "variables/campaign", "string"),
    ] {
        let told = client.ask("GET", path).await.json();
        let entry = told.as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap();
        assert_eq!(entry["type"], json!(kind), "{id}");
        assert!(entry["name"].is_string() && entry["title"].is_string(), "{entry}");
        assert_eq!(entry.get("allowedForReporting").is_some(), path == metrics);
    }
}

#[tokio::test]
async fn requests_about_a_report_suite_are_read_strictly() {
    let client = Client::new(EmulatorOptions { accounts: vec![("suite".to_owned(), 1)], ..options() }).await;
    for (method, path, status) in [
        ("GET", format!("{SUITE}?expansion=rows"), 400),
        ("GET", format!("{SUITE}?rsid=suite"), 400),
        ("GET", SUITE.replace("/suite", "/other"), 404),
        ("POST", SUITE.to_owned(), 405),
        ("GET", "/api/co/metrics".to_owned(), 400),
        ("GET", "/api/co/metrics?rsid=other".to_owned(), 404),
        ("GET", "/api/co/metrics?rsid=suite&page=1".to_owned(), 400),
        ("GET", "/api/co/dimensions?rsid=suite&expansion=allowedForReporting".to_owned(), 400),
        ("GET", "/api/co/datasources/metrics?rsid=suite".to_owned(), 404),
    ] {
        let reply = client.ask(method, &path).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(!reply.json()["errorDescription"].as_str().unwrap().is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn requests_about_report_suites_count_against_the_same_limit() {
    let rate_limit = Some(RateLimit { requests: 3, per: Duration::from_mins(10) });
    let client = Client::new(EmulatorOptions { rate_limit, ..options() }).await;
    for path in [SUITE, "/api/co/metrics?rsid=suite", "/api/co/dimensions?rsid=suite"] {
        assert_eq!(client.ask("GET", path).await.status, 200, "{path}");
    }
    assert_eq!(client.ask("GET", JOBS).await.status, 429);
    assert_eq!(client.ask("GET", SUITE).await.json()["error_code"], json!("429050"));
    assert_eq!(client.emulator.requests().suites, 4);
}

#[tokio::test]
async fn a_report_suites_description_can_be_changed_and_its_faults_have_own_places() {
    let client = Client::with_faults(&["suite:403:n=1", "metrics:slow=1ms", "dimensions:html:n=1"]).await;
    let suite = format!("{SUITE}?expansion=name,currency");
    assert_eq!(client.ask("GET", &suite).await.json()["error_code"], json!("403025"));
    assert_eq!(client.ask("GET", "/api/co/metrics?rsid=suite").await.status, 200);
    assert!(client.ask("GET", "/api/co/dimensions?rsid=suite").await.body.contains("<html>"));

    let change = json!({ "suite": { "currency": "JPY", "timezoneZoneinfo": null, "rsid": "another" }, "metrics": [] });
    let changed =
        client.send(&raw("POST", "/_emulator/suites/suite", "", change.to_string().as_bytes())).await.unwrap();
    assert_eq!(changed.status, 204);
    let told = client.ask("GET", &suite).await.json();
    assert_eq!(
        (&told["currency"], told.get("timezoneZoneinfo"), &told["rsid"]),
        (&json!("JPY"), None, &json!("another"))
    );
    assert_eq!(client.ask("GET", "/api/co/metrics?rsid=suite").await.json(), json!([]));
    let shown = client.send(&raw("GET", "/_emulator/suites/suite", "", b"")).await.unwrap().json();
    assert_eq!(shown["suite"]["currency"], json!("JPY"));
    for (method, change, status) in [("POST", "{\"zone\":1}", 400), ("POST", "zone", 400), ("DELETE", "", 405)] {
        let reply = client.send(&raw(method, "/_emulator/suites/suite", "", change.as_bytes())).await.unwrap();
        assert_eq!(reply.status, status, "{method} {change}");
    }
}

#[tokio::test]
async fn a_virtual_report_suite_takes_no_uploads_and_names_its_parent() {
    let client = Client::new(options()).await;
    client.emulator.change_suite("suite", &json!({ "suite": { "parentRsid": "whole" } }));
    let reply = client.put("a.txt", CONTENT).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.json()["errorDescription"].as_str().unwrap().contains("use whole"), "{}", reply.body);
    assert!(client.names().is_empty());
}

#[tokio::test]
async fn a_gateway_that_does_not_route_put_takes_post_and_nothing_else() {
    for status in [403, 404, 405] {
        let client = Client::new(EmulatorOptions { put_status: Some(status), ..options() }).await;
        let reply = client.put("a.txt", CONTENT).await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("allow"), (status == 405).then_some("GET, POST"));
        assert_eq!(client.form("PUT", "a.txt", CONTENT).await.status, status);
        assert!(client.names().is_empty(), "{status}");
        assert_eq!(client.ask("GET", JOBS).await.status, 200);
        assert_eq!(client.form("POST", "a.txt", CONTENT).await.status, 200);
        assert_eq!(client.names(), ["a.txt"]);
    }
}

#[tokio::test]
async fn t1_a_count_of_the_file_is_in_the_response_to_the_upload() {
    let content = "Date\tEvar 1\n11/20/2026\ta;b\n11/20/2026\tc\n";
    for (rows, first, last) in [(Rows::Processed, 0, 1), (Rows::File, 2, 2)] {
        let client = Client::new(EmulatorOptions { rows, ..options() }).await;
        assert_eq!(client.form("POST", "a.txt", content).await.json()["rows"], json!(first), "{rows}");
        assert_eq!(client.ask("GET", JOBS).await.json()["jobs"][0]["rows"], json!(last), "{rows}");
    }
}

#[tokio::test]
async fn t3_a_halted_data_source_continues_after_its_restart() {
    let client = Client::new(EmulatorOptions { halt_on_error: true, ..options() }).await;
    client.put("bad.txt", "no header\n").await.unwrap();
    client.put("good.txt", CONTENT).await.unwrap();
    let statuses = async || {
        let list = client.ask("GET", JOBS).await.json();
        list["jobs"].as_array().unwrap().iter().map(|job| job["status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, ["uploaded", "failure"]);
    let restart = "/_emulator/restart";
    for (method, path, status) in [
        ("GET", format!("{restart}?report_suite_id=suite&data_source_id=1"), 405),
        ("POST", restart.to_owned(), 400),
        ("POST", format!("{restart}?report_suite_id=suite&data_source_id=one"), 400),
        ("POST", format!("{restart}?suite=suite"), 400),
    ] {
        assert_eq!(client.send(&raw(method, &path, "", b"")).await.unwrap().status, status, "{method} {path}");
    }
    let told = raw("POST", &format!("{restart}?report_suite_id=suite&data_source_id=1"), "", b"");
    assert_eq!(client.send(&told).await.unwrap().json(), json!({ "restarted": 1 }));
    assert_eq!(statuses().await, ["success", "failure"]);
    let account = AccountKey { report_suite_id: "suite".to_owned(), data_source_id: 1 };
    assert_eq!(client.emulator.restart(&account), 0);
}
