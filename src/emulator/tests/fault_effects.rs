//! The effects of faults on an exchange, and which of them leave a job behind.

use super::*;
use std::io::ErrorKind;

#[tokio::test]
async fn resets_before_the_commit_leave_nothing_and_after_it_a_job() {
    for (when, jobs) in [("before-body", 0), ("mid-body", 0), ("after-body", 0), ("after-commit", 1)] {
        let client = Client::with_faults(&[&format!("upload:{when}:reset:n=1")]).await;
        let error = client.put("a.txt", CONTENT).await.expect_err(when);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{when}");
        assert_eq!(client.names().len(), jobs, "{when}");
        assert_eq!(client.put("a.txt", CONTENT).await.unwrap().status, 200, "{when}");
    }
}

#[tokio::test]
async fn answers_can_be_lost_garbled_or_cut() {
    for what in ["503", "garbage", "truncated", "html", "no-id"] {
        let client = Client::with_faults(&[&format!("upload:after-commit:{what}")]).await;
        let reply = client.put("a.txt", CONTENT).await.unwrap();
        let job_id = serde_json::from_str::<Value>(&reply.body).ok().and_then(|job| job["Job ID"].as_i64());
        assert_eq!(job_id, None, "{what}: {}", reply.body);
        let status = match what {
            "503" => 503,
            "garbage" => 0,
            _ => 200,
        };
        assert_eq!(reply.status, status, "{what}");
        if what == "truncated" {
            let announced: usize = reply.header("content-length").unwrap().parse().unwrap();
            assert!(reply.body.len() < announced && reply.body.starts_with("{\"Filename\""), "{}", reply.body);
        }
        assert_eq!(client.names(), ["a.txt"], "{what}");
    }
}

#[tokio::test]
async fn early_answers_come_before_the_body() {
    for (rule, status, retry_after, code) in [
        ("upload:before-body:refuse=413", 413, None, json!("payload_too_large")),
        ("upload:before-body:401", 401, None, Value::Null),
        ("upload:429=7", 429, Some("7"), Value::Null),
        ("upload:429", 429, None, Value::Null),
        ("upload:gateway=503", 503, None, Value::Null),
        ("any:before-body:refuse=404", 404, None, json!("not_found")),
    ] {
        let client = Client::with_faults(&[]).await;
        client.emulator.add_fault(rule.parse().unwrap());
        let request = client.put_request("a.txt", CONTENT);
        let mut stream = TcpStream::connect(client.emulator.address()).await.unwrap();
        // All but the last bytes, like a client that has not committed yet.
        stream.write_all(&request[..request.len() - 10]).await.unwrap();
        let reply = read_reply(stream).await.unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (status, retry_after), "{rule}");
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(reply.json()["errorCode"], code, "{rule}");
        assert!(client.names().is_empty());
    }
}

#[tokio::test]
async fn a_body_cut_short_is_never_ingested() {
    let client = Client::with_faults(&[]).await;
    let request = client.put_request("a.txt", CONTENT);
    for missing in [1, 10, 100] {
        let mut stream = TcpStream::connect(client.emulator.address()).await.unwrap();
        stream.write_all(&request[..request.len() - missing]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Neither an answer nor a reset accepts the file.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    assert!(client.names().is_empty());
}

#[tokio::test]
async fn a_hanging_answer_has_ingested_already() {
    let client = Client::with_faults(&["upload:after-commit:hang:n=1"]).await;
    let mut stream = TcpStream::connect(client.emulator.address()).await.unwrap();
    stream.write_all(&client.put_request("a.txt", CONTENT)).await.unwrap();
    client.emulator.accepted(1).await;
    let waited = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(waited.is_err(), "it answered");
    drop(stream);
    assert_eq!(client.ask("GET", JOBS).await.json()["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_late_job_is_not_listed_but_there() {
    let client = Client::with_faults(&["list:late=1h:name=late*"]).await;
    let late = client.put("late.txt", CONTENT).await.unwrap().json();
    client.put("soon.txt", CONTENT).await.unwrap();
    let list = client.ask("GET", JOBS).await.json();
    assert_eq!(list["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(client.ask("GET", &format!("{JOBS}/{}", late["Job ID"])).await.status, 200);
}

#[tokio::test]
async fn a_name_aims_at_one_file_even_before_its_content_is_there() {
    for when in ["before-body", "mid-body", "after-body"] {
        let client = Client::with_faults(&[&format!("upload:{when}:refuse=422:name=bad*")]).await;
        assert_eq!(client.put("good.txt", CONTENT).await.unwrap().status, 200, "{when}");
        assert_eq!(client.put("bad.txt", CONTENT).await.unwrap().status, 422, "{when}");
        assert_eq!(client.form("POST", "bad.txt", CONTENT).await.status, 422, "{when}");
        assert_eq!(client.names(), ["good.txt"], "{when}");
    }
}

#[tokio::test]
async fn jobs_lose_rows_or_fail() {
    let rules = ["job:lost-rows=1:name=short*", "job:fail:name=bad*", "job:status=cache:name=odd*"];
    let client = Client::with_faults(&rules).await;
    for (name, status, rows) in [("short.txt", "success", 1), ("bad.txt", "failure", 0), ("odd.txt", "cache", 2)] {
        let id = client.put(name, CONTENT).await.unwrap().json()["Job ID"].clone();
        let job = client.ask("GET", &format!("{JOBS}/{id}")).await.json();
        assert_eq!(job["Status of the job"], json!(status));
        assert_eq!(job["The number of rows successfully processed"], json!(rows));
    }
}

#[tokio::test]
async fn other_requests_take_faults_too() {
    let client =
        Client::with_faults(&["list:500:n=1", "token:after-commit:html", "account:reset", "single:slow=20ms"]).await;
    assert_eq!(client.ask("GET", JOBS).await.status, 500);
    assert_eq!(client.ask("GET", JOBS).await.status, 200);
    assert!(client.token("client_id=id&client_secret=x").await.body.starts_with("<html>"));
    let request = raw("GET", "/api/co/account/suite", &client.rights(), b"");
    assert_eq!(client.send(&request).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let before = std::time::Instant::now();
    assert_eq!(client.ask("GET", &format!("{JOBS}/1")).await.status, 404);
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared_over_http() {
    let client = Client::with_faults(&[]).await;
    let faults = |method: &'static str, body: &'static str| {
        let request = raw(method, "/_emulator/faults", "", body.as_bytes());
        let client = &client;
        async move { client.send(&request).await.unwrap() }
    };
    assert_eq!(faults("POST", "upload:after-commit:reset").await.status, 204);
    let wrong = faults("POST", "upload:sometimes:reset").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("before-body, mid-body"), "{}", wrong.body);
    assert!(client.put("a.txt", CONTENT).await.is_err());
    let list = faults("GET", "").await.json();
    assert_eq!(list, json!([{ "rule": "upload:after-commit:reset", "applied": 1 }]));
    assert_eq!(faults("DELETE", "").await.status, 204);
    assert_eq!(client.put("a.txt", CONTENT).await.unwrap().status, 200);
}
