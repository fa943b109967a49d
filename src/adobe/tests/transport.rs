//! Connections, redirects, and answers that are too long.

use super::{JOB, Server, Stage, permit};
use crate::adobe::{Answer, ApiError, Budget, Client, JobQuery, Seen, TokenError};
use crate::config::{ApiConfig, Credential};
use crate::job::RemoteJobId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

/// How a server treats a connection that it could keep open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Closes it after its answer, without announcing that.
    ClosesAfterAnswer,
    /// Closes it when the head of the next request has arrived.
    ClosesAtTheNext,
}

/// Serves until the test ends. Counts the heads of requests by their file.
fn serve(server: Server, habit: Habit, heads: &Arc<Mutex<HashMap<String, usize>>>) {
    let heads = Arc::clone(heads);
    tokio::spawn(async move {
        loop {
            let mut peer = server.accept().await;
            let heads = Arc::clone(&heads);
            tokio::spawn(async move {
                for request in 0.. {
                    let head = peer.head().await;
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    *heads.lock().unwrap().entry(path).or_default() += 1;
                    if request > 0 {
                        return;
                    }
                    peer.body(super::content_length(&head)).await;
                    peer.answer(200, "", JOB).await;
                    if habit == Habit::ClosesAfterAnswer {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn a3_no_upload_is_more_than_one_request_however_connections_end() {
    for habit in [Habit::ClosesAfterAnswer, Habit::ClosesAtTheNext] {
        let heads = Arc::default();
        let server = Server::start().await;
        let mut stage = Stage::new(b"abc").await;
        stage.upload.target = server.target();
        serve(server, habit, &heads);
        let (mut answered, mut broken) = (0, 0);
        for number in 0..60 {
            // Each upload has its own path, by which the server tells them apart.
            stage.upload.target.data_source_id = number;
            let end = stage.upload_now().await.unwrap();
            let path = format!("/api/examplecompany/datasources/job/examplersid/{number}");
            let met = heads.lock().unwrap().get(&path).copied().unwrap_or_default();
            if matches!(end.seen, Seen::Broken(_)) {
                assert!(met <= 1, "{habit:?}: upload {number} came {met} times");
                broken += 1;
            } else {
                assert!(matches!(end.seen, Seen::Answer { status: 200, answer: Answer::Job(_), .. }), "{end:?}");
                assert_eq!(met, 1, "{habit:?}: upload {number}");
                answered += 1;
            }
        }
        assert!(answered >= 20, "{habit:?}: {answered} answered");
        assert!(broken > 0 || habit == Habit::ClosesAfterAnswer, "no request met a dying connection");
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_token_goes_where_it_points() {
    let elsewhere = Server::start().await;
    let location = format!("location: {}/x\r\nconnection: close\r\n", elsewhere.url);
    for status in [301, 302, 303, 307, 308] {
        let stage = Stage::new(b"abc").await;
        let end = stage.upload_now();
        let mut peer = stage.server.accept().await;
        peer.request().await;
        peer.answer(status, &location, "").await;
        let end = end.await.unwrap();
        assert!(matches!(end.seen, Seen::Answer { answer: Answer::Refusal(_), .. }), "{status}: {end:?}");

        let (client, target) = (Arc::clone(&stage.client), stage.server.target());
        let list = tokio::spawn(async move { client.list_jobs(&target, &JobQuery::default(), permit().await).await });
        let mut peer = stage.server.accept().await;
        peer.head().await;
        peer.answer(status, &location, "").await;
        assert!(matches!(list.await.unwrap(), Err(ApiError::Refused { .. })), "{status}");

        let (client, target) = (Arc::clone(&stage.client), stage.server.target());
        let single = tokio::spawn(async move { client.show_job(&target, RemoteJobId(7), permit().await).await });
        let mut peer = stage.server.accept().await;
        peer.head().await;
        peer.answer(status, &location, "").await;
        assert!(matches!(single.await.unwrap(), Err(ApiError::Refused { .. })), "{status}");

        let config = ApiConfig { credential: Credential::Secret("s3cret".into()), ..stage.server.config() };
        let client = Client::new(&config, Arc::new(Budget::new(None, false))).unwrap();
        let token = tokio::spawn(async move { client.authorise().await });
        let mut peer = stage.server.accept().await;
        peer.request().await;
        peer.answer(status, &location, "").await;
        assert!(matches!(token.await.unwrap(), Err(TokenError::Unavailable(_))), "{status}");
        assert!(stage.server.nobody().await, "{status}");
    }
    assert!(elsewhere.nobody().await);
}

#[tokio::test]
async fn no_more_than_a_mebibyte_of_any_answer_is_taken() {
    for announced in [true, false] {
        for success in [true, false] {
            let server = Server::start().await;
            let client = Client::new(&server.config(), Arc::new(Budget::new(None, false))).unwrap();
            let target = server.target();
            let list =
                tokio::spawn(async move { client.list_jobs(&target, &JobQuery::default(), permit().await).await });
            let mut peer = server.accept().await;
            peer.head().await;
            let length = if announced { "content-length: 10485760\r\n" } else { "" };
            let status = if success { 200 } else { 500 };
            peer.say(&format!("HTTP/1.1 {status} X\r\n{length}\r\n{{\"page\":1,\"jobs\":[],\"total_pages\":1}}")).await;
            // The server sends without end, so only the client can stop it.
            let spaces = vec![b' '; 64 << 10];
            let mut taken = 0;
            while peer.stream.write_all(&spaces).await.is_ok() {
                taken += spaces.len();
                assert!(taken < 64 << 20, "it takes all that comes");
            }
            let error = list.await.unwrap().unwrap_err();
            assert!(matches!(error, ApiError::Unclear { .. }), "{error}");
            assert_eq!(error.to_string().contains("longer than 1 MiB"), success, "{error}");
        }
    }
}

#[tokio::test]
async fn a_plain_address_beyond_loopback_gets_neither_a_request_nor_a_secret() {
    let server = Server::start().await;
    let config = ApiConfig {
        credential: Credential::Secret("s3cret".into()),
        token_url: "http://192.0.2.1/ims/token/v3".into(),
        ..server.config()
    };
    let client = Client::new(&config, Arc::new(Budget::new(None, false))).unwrap();
    let error = client.authorise().await.unwrap_err();
    assert!(error.to_string().contains("allow_http") && !error.to_string().contains("s3cret"), "{error}");
    let mut target = server.target();
    target.base_url = "http://192.0.2.1/api".into();
    let client = Client::new(&server.config(), Arc::new(Budget::new(None, false))).unwrap();
    let error = client.list_jobs(&target, &JobQuery::default(), permit().await).await.unwrap_err();
    assert!(error.to_string().contains("allow_http"), "{error}");
}
