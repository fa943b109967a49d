//! The emulator through a real socket: the requests of the guide, refused requests, and faults.

mod conformance;
mod fault_effects;
mod guide;
mod limits;
mod suite_endpoints;

use super::{Dialect, Emulator, EmulatorOptions};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONTENT: &str = "Date\tEvent 1\n11/20/2026\t1\n11/21/2026\t2\n";
const JOBS: &str = "/api/co/datasources/job/suite/1";

/// An emulator, and a client with access to it.
struct Client {
    emulator: Emulator,
    token: String,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn options() -> EmulatorOptions {
    EmulatorOptions { processing: Duration::ZERO, rate_limit: None, ..EmulatorOptions::default() }
}

impl Client {
    async fn new(options: EmulatorOptions) -> Self {
        let mut client = Self { emulator: Emulator::start(options).await.unwrap(), token: String::new() };
        let reply = client.token("client_id=id&client_secret=secret").await;
        client.token = reply.json()["access_token"].as_str().unwrap().to_owned();
        client
    }

    async fn of(dialect: Dialect) -> Self {
        Self::new(EmulatorOptions { dialect, ..options() }).await
    }

    async fn with_faults(rules: &[&str]) -> Self {
        let client = Self::new(options()).await;
        for rule in rules {
            client.emulator.add_fault(rule.parse().unwrap());
        }
        client
    }

    async fn token(&self, who: &str) -> Reply {
        let form = format!("{who}&grant_type=client_credentials&scope=openid,AdobeID");
        let form_type = "content-type: application/x-www-form-urlencoded\r\n";
        self.send(&raw("POST", "/ims/token/v3", form_type, form.as_bytes())).await.unwrap()
    }

    /// The headers that every API request needs.
    fn rights(&self) -> String {
        format!("accept: application/json\r\nx-api-key: id\r\nauthorization: Bearer {}\r\n", self.token)
    }

    async fn ask(&self, method: &str, path: &str) -> Reply {
        self.send(&raw(method, path, &self.rights(), b"")).await.unwrap()
    }

    fn put_request(&self, name: &str, content: &str) -> Vec<u8> {
        let headers = format!("{}content-type: application/json\r\n", self.rights());
        raw("PUT", JOBS, &headers, put_json(name, content).to_string().as_bytes())
    }

    async fn put(&self, name: &str, content: &str) -> io::Result<Reply> {
        self.send(&self.put_request(name, content)).await
    }

    async fn form(&self, method: &str, name: &str, content: &str) -> Reply {
        let headers = format!("{}content-type: multipart/form-data; boundary=xx\r\n", self.rights());
        self.send(&raw(method, JOBS, &headers, form(name, content).as_bytes())).await.unwrap()
    }

    /// Sends one request on its own connection.
    async fn send(&self, request: &[u8]) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(self.emulator.address()).await?;
        stream.write_all(request).await?;
        read_reply(stream).await
    }

    fn names(&self) -> Vec<String> {
        self.emulator.ledger().into_iter().map(|entry| entry.name).collect()
    }
}

async fn read_reply(mut stream: TcpStream) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

fn raw(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}{length}\r\n")
            .into_bytes();
    request.extend_from_slice(body);
    request
}

fn form(name: &str, content: &str) -> String {
    format!("--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n--xx--\r\n")
}

fn put_json(name: &str, content: &str) -> Value {
    use base64::Engine;
    let bytes =
        if content.is_empty() { json!([]) } else { json!([base64::engine::general_purpose::STANDARD.encode(content)]) };
    json!({
        "contentType": "text/plain", "originalFilename": name, "name": "file", "bytes": bytes,
        "empty": content.is_empty(),
        "resource": {
            "file": "", "uri": "", "url": "", "description": name, "readable": true, "filename": name,
            "open": false, "inputStream": {}
        },
        "size": content.len(), "inputStream": {}
    })
}
