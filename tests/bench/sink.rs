//! The sink that all contestants deliver to. It answers as much of the Data Sources API as datadrop needs, at little cost.

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The job collection of the one account.
pub const JOBS: &str = "/api/co/datasources/job/suite/1";
/// Jobs on a page of the list, as Adobe has it.
const PAGE: usize = 100;
/// Copies in a long job log have smaller numbers.
const FIRST_ID: usize = 100_000_000;
/// Number of bytes at the start of a body that hold the file's name.
const HEAD: usize = 1024;

/// Accepts every upload and lists what it accepted as `success`.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    accepted: Condvar,
}

/// What happened since the last reset.
#[derive(Default)]
pub struct Book {
    /// Rows that each file has.
    rows: usize,
    jobs: Vec<Job>,
    /// When the head of the first request for a file arrived, by the file's name.
    pub heads: HashMap<String, Instant>,
    /// Uploads and lists.
    pub requests: usize,
    /// Jobs of earlier runs: a server does not begin its numbers again.
    before: usize,
    /// The number of jobs that `wait` waits for: fewer wake no thread.
    wanted: usize,
}

struct Job {
    name: String,
    at: Timestamp,
    over: Instant,
}

impl Sink {
    /// One thread serves everything, so that the other cores are the contestant's.
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/ims/token/v3", post(token))
            .route(JOBS, get(list).put(take).post(take))
            .route("/raw/{name}", put(take))
            .with_state(Arc::clone(&shared));
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        std::thread::spawn(move || runtime.block_on(axum::serve(listener, router).into_future()));
        Self { address, shared }
    }

    /// Forgets everything. Each file of the next run has so many rows.
    pub fn reset(&self, rows: usize) {
        let mut book = self.shared.book.lock().unwrap();
        let before = book.before + book.jobs.len();
        *book = Book { rows, before, ..Book::default() };
    }

    /// Waits until so many files were accepted, each once; returns when the last of them was.
    pub fn wait(&self, files: usize, who: &str) -> Instant {
        let limit = Duration::from_secs(60) + Duration::from_millis(20) * u32::try_from(files).unwrap();
        let mut book = self.shared.book.lock().unwrap();
        book.wanted = files;
        let (book, _) = self.shared.accepted.wait_timeout_while(book, limit, |book| book.jobs.len() < files).unwrap();
        assert_eq!((book.jobs.len(), book.heads.len()), (files, files), "{who}: accepted within {limit:?}, and names");
        book.jobs.last().unwrap().over
    }

    /// Reads the book.
    pub fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.shared.book.lock().unwrap())
    }
}

impl Book {
    fn job(&self, index: usize, status: &str) -> Value {
        let job = &self.jobs[index];
        let date = job.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        json!({ "job_id": FIRST_ID + self.before + index, "status": status, "rows": self.rows, "filename": job.name,
                "uploaded_date": date, "started_processing_date": date, "finished_processing_date": date })
    }
}

async fn token() -> Json<Value> {
    Json(json!({ "access_token": "of-the-benchmark", "token_type": "bearer", "expires_in": 86_399 }))
}

/// A page of all jobs, the newest first.
async fn list(State(shared): State<Arc<Shared>>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let page: usize = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let mut book = shared.book.lock().unwrap();
    book.requests += 1;
    let newest = book.jobs.len().saturating_sub((page - 1) * PAGE);
    let jobs = (newest.saturating_sub(PAGE)..newest).rev().map(|index| book.job(index, "success"));
    Json(json!({ "page": page, "jobs": jobs.collect::<Value>(), "total_pages": book.jobs.len().div_ceil(PAGE) }))
}

/// Reads an upload to its end, and keeps its name.
async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Value>, StatusCode> {
    let head = Instant::now();
    let raw = request.uri().path().strip_prefix("/raw/").map(str::to_owned);
    let (mut body, mut begun) = (request.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data().unwrap_or_default();
        let room = HEAD.saturating_sub(begun.len());
        begun.extend_from_slice(&data[..data.len().min(room)]);
    }
    let name = raw.or_else(|| name_in(&begun)).ok_or(StatusCode::BAD_REQUEST)?;
    let mut book = shared.book.lock().unwrap();
    book.requests += 1;
    book.heads.entry(name.clone()).or_insert(head);
    book.jobs.push(Job { name, at: Timestamp::now(), over: Instant::now() });
    if book.jobs.len() >= book.wanted {
        shared.accepted.notify_all();
    }
    Ok(Json(book.job(book.jobs.len() - 1, "uploaded")))
}

/// The name of the file, as a body of JSON or multipart begins with it.
fn name_in(begun: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(begun);
    let rest = text.split("\"originalFilename\":\"").nth(1).or_else(|| text.split("filename=\"").nth(1))?;
    Some(rest.split('"').next()?.to_owned())
}
