//! Tokens and the rate limit.

use super::*;
use crate::config::RateLimit;

#[tokio::test]
async fn the_gateway_speaks_its_own_dialect() {
    let client = Client::new(options()).await;
    let good = client.rights();
    for (headers, status, code) in [
        (good.replace("x-api-key", "x-other"), 403, "403000"),
        (good.replace("authorization", "x-other"), 403, "403010"),
        (good.replace("Bearer emulated", "Bearer made-up"), 401, "401013"),
        (good.replace("Bearer ", "Basic "), 401, "401013"),
        (good.replace("x-api-key: id", "x-api-key: other"), 403, "403003"),
    ] {
        let reply = client.send(&raw("GET", JOBS, &headers, b"")).await.unwrap();
        assert_eq!(reply.status, status, "{headers}");
        assert_eq!(reply.json()["error_code"], json!(code), "{headers}");
        assert!(reply.json()["message"].is_string());
    }
    client.emulator.revoke_tokens();
    assert_eq!(client.ask("GET", JOBS).await.status, 401);
}

#[tokio::test]
async fn tokens_are_given_for_the_right_secret_only() {
    let credentials = Some(("id".to_owned(), "secret".into()));
    let client = Client::new(EmulatorOptions { credentials, ..options() }).await;
    for who in ["client_id=id&client_secret=wrong", "client_id=other&client_secret=secret"] {
        let reply = client.token(who).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["error"], json!("invalid_client"));
        assert!(reply.json()["error_description"].is_string());
    }
    let query = "/ims/token/v3?client_id=id&client_secret=secret&grant_type=client_credentials&scope=openid";
    assert_eq!(client.ask("POST", query).await.json()["error"], json!("invalid_request"));
    let good = client.token("client_id=id&client_secret=secret").await.json();
    assert_eq!((&good["token_type"], &good["expires_in"]), (&json!("bearer"), &json!(86_399)));
    client.emulator.set_credentials(Some(("id".to_owned(), "rotated".into())));
    assert_eq!(client.token("client_id=id&client_secret=secret").await.status, 400);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_ready_one_taken() {
    let options = EmulatorOptions { token_life: Duration::ZERO, access_tokens: vec!["ready".into()], ..options() };
    let mut client = Client::new(options).await;
    assert_eq!(client.ask("GET", JOBS).await.status, 401);
    client.token = "ready".to_owned();
    assert_eq!(client.ask("GET", JOBS).await.status, 200);
}

#[tokio::test]
async fn requests_over_the_limit_are_refused_and_counted() {
    let rate_limit = Some(RateLimit { requests: 3, per: Duration::from_mins(10) });
    let client = Client::new(EmulatorOptions { rate_limit, ..options() }).await;
    for _ in 0..3 {
        assert_eq!(client.ask("GET", JOBS).await.status, 200);
    }
    let refused = client.put("a.txt", CONTENT).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(refused.json(), json!({ "error_code": "429050", "message": "Too many requests" }));
    // Tokens and the emulator's own paths are not limited.
    assert_eq!(client.token("client_id=id&client_secret=x").await.status, 200);
    let counts = client.send(&raw("GET", "/_emulator/requests", "", b"")).await.unwrap().json();
    for (key, count) in
        [("uploads", 1), ("lists", 3), ("tokens", 2), ("refused_429", 1), ("total", 6), ("max_in_any_window", 4)]
    {
        assert_eq!(counts[key], json!(count), "{key}: {counts}");
    }
    assert_eq!(counts["by_method"]["PUT uploads"], json!(1));
}

#[tokio::test]
async fn it_listens_on_loopback_only_and_frees_its_port() {
    let open = EmulatorOptions { listen: "0.0.0.0:0".parse().unwrap(), ..options() };
    assert!(Emulator::start(open).await.is_err());
    let first = Emulator::start(options()).await.unwrap();
    let address = first.address();
    assert_eq!(first.base_url(), format!("http://{address}/api"));
    first.stop().await;
    let again = Emulator::start(EmulatorOptions { listen: address, ..options() }).await.unwrap();
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn connections_are_kept_between_requests() {
    let client = Client::new(options()).await;
    let mut stream = TcpStream::connect(client.emulator.address()).await.unwrap();
    let request = client.put_request("a.txt", CONTENT);
    let keep = String::from_utf8(request.clone()).unwrap().replace("connection: close\r\n", "");
    stream.write_all(keep.as_bytes()).await.unwrap();
    client.emulator.accepted(1).await;
    stream.write_all(&request).await.unwrap();
    let replies = read_reply(stream).await.unwrap();
    assert!(replies.body.contains("HTTP/1.1 200 OK"), "{}", replies.body);
    assert_eq!(client.names(), ["a.txt", "a.txt"]);
}

#[tokio::test]
async fn a_large_file_is_taken_whole() {
    let client = Client::new(options()).await;
    let content = format!("Date\tEvent 1\n{}", "11/20/2026\t1\n".repeat(200_000));
    let reply = client.put("large.txt", &content).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let entry = client.emulator.ledger().remove(0);
    assert_eq!((entry.size, entry.rows), (u64::try_from(content.len()).unwrap(), 200_000));
}
