//! Tokens: how the client fetches, shares and renews them.

use super::{JOB, Server, permit};
use crate::adobe::{ApiError, Budget, Client, TokenError};
use crate::config::{ApiConfig, Credential};
use crate::job::RemoteJobId;
use std::sync::Arc;

const GRANTED: &str = r#"{"access_token":"t1","token_type":"bearer","expires_in":86399}"#;

fn client(config: &ApiConfig) -> Arc<Client> {
    Arc::new(Client::new(config, Arc::new(Budget::new(None, false))).unwrap())
}

fn with_secret(server: &Server) -> ApiConfig {
    ApiConfig { credential: Credential::Secret("s&cret".into()), ..server.config() }
}

/// Requests job 7 and answers that request. Returns the head of the request, and the result.
async fn ask(server: &Server, client: &Arc<Client>, status: u16) -> (String, Result<(), ApiError>) {
    let (client, target) = (Arc::clone(client), server.target());
    let ask = tokio::spawn(async move { client.show_job(&target, RemoteJobId(7), permit().await).await });
    let mut peer = server.accept().await;
    let head = peer.head().await;
    peer.answer(status, "connection: close\r\n", JOB).await;
    (head, ask.await.unwrap().map(|_| ()))
}

#[tokio::test]
async fn one_request_serves_many_waiters_and_shows_no_secret_in_its_address() {
    let server = Server::start().await;
    let client = client(&with_secret(&server));
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = Arc::clone(&client);
        waiters.spawn(async move { client.authorise().await });
    }
    let mut peer = server.accept().await;
    let (head, body) = peer.request().await;
    assert!(head.starts_with("POST /ims/token/v3 HTTP/1.1\r\n"), "{head}");
    let form = "client_id=0123456789abcdef&client_secret=s%26cret&grant_type=client_credentials&scope=openid%2CAdobeID";
    assert_eq!(String::from_utf8(body).unwrap(), form);
    peer.answer(200, "connection: close\r\n", GRANTED).await;
    while let Some(result) = waiters.join_next().await {
        result.unwrap().unwrap();
    }
    assert!(server.nobody().await);
    assert!(ask(&server, &client, 200).await.0.contains("authorization: Bearer t1"));
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_waited_for_it() {
    let server = Server::start().await;
    let client = client(&with_secret(&server));
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = Arc::clone(&client);
        waiters.spawn(async move { client.authorise().await });
    }
    let mut peer = server.accept().await;
    peer.request().await;
    let refusal = r#"{"error":"invalid_client","error_description":"The client credentials are invalid"}"#;
    peer.answer(400, "connection: close\r\n", refusal).await;
    while let Some(result) = waiters.join_next().await {
        let error = result.unwrap().unwrap_err();
        assert!(matches!(error, TokenError::Refused { .. }));
        assert_eq!(
            error.to_string(),
            "no access token: invalid_client: The client credentials are invalid; check api.client_id and the client \
             secret in the Developer Console, and reload a running service once api.client_secret is right"
        );
    }
    assert!(server.nobody().await);
}

#[tokio::test]
async fn a_token_service_that_is_not_well_is_asked_later() {
    let server = Server::start().await;
    for (status, body) in [(500, "{}"), (429, r#"{"error":"x"}"#), (302, ""), (200, "t0psecret"), (404, "<html>")] {
        let client = client(&with_secret(&server));
        let asking = tokio::spawn(async move { client.authorise().await });
        let mut peer = server.accept().await;
        peer.request().await;
        peer.answer(status, "connection: close\r\nlocation: /x\r\n", body).await;
        let error = asking.await.unwrap().unwrap_err();
        assert!(matches!(error, TokenError::Unavailable(_)), "{status}: {error}");
        assert!(!error.to_string().contains("t0psecret"));
    }
}

#[tokio::test]
async fn after_a_401_the_client_fetches_another_token() {
    let server = Server::start().await;
    let client = client(&with_secret(&server));
    let authorised = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.authorise().await }
    });
    let mut peer = server.accept().await;
    peer.request().await;
    peer.answer(200, "connection: close\r\n", GRANTED).await;
    authorised.await.unwrap().unwrap();

    let (_, refused) = ask(&server, &client, 401).await;
    assert!(matches!(refused, Err(ApiError::Unauthorised { .. })));
    let target = server.target();
    let again = tokio::spawn(async move { client.show_job(&target, RemoteJobId(7), permit().await).await });
    let mut peer = server.accept().await;
    assert!(peer.request().await.0.starts_with("POST /ims/token/v3"));
    peer.answer(200, "connection: close\r\n", r#"{"access_token":"t2","expires_in":"600"}"#).await;
    let mut peer = server.accept().await;
    assert!(peer.head().await.contains("authorization: Bearer t2"));
    peer.answer(200, "", JOB).await;
    again.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_file_is_reread_when_its_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let server = Server::start().await;
    let client = client(&ApiConfig { credential: Credential::TokenFile(path.clone()), ..server.config() });
    assert!(matches!(client.authorise().await, Err(TokenError::Unavailable(_))));
    std::fs::write(&path, "first\n").unwrap();
    assert!(ask(&server, &client, 200).await.0.contains("authorization: Bearer first\r\n"));
    std::fs::write(&path, "second\r\n").unwrap();
    assert!(ask(&server, &client, 401).await.0.contains("authorization: Bearer first\r\n"));
    assert!(ask(&server, &client, 200).await.0.contains("authorization: Bearer second\r\n"));
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let server = Server::start().await;
    let config = ApiConfig { credential: Credential::Secret("s3cret".into()), ..server.config() };
    let client = client(&config);
    assert!(!format!("{client:?} {config:?}").contains("s3cret"));
    let config = ApiConfig { proxy: Some("http://user:s3cret@[bad".into()), ..config };
    assert!(!format!("{config:?}").contains("s3cret"));
    let error = Client::new(&config, Arc::new(Budget::new(None, false))).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}
