//! Lists and single jobs.

use super::{JOB, Server, permit};
use crate::adobe::{ApiError, Budget, Client, JobQuery, Purpose};
use crate::config::RateLimit;
use crate::job::RemoteJobId;
use std::sync::Arc;
use std::time::Duration;

async fn asked(server: &Server, answer: (u16, &str, &str)) -> (String, Result<crate::adobe::Listed, ApiError>) {
    let client = Client::new(&server.config(), Arc::new(Budget::new(None, false))).unwrap();
    let target = server.target();
    let query = JobQuery { start: Some("2026-11-23 10:30:38".into()), page: Some(2), ..JobQuery::default() };
    let ask = tokio::spawn(async move { client.list_jobs(&target, &query, permit().await).await });
    let mut peer = server.accept().await;
    let head = peer.head().await;
    peer.answer(answer.0, answer.1, answer.2).await;
    (head, ask.await.unwrap())
}

#[tokio::test]
async fn a_list_is_asked_for_and_read_as_the_guide_says() {
    let server = Server::start().await;
    let page = format!(r#"{{"page":2,"jobs":[{JOB},{{"filename":"x"}}],"total_pages":2}}"#);
    let (head, listed) = asked(&server, (200, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", &page)).await;
    let line =
        "GET /api/examplecompany/datasources/job/examplersid/621?start_date=2026-11-23%2010%3A30%3A38&page=2 HTTP";
    assert!(head.starts_with(line), "{head}");
    let listed = listed.unwrap();
    assert_eq!((listed.jobs.len(), listed.unreadable), (1, 1));
    assert_eq!((listed.page, listed.total_pages), (Some(2), Some(2)));
    assert_eq!(listed.server_time.unwrap().0, 784_111_777_000);
}

#[tokio::test]
async fn refusals_are_typed_by_what_the_caller_must_decide() {
    let server = Server::start().await;
    let gateway = r#"{"error_code":"503010","message":"Could not validate"}"#;
    assert!(matches!(asked(&server, (503, "", gateway)).await.1, Err(ApiError::Busy { .. })));
    assert!(matches!(asked(&server, (503, "", "<html>")).await.1, Err(ApiError::Unclear { .. })));
    assert!(matches!(asked(&server, (403, "", gateway)).await.1, Err(ApiError::Unauthorised { .. })));
    assert!(matches!(asked(&server, (404, "", "")).await.1, Err(ApiError::NotFound { .. })));
    assert!(matches!(asked(&server, (400, "", "")).await.1, Err(ApiError::Refused { status: 400, .. })));
    assert!(matches!(asked(&server, (302, "location: /x\r\n", "")).await.1, Err(ApiError::Refused { .. })));
    assert!(matches!(asked(&server, (200, "", "{}")).await.1, Err(ApiError::Unclear { .. })));
    assert!(matches!(asked(&server, (200, "", "[]")).await.1, Err(ApiError::Unclear { .. })));
    match asked(&server, (429, "retry-after: 7\r\n", "")).await.1 {
        Err(ApiError::Busy { retry_after, .. }) => assert_eq!(retry_after, Some(Duration::from_secs(7))),
        other => panic!("{other:?}"),
    }
    let text = asked(&server, (500, "x-request-id: r9\r\n", "oops")).await.1.unwrap_err().to_string();
    let place = format!("the jobs of examplersid/621 at {}/api", server.url);
    assert_eq!(text, format!("{place}: no clear answer: HTTP 500: oops, request ID r9"));
}

#[tokio::test]
async fn a_single_job_must_be_the_one_that_was_asked_for() {
    let server = Server::start().await;
    let client = Arc::new(Client::new(&server.config(), Arc::new(Budget::new(None, false))).unwrap());
    for (id, known) in [(7, true), (8, false)] {
        let (client, target) = (Arc::clone(&client), server.target());
        let ask = tokio::spawn(async move { client.show_job(&target, RemoteJobId(id), permit().await).await });
        let mut peer = server.accept().await;
        assert!(
            peer.head().await.starts_with(&format!("GET /api/examplecompany/datasources/job/examplersid/621/{id} "))
        );
        peer.answer(200, "connection: close\r\n", JOB).await;
        match ask.await.unwrap() {
            Ok(answered) => assert!(known && answered.value.remote_job_id == RemoteJobId(7)),
            Err(error) => assert!(!known && matches!(error, ApiError::Unclear { .. }), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_list_that_hangs_is_unclear_and_its_slot_is_spent() {
    let server = Server::start().await;
    let mut config = server.config();
    config.timeout = Duration::from_millis(200);
    let limit = RateLimit { requests: 1, per: Duration::from_mins(10) };
    let budget = Arc::new(Budget::new(Some(limit), false));
    let client = Client::new(&config, Arc::clone(&budget)).unwrap();
    let permit = budget.acquire(Purpose::Sweep).await;
    let error = client.list_jobs(&server.target(), &JobQuery::default(), permit).await.unwrap_err();
    assert!(matches!(error, ApiError::Unclear { .. }), "{error}");
    assert_eq!(budget.spent(), (1, Some(1)));
}
