//! What stands between the daemon and the emulator, and makes of the traffic what a test wants: a server that ends its
//! connections as it likes, a server with a certificate, a proxy, a liar. What was asked is counted here, what was
//! accepted at the emulator's ledger.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running relay; its thread ends with the test's process.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    manner: Manner,
    act: Box<dyn Fn(&Head) -> Act + Send + Sync>,
    heads: Mutex<Vec<Head>>,
}

/// How it treats connections.
#[derive(Clone, Default)]
pub struct Manner {
    pub ending: Ending,
    /// It speaks TLS: a server at once, a proxy within its tunnels.
    pub certificate: Option<Arc<ServerConfig>>,
    pub is_proxy: bool,
}

/// When it closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// When the client does.
    #[default]
    Kept,
    /// After each answer, unannounced.
    AfterAnswer,
    /// When an upload begins on it that is not its first request.
    AtTheNextUpload,
}

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: String,
    /// As it was sent: a path, to a proxy an address.
    pub target: String,
    /// Where the tunnel leads in which it came.
    pub tunnel: Option<String>,
    text: String,
}

impl Head {
    fn read(text: String, tunnel: Option<String>) -> Self {
        let mut words = text.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        Self { method, target, tunnel, text }
    }

    /// Without scheme and host.
    pub fn path(&self) -> &str {
        let rest = self.target.strip_prefix("http://").unwrap_or(&self.target);
        &rest[rest.find('/').unwrap_or_default()..]
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn is_upload(&self) -> bool {
        matches!(self.method.as_str(), "PUT" | "POST") && self.path().contains("/job/")
    }

    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.path().contains("/job/") && !self.is_single()
    }

    pub fn is_single(&self) -> bool {
        let path = self.path().split('?').next().unwrap();
        self.method == "GET" && path.split("/job/").nth(1).is_some_and(|rest| rest.split('/').count() == 3)
    }

    pub fn is_token(&self) -> bool {
        self.path().starts_with("/ims/")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Lines, without those that frame the message.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// What `content-length` says, if that is a lie.
    pub announced: Option<usize>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), announced: None }
    }

    /// Changes its JSON.
    pub fn change(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let mut value = serde_json::from_slice(&self.body).unwrap();
        change(&mut value);
        self.body = value.to_string().into_bytes();
        self
    }
}

/// What becomes of a request.
pub enum Act {
    /// It goes to the emulator, and the answer comes back.
    Pass,
    /// The same, and the answer is changed on its way.
    Change(Box<dyn FnOnce(Answer) -> Answer>),
    /// The same, but the emulator is asked for another path.
    Elsewhere(String),
    /// This is the answer to the whole request; the emulator never hears of it.
    Say(Answer),
}

impl Act {
    pub fn change(change: impl FnOnce(Answer) -> Answer + 'static) -> Self {
        Self::Change(Box::new(change))
    }
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Relay {
    pub fn start(upstream: SocketAddr, manner: Manner, act: impl Fn(&Head) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream, manner, act: Box::new(act), heads: Mutex::default() });
        let relay = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // An error is the client's end of the connection.
                std::thread::spawn(move || stream.and_then(|stream| shared.converse(stream)));
            }
        });
        relay
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests that began, in order.
    pub fn heads(&self) -> Vec<Head> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// How many requests of a kind began.
    pub fn count(&self, is_it: impl Fn(&Head) -> bool) -> usize {
        self.heads().iter().filter(|head| is_it(head)).count()
    }
}

impl Shared {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if !self.manner.is_proxy {
            return match &self.manner.certificate {
                None => self.serve(&mut stream, None),
                Some(config) => self.serve(&mut secured(stream, config), None),
            };
        }
        let head = self.head(&mut stream, None)?;
        if head.method != "CONNECT" {
            self.request(&mut stream, &head)?;
            return self.serve(&mut stream, None);
        }
        match (self.act)(&head) {
            Act::Pass | Act::Change(_) | Act::Elsewhere(_) => {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            }
            Act::Say(answer) => return say(&mut stream, &answer),
        }
        match &self.manner.certificate {
            None => self.serve(&mut stream, Some(&head.target)),
            Some(config) => self.serve(&mut secured(stream, config), Some(&head.target)),
        }
    }

    fn serve(&self, stream: &mut dyn Wire, tunnel: Option<&str>) -> io::Result<()> {
        let mut requests = 0;
        loop {
            let head = self.head(stream, tunnel)?;
            requests += 1;
            if self.manner.ending == Ending::AtTheNextUpload && requests > 1 && head.is_upload() {
                return Ok(());
            }
            self.request(stream, &head)?;
            if self.manner.ending == Ending::AfterAnswer {
                return Ok(());
            }
        }
    }

    fn head(&self, stream: &mut dyn Wire, tunnel: Option<&str>) -> io::Result<Head> {
        let mut bytes = Vec::new();
        // Byte for byte: whatever follows belongs to somebody else.
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            bytes.push(byte[0]);
        }
        let head = Head::read(String::from_utf8(bytes).unwrap(), tunnel.map(str::to_owned));
        self.heads.lock().unwrap().push(head.clone());
        Ok(head)
    }

    fn request(&self, stream: &mut dyn Wire, head: &Head) -> io::Result<()> {
        let mut body = vec![0; head.header("content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        match (self.act)(head) {
            Act::Pass => say(stream, &self.ask(head, head.path(), &body)?),
            Act::Elsewhere(path) => say(stream, &self.ask(head, &path, &body)?),
            Act::Change(change) => say(stream, &change(self.ask(head, head.path(), &body)?)),
            Act::Say(answer) => say(stream, &answer),
        }
    }

    /// The emulator's answer.
    fn ask(&self, head: &Head, path: &str, body: &[u8]) -> io::Result<Answer> {
        let mut upstream = TcpStream::connect(self.upstream)?;
        let mut request = format!("{} {path} HTTP/1.1\r\nconnection: close\r\n", head.method);
        for line in head.text.lines().skip(1).filter(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap();
            if !["connection", "proxy-authorization"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
                write!(request, "{line}\r\n").unwrap();
            }
        }
        upstream.write_all(format!("{request}\r\n").as_bytes())?;
        // An early answer may close it.
        let _ = upstream.write_all(body);
        let mut reply = Vec::new();
        upstream.read_to_end(&mut reply)?;
        let end = reply.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8(reply[..end].to_vec()).map_err(|_| io::ErrorKind::InvalidData)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let framing = ["connection", "content-length", "transfer-encoding"];
        let headers = head.lines().skip(1).filter(|line| !framing.iter().any(|name| line.starts_with(name)));
        Ok(Answer {
            headers: headers.map(str::to_owned).collect(),
            body: reply.split_off(end + 4),
            ..Answer::new(status, "")
        })
    }
}

fn secured(stream: TcpStream, config: &Arc<ServerConfig>) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

fn say(stream: &mut dyn Wire, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for line in &answer.headers {
        write!(head, "{line}\r\n").unwrap();
    }
    write!(head, "content-length: {}\r\n\r\n", answer.announced.unwrap_or(answer.body.len())).unwrap();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body)?;
    stream.flush()?;
    // What was announced and does not come ends with the connection.
    if answer.announced.is_some() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
}
