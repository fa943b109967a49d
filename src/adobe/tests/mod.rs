//! The client against a server that the test plays line by line, so that the test sees each byte on the wire.

mod broken_servers;
mod lists;
pub(crate) mod stand_in;
mod tokens;
mod transport;
mod uploads;

use super::file::promised;
use super::{Budget, Client, Permit, Purpose, Upload, UploadEnd};
use crate::config::{ApiConfig, Credential};
use crate::job::{Target, UploadStyle};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Timeout for each step. Every step here is faster.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time within which bytes arrive over loopback.
const MOMENT: Duration = Duration::from_millis(100);

const JOB: &str = r#"{"Filename":"sales.txt","Job ID":7,"Status of the job":"uploaded"}"#;

struct Server {
    listener: TcpListener,
    url: String,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    async fn accept(&self) -> Peer {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("a connection").unwrap();
        Peer { stream, ahead: Vec::new() }
    }

    /// Returns whether no client connects.
    async fn nobody(&self) -> bool {
        timeout(MOMENT, self.listener.accept()).await.is_err()
    }

    fn config(&self) -> ApiConfig {
        ApiConfig {
            base_url: format!("{}/api", self.url),
            token_url: format!("{}/ims/token/v3", self.url),
            global_company_id: "examplecompany".into(),
            client_id: "0123456789abcdef".into(),
            credential: Credential::Token("t0ken".into()),
            scopes: vec!["openid".into(), "AdobeID".into()],
            path_segment: "datasources".into(),
            rate_limit: None,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            proxy: None,
            ca_file: None,
            allow_http: false,
        }
    }

    fn target(&self) -> Target {
        Target {
            base_url: format!("{}/api", self.url),
            path_segment: "datasources".into(),
            company: "examplecompany".into(),
            report_suite_id: "examplersid".into(),
            data_source_id: 621,
        }
    }
}

/// The server's end of a connection.
struct Peer {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Peer {
    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 16 << 10];
        let count = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("bytes").unwrap_or(0);
        self.ahead.extend_from_slice(&buffer[..count]);
        count > 0
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.ahead.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.ahead, rest)).unwrap();
            }
            assert!(self.more().await, "closed within the head");
        }
    }

    async fn body(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(self.more().await, "closed after {} of {length} bytes", self.ahead.len());
        }
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    /// Reads a whole request: head and body.
    async fn request(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let body = self.body(content_length(&head)).await;
        (head, body)
    }

    /// Returns whether neither a byte nor the end of the connection comes.
    async fn is_quiet(&mut self) -> bool {
        self.ahead.is_empty() && timeout(MOMENT, self.stream.read(&mut [0])).await.is_err()
    }

    /// Reads everything until the client closes the connection.
    async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.ahead)
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        self.say(&format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}")).await;
    }

    /// Closes the connection with a reset, as a crash does.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-length:"));
    line.map_or(0, |line| line["content-length:".len()..].trim().parse().unwrap())
}

async fn permit() -> Permit {
    Arc::new(Budget::new(None, false)).acquire(Purpose::Upload).await
}

/// A server, a client and a file.
struct Stage {
    server: Server,
    client: Arc<Client>,
    folder: TempDir,
    upload: Upload,
}

impl Stage {
    async fn new(content: &[u8]) -> Self {
        Self::with(content, |_| {}).await
    }

    async fn with(content: &[u8], change: impl FnOnce(&mut ApiConfig)) -> Self {
        let server = Server::start().await;
        let mut config = server.config();
        change(&mut config);
        let client = Arc::new(Client::new(&config, Arc::new(Budget::new(None, false))).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sales.txt");
        std::fs::write(&path, content).unwrap();
        let upload = Upload {
            target: server.target(),
            style: UploadStyle::PutJson,
            wire_name: "sales.txt".into(),
            expected: promised(&path),
            path,
            reading: Arc::default(),
        };
        Self { server, client, folder, upload }
    }

    fn file(&self) -> &Path {
        &self.upload.path
    }

    /// Starts an upload that commits when `commit` says so.
    fn upload(
        &self,
        commit: impl Future<Output = bool> + Send + 'static,
        stop: &CancellationToken,
    ) -> tokio::task::JoinHandle<UploadEnd> {
        let (client, upload, stop) = (Arc::clone(&self.client), self.upload.clone(), stop.clone());
        tokio::spawn(async move { client.upload(upload, permit().await, |_| {}, commit, &stop).await })
    }

    /// Starts an upload that commits immediately.
    fn upload_now(&self) -> tokio::task::JoinHandle<UploadEnd> {
        self.upload(async { true }, &CancellationToken::new())
    }
}
