//! Uploads: which bytes are on the wire, and when.

use super::{JOB, Stage};
use crate::adobe::body::Layout;
use crate::adobe::{Answer, Seen};
use crate::job::{RemoteJobId, UploadStyle};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

fn tail_of(content: &[u8]) -> usize {
    Layout::new(UploadStyle::PutJson, "sales.txt", content.len() as u64).tail.len()
}

fn never() -> std::future::Pending<bool> {
    std::future::pending()
}

#[tokio::test]
async fn a_file_arrives_whole_with_its_headers_and_its_job_comes_back() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    let (head, body) = peer.request().await;
    assert!(head.starts_with("PUT /api/examplecompany/datasources/job/examplersid/621 HTTP/1.1\r\n"), "{head}");
    for header in [
        "authorization: Bearer t0ken",
        "x-api-key: 0123456789abcdef",
        "accept: application/json",
        "x-proxy-global-company-id: examplecompany",
        "content-type: application/json",
        "content-length: 266",
    ] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{header} in {head}");
    }
    assert!(!head.contains("transfer-encoding"));
    assert!(
        body.starts_with(
            br#"{"contentType":"text/plain","originalFilename":"sales.txt","name":"file","bytes":["YWJj"],"#
        )
    );
    peer.answer(200, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-request-id: r1\r\n", JOB).await;
    let end = end.await.unwrap();
    assert!(end.last_bytes_sent);
    assert_eq!(end.request_id.as_deref(), Some("r1"));
    assert_eq!(end.server_time.unwrap().0, 784_111_777_000);
    let Seen::Answer { status: 200, answer: Answer::Job(job), .. } = end.seen else { panic!("{end:?}") };
    assert_eq!(job.remote_job_id, RemoteJobId(7));
}

#[tokio::test]
async fn large_files_arrive_byte_for_byte_in_every_style() {
    let content: Vec<u8> = (0..700_001u32).map(|index| u8::try_from(index % 253).unwrap()).collect();
    let mut stage = Stage::new(&content).await;
    let mut peer = None;
    for style in UploadStyle::ALL {
        stage.upload.style = style;
        let end = stage.upload_now();
        // All uploads share one connection.
        let peer = match &mut peer {
            Some(peer) => peer,
            none => none.insert(stage.server.accept().await),
        };
        let (head, body) = peer.request().await;
        let start = match style {
            UploadStyle::PutJson | UploadStyle::PutMultipart => "PUT ",
            UploadStyle::PostMultipart => "POST ",
        };
        assert!(head.starts_with(start), "{head}");
        let received = match style {
            UploadStyle::PutJson => {
                let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(value["size"], content.len());
                BASE64_STANDARD.decode(value["bytes"][0].as_str().unwrap()).unwrap()
            }
            UploadStyle::PostMultipart | UploadStyle::PutMultipart => {
                let start = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                body[start..start + content.len()].to_vec()
            }
        };
        assert!(received == content);
        peer.answer(200, "", JOB).await;
        assert!(end.await.unwrap().last_bytes_sent);
    }
}

#[tokio::test]
async fn the_last_bytes_wait_for_the_commit() {
    let stage = Stage::new(b"abc").await;
    let (commit, committed) = oneshot::channel();
    let asked = Arc::new(AtomicBool::new(false));
    let end = stage.upload(
        {
            let asked = Arc::clone(&asked);
            async move {
                asked.store(true, Ordering::SeqCst);
                committed.await.unwrap()
            }
        },
        &CancellationToken::new(),
    );
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    let tail = tail_of(b"abc");
    let content = peer.body(length - tail).await;
    assert!(content.ends_with(b"\"YWJj"));
    assert!(peer.is_quiet().await);
    assert!(asked.load(Ordering::SeqCst));
    commit.send(true).unwrap();
    assert_eq!(peer.body(tail).await.len(), tail);
    peer.answer(200, "", JOB).await;
    assert!(end.await.unwrap().last_bytes_sent);
}

#[tokio::test]
async fn without_a_commit_the_connection_is_closed_before_the_last_bytes() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload(async { false }, &CancellationToken::new());
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    assert_eq!(peer.rest().await.len(), length - tail_of(b"abc"));
    let end = end.await.unwrap();
    assert_eq!((end.last_bytes_sent, end.seen), (false, Seen::NotCommitted));
}

