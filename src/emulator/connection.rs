//! The accept loop of the emulator, so that a fault can end a connection in ways that no HTTP server offers.
//!
//! A handler that sends no answer puts an [`Ending`] into its response. hyper treats it as the service's error and
//! returns the socket. The loop then ends the connection as the fault demands.

use super::chance::Clock;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response, header};
use axum::serve::Listener;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How a connection ends without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Ending {
    /// RST. The client loses all data that it has not read yet.
    #[error("a fault cuts the connection")]
    Reset,
    /// Sends these bytes instead of an answer, and then closes in order.
    #[error("a fault answers with raw bytes")]
    Raw(Bytes),
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Timeout for a client to read an answer that came before its request was complete.
const LINGER: Duration = Duration::from_secs(2);

/// Accepts connections until `stopped` is cancelled, then cuts all of them.
pub(super) async fn serve(mut listener: TcpListener, router: Router, clock: Clock, stopped: CancellationToken) {
    let requests = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (stream, _) = Listener::accept(&mut listener) => {
                connections.spawn(converse(stream, router.clone(), clock, requests.clone()));
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router, clock: Clock, requests: Arc<AtomicU64>) {
    // Answers are small. Without this option, each could wait for an acknowledgement, and distort every measurement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.call(request);
        let number = requests.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { finish(answer.await, number, clock) })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let result = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    match result {
        Ok(()) => close(stream).await,
        Err(error) => match error.source().and_then(|cause| cause.downcast_ref::<Ending>()) {
            Some(Ending::Reset) => reset(&stream),
            Some(Ending::Raw(bytes)) => write_raw(stream, bytes).await,
            // The client disconnected, or sent no HTTP.
            None => {}
        },
    }
}

fn finish(answer: Result<Response<Body>, Infallible>, number: u64, clock: Clock) -> Result<Response<Body>, Ending> {
    let Ok(mut response) = answer;
    if let Some(ending) = response.extensions_mut().remove::<Ending>() {
        return Err(ending);
    }
    if let Ok(id) = HeaderValue::try_from(format!("emulated-{number:08}")) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if let Ok(date) = HeaderValue::try_from(clock.http_date()) {
        response.headers_mut().insert(header::DATE, date);
    }
    Ok(response)
}

fn reset(stream: &TcpStream) {
    // Without this option, the close would be orderly, which is another fault.
    if let Err(error) = stream.set_zero_linger() {
        tracing::warn!(%error, "the emulator could not cut a connection");
    }
}

async fn write_raw(mut stream: TcpStream, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        close(stream).await;
    }
}

/// Closes the sending side, and reads on for a while. If the socket were closed with unread bytes, it would reset the
/// connection, and the client would lose the answer.
async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; 16 * 1024];
    let drain = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    // The connection is over, also after a timeout.
    let _ = tokio::time::timeout(LINGER, drain).await;
}
