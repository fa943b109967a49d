//! Uploads that meet a broken, slow or unwilling server.

use super::{JOB, MOMENT, Stage, permit};
use crate::adobe::{Answer, Budget, Client, ErrorBody, Purpose, Seen};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn never() -> std::future::Pending<bool> {
    std::future::pending()
}

#[tokio::test]
async fn a_reset_after_the_last_bytes_is_unknown_and_nothing_is_sent_again() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.reset();
    let end = end.await.unwrap();
    assert!(end.last_bytes_sent);
    assert!(matches!(end.seen, Seen::Broken(_)), "{end:?}");
    assert!(stage.server.nobody().await);
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_a_request_is_not_tried_again() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.answer(200, "", JOB).await;
    end.await.unwrap();

    let end = stage.upload(never(), &CancellationToken::new());
    peer.head().await;
    drop(peer);
    let end = end.await.unwrap();
    assert!(!end.last_bytes_sent);
    assert!(matches!(end.seen, Seen::Broken(_)), "{end:?}");
    assert!(stage.server.nobody().await);
}

#[tokio::test]
async fn silence_is_measured_from_the_last_byte_and_not_while_we_commit() {
    let stage = Stage::with(b"abc", |config| config.timeout = Duration::from_millis(300)).await;
    let commit = async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        true
    };
    let end = stage.upload(commit, &CancellationToken::new());
    let mut peer = stage.server.accept().await;
    peer.request().await;
    let end = end.await.unwrap();
    assert!(end.last_bytes_sent);
    assert_eq!(end.seen, Seen::Silence(Duration::from_millis(300)));

    // A server that reads nothing.
    let stage = Stage::with(&vec![b'x'; 30_000_000], |config| config.timeout = Duration::from_millis(300)).await;
    let end = stage.upload(never(), &CancellationToken::new());
    let _peer = stage.server.accept().await;
    let end = end.await.unwrap();
    assert_eq!((end.last_bytes_sent, end.seen), (false, Seen::Silence(Duration::from_millis(300))));

    // A server that answers too slowly.
    let stage = Stage::with(b"abc", |config| config.timeout = Duration::from_millis(300)).await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.say(&format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", JOB.len())).await;
    for piece in JOB.as_bytes().chunks(20) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        peer.say(std::str::from_utf8(piece).unwrap()).await;
    }
    assert!(matches!(end.await.unwrap().seen, Seen::Answer { status: 200, answer: Answer::Job(_), .. }));
}

#[tokio::test]
async fn an_answer_that_is_cut_garbage_or_endless_is_no_success() {
    let stage = Stage::new(b"abc").await;
    for (answer, close) in [
        ("HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{\"Job ID\":7}".to_owned(), true),
        ("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello".to_owned(), false),
        ("HTTP/1.1 204 X\r\nconnection: close\r\n\r\n".to_owned(), false),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), false),
        (
            format!(
                "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 1100000\r\n\r\n{{\"Job ID\":7}}{}",
                " ".repeat(1_099_988)
            ),
            false,
        ),
    ] {
        let end = stage.upload_now();
        let mut peer = stage.server.accept().await;
        peer.request().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.stream, answer.as_bytes()).await;
        if close {
            drop(peer);
        }
        let end = end.await.unwrap();
        assert!(end.last_bytes_sent);
        assert!(matches!(end.seen, Seen::Broken(_)), "{end:?}");
    }
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.answer(202, "", r#"{"status":"uploaded"}"#).await;
    let seen = end.await.unwrap().seen;
    let answer = Answer::NoJobId(r#"{"status":"uploaded"}"#.into());
    assert_eq!(seen, Seen::Answer { status: 202, retry_after: None, answer });
}

#[tokio::test]
async fn nobody_there_is_not_connected_and_costs_no_slot() {
    let mut stage = Stage::new(b"abc").await;
    stage.upload.target.base_url = "http://127.0.0.1:1/api".into();
    let limit = crate::config::RateLimit { requests: 1, per: Duration::from_mins(10) };
    let budget = Arc::new(Budget::new(Some(limit), false));
    let client = Client::new(&stage.server.config(), Arc::clone(&budget)).unwrap();
    let stop = CancellationToken::new();
    let permit = budget.acquire(Purpose::Upload).await;
    let end = client.upload(stage.upload.clone(), permit, |_| {}, async { true }, &stop).await;
    assert!(matches!(end.seen, Seen::NotConnected(_)), "{end:?}");
    assert_eq!(budget.spent(), (0, Some(1)));

    stage.upload.target.base_url = "http://192.0.2.1/api".into();
    let end = client.upload(stage.upload.clone(), permit_of(&budget), |_| {}, async { true }, &stop).await;
    assert!(format!("{:?}", end.seen).contains("allow_http"), "{end:?}");
}

fn permit_of(budget: &Arc<Budget>) -> crate::adobe::Permit {
    budget.try_acquire(Purpose::Upload).unwrap()
}

#[tokio::test]
async fn redirects_are_answers() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.answer(307, &format!("location: {}/elsewhere\r\n", stage.server.url), "").await;
    assert!(matches!(end.await.unwrap().seen, Seen::Answer { status: 307, answer: Answer::Refusal(_), .. }));
    assert!(stage.server.nobody().await);
}

#[tokio::test]
async fn too_many_requests_pause_the_budget() {
    let stage = Stage::new(b"abc").await;
    let budget = Arc::new(Budget::new(None, false));
    let client = Client::new(&stage.server.config(), Arc::clone(&budget)).unwrap();
    let upload = stage.upload.clone();
    let end = tokio::spawn(async move {
        client.upload(upload, permit().await, |_| {}, async { true }, &CancellationToken::new()).await
    });
    let mut peer = stage.server.accept().await;
    peer.request().await;
    peer.answer(429, "retry-after: 90000\r\n", r#"{"error_code":"429050","message":"Too many requests"}"#).await;
    let refusal = ErrorBody::Gateway { code: "429050".into(), message: "Too many requests".into() };
    let retry_after = Some(Duration::from_hours(1));
    assert_eq!(end.await.unwrap().seen, Seen::Answer { status: 429, retry_after, answer: Answer::Refusal(refusal) });
    assert!(budget.try_acquire(Purpose::Sweep).is_none());
    assert!(tokio::time::timeout(MOMENT, budget.acquire(Purpose::Upload)).await.is_err());
    assert!(stage.folder.path().exists());
}
