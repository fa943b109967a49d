//! The uploader that a programmer writes in an afternoon: inotify, concurrent requests, and memory or one table.
//!
//! It does less than datadrop on purpose: no check, no hash, no retry, no tracking, no filing.

use super::group_commit::Table;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use clap::Parser;
use http_body::{Body, Frame, SizeHint};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// Read at once; divisible by 3, so that base64 needs no padding within a file.
const CHUNK: u64 = 3 * 128 * 1024;
/// Files that share the commit of their first step at most.
const GROUP: usize = 512;

#[derive(Parser)]
pub struct Options {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    url: String,
    /// As datadrop's `upload.style`.
    #[arg(long)]
    style: String,
    #[arg(long)]
    in_flight: usize,
    /// Keep a table in this folder.
    #[arg(long)]
    table: Option<PathBuf>,
    /// Pause of each worker after each file: a rate limit.
    #[arg(long)]
    pause_ms: Option<u64>,
}

#[tokio::main]
pub async fn run(options: Options) {
    let options = Arc::new(options);
    let table = options.table.as_deref().map(Table::open);
    let (found, mut seen) = mpsc::unbounded_channel();
    let from_events = found.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = event.unwrap();
        let (closed, moved) =
            (AccessKind::Close(AccessMode::Write), EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        if event.kind == EventKind::Access(closed) || event.kind == moved {
            event.paths.into_iter().for_each(|path| from_events.send(path).unwrap());
        }
    })
    .unwrap();
    watcher.watch(&options.folder, RecursiveMode::NonRecursive).unwrap();
    for entry in fs::read_dir(&options.folder).unwrap() {
        found.send(entry.unwrap().path()).unwrap();
    }
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).unwrap();

    let (ready, work) = mpsc::unbounded_channel::<PathBuf>();
    let work = Arc::new(Mutex::new(work));
    let client = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
    for _ in 0..options.in_flight {
        let (options, table, work, client) = (options.clone(), table.clone(), work.clone(), client.clone());
        tokio::spawn(async move {
            loop {
                let Some(path) = work.lock().await.recv().await else { return };
                if let Some(table) = &table {
                    table.note(vec![name_of(&path)], "uploading").await;
                }
                send(&client, &options, &path).await;
                if let Some(table) = &table {
                    table.note(vec![name_of(&path)], "uploaded").await;
                }
                if let Some(pause) = options.pause_ms {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        });
    }

    let (mut known, mut group) = (HashSet::new(), Vec::new());
    while seen.recv_many(&mut group, GROUP).await > 0 {
        group.retain(|path| known.insert(name_of(path)));
        if let Some(table) = &table {
            table.note(group.iter().map(|path| name_of(path)).collect(), "queued").await;
        }
        group.drain(..).for_each(|path| ready.send(path).unwrap());
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The request of datadrop, byte for byte but for the boundary.
async fn send(client: &reqwest::Client, options: &Options, path: &Path) {
    let name = name_of(path);
    let mut file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let is_json = options.style == "put-json";
    let (method, kind, prefix, tail, content) = if is_json {
        let prefix = format!(r#"{{"contentType":"text/plain","originalFilename":"{name}","name":"file","bytes":[""#);
        let tail = format!(
            r#""],"empty":false,"resource":{{"file":"","uri":"","url":"","description":"{name}","readable":true,"filename":"{name}","open":false,"inputStream":{{}}}},"size":{size},"inputStream":{{}}}}"#
        );
        (reqwest::Method::PUT, "application/json", prefix, tail, size.div_ceil(3) * 4)
    } else {
        let field = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        let prefix = format!("--b\r\n{field}\r\nContent-Type: text/plain\r\n\r\n");
        (reqwest::Method::POST, "multipart/form-data; boundary=b", prefix, "\r\n--b--\r\n".to_owned(), size)
    };
    let left = content + (prefix.len() + tail.len()) as u64;
    let body = if size <= CHUNK {
        let content = read(&mut file, is_json);
        [prefix.as_bytes(), &content, tail.as_bytes()].concat().into()
    } else {
        let (sender, pieces) = mpsc::channel::<Bytes>(4);
        tokio::task::spawn_blocking(move || {
            let content = std::iter::from_fn(|| Some(read(&mut file, is_json)).filter(|piece| !piece.is_empty()));
            let mut all = std::iter::once(prefix.into()).chain(content).chain(std::iter::once(tail.into()));
            all.try_for_each(|piece| sender.blocking_send(piece))
        });
        reqwest::Body::wrap(Pieces { pieces, left })
    };
    let response = client.request(method, &options.url).header("content-type", kind).body(body).send().await.unwrap();
    assert!(response.status().is_success(), "{name}: {response:?}");
    response.bytes().await.unwrap();
}

/// The next chunk as it is sent; empty at the end.
fn read(file: &mut File, is_json: bool) -> Bytes {
    let mut chunk = Vec::with_capacity(usize::try_from(CHUNK).unwrap());
    file.take(CHUNK).read_to_end(&mut chunk).unwrap();
    if is_json { BASE64_STANDARD.encode(chunk).into() } else { chunk.into() }
}

struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
