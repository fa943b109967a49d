//! A little HTTP server that receives alerts and heartbeats.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that it got.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// As it came, with every header.
    pub head: String,
    pub body: String,
}

/// A running server; its thread ends with the test's process.
pub struct Hook {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    status: Arc<Mutex<u16>>,
}

impl Hook {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let hook =
            Self { address: listener.local_addr().unwrap(), asked: Arc::default(), status: Arc::new(Mutex::new(200)) };
        let (asked, status) = (Arc::clone(&hook.asked), Arc::clone(&hook.status));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // An error is the client's end of the connection.
                let _ = answer(&stream, &asked, &status);
            }
        });
        hook
    }

    /// What it answers from now on.
    pub fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The alerts that it received and took.
    pub fn alerts(&self) -> Vec<serde_json::Value> {
        let posts = self.asked().into_iter().filter(|asked| asked.method == "POST");
        posts.map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
    }
}

fn answer(stream: &TcpStream, asked: &Mutex<Vec<Asked>>, status: &Mutex<u16>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    asked.lock().unwrap().push(Asked { method, path, head, body: String::from_utf8(body).unwrap() });
    let status = *status.lock().unwrap();
    let location = if status / 100 == 3 { "location: /elsewhere\r\n" } else { "" };
    let reply = format!("HTTP/1.1 {status} x\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n");
    let mut stream = stream;
    stream.write_all(reply.as_bytes())
}