#[tokio::test]
async fn a_stop_counts_until_the_last_bytes_have_gone() {
    let stage = Stage::new(b"abc").await;
    let stop = CancellationToken::new();
    let end = stage.upload(never(), &stop);
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    peer.body(length - tail_of(b"abc")).await;
    stop.cancel();
    assert_eq!(peer.rest().await, b"");
    let end = end.await.unwrap();
    assert_eq!((end.last_bytes_sent, end.seen), (false, Seen::Stopped));

    let stop = CancellationToken::new();
    let end = stage.upload(async { true }, &stop);
    let mut peer = stage.server.accept().await;
    peer.request().await;
    stop.cancel();
    assert!(peer.is_quiet().await);
    peer.answer(200, "", JOB).await;
    assert!(matches!(end.await.unwrap().seen, Seen::Answer { status: 200, .. }));
}

#[tokio::test]
async fn an_upload_that_is_dropped_before_its_commit_never_completes() {
    let stage = Stage::new(b"abc").await;
    let end = stage.upload(never(), &CancellationToken::new());
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    peer.body(length - tail_of(b"abc")).await;
    end.abort();
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn a_file_that_is_not_the_promised_one_costs_no_request() {
    let mut stage = Stage::new(b"abc").await;
    stage.upload.expected.blake3 = crate::job::Blake3([0; 32]);
    let end = stage.upload_now().await.unwrap();
    assert!(matches!(end.seen, Seen::FileChanged(_)), "{end:?}");
    fs::remove_file(stage.file()).unwrap();
    let end = stage.upload_now().await.unwrap();
    assert_eq!((end.last_bytes_sent, end.seen), (false, Seen::FileGone));
    assert!(stage.server.nobody().await);
}

#[tokio::test]
async fn a_large_file_with_another_hash_breaks_off_before_its_last_bytes() {
    let content = vec![b'x'; 500_000];
    let mut stage = Stage::new(&content).await;
    stage.upload.expected.blake3 = crate::job::Blake3([0; 32]);
    let committed = Arc::new(AtomicBool::new(false));
    let end = stage.upload(
        {
            let committed = Arc::clone(&committed);
            async move {
                committed.store(true, Ordering::SeqCst);
                true
            }
        },
        &CancellationToken::new(),
    );
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    assert!(peer.rest().await.len() <= length - tail_of(&content));
    let end = end.await.unwrap();
    assert!(!end.last_bytes_sent);
    assert!(matches!(end.seen, Seen::FileChanged(_)), "{end:?}");
    assert!(!committed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_sent_breaks_off() {
    let content = vec![b'x'; 30_000_000];
    let stage = Stage::new(&content).await;
    let end = stage.upload_now();
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    let mut file = fs::OpenOptions::new().append(true).open(stage.file()).unwrap();
    std::io::Write::write_all(&mut file, b"y").unwrap();
    assert!(peer.rest().await.len() < length);
    let end = end.await.unwrap();
    assert!(!end.last_bytes_sent);
    assert!(matches!(end.seen, Seen::FileChanged(_)), "{end:?}");
}

#[tokio::test]
async fn an_early_answer_ends_the_upload_for_good() {
    let stage = Stage::new(&vec![b'x'; 8_000_000]).await;
    let end = stage.upload(never(), &CancellationToken::new());
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    let body = r#"{"errorCode":"too_large","errorDescription":"The file is too large","errorId":"e1"}"#;
    peer.answer(413, "", body).await;
    let rest = peer.rest().await;
    assert!(rest.len() < length, "the rest of the file is not poured after the answer: {}", rest.len());
    let end = end.await.unwrap();
    assert!(!end.last_bytes_sent);
    let Seen::Answer { status: 413, answer: Answer::Refusal(refusal), .. } = end.seen else { panic!("{end:?}") };
    assert_eq!(refusal.to_string(), "The file is too large (too_large), error ID e1");
}

#[tokio::test]
async fn an_answer_during_the_commit_keeps_the_last_bytes_back() {
    let stage = Stage::new(b"abc").await;
    let (commit, committed) = oneshot::channel::<bool>();
    let end = stage.upload(async { committed.await.unwrap() }, &CancellationToken::new());
    let mut peer = stage.server.accept().await;
    let length = super::content_length(&peer.head().await);
    peer.body(length - tail_of(b"abc")).await;
    peer.answer(200, "", JOB).await;
    let end = end.await.unwrap();
    assert!(!end.last_bytes_sent);
    assert!(matches!(end.seen, Seen::Answer { status: 200, answer: Answer::Job(_), .. }));
    assert!(commit.send(true).is_err(), "the commit is dropped");
    assert_eq!(peer.rest().await, b"");
}
