//! The other side: what Adobe has, what it says, and what goes wrong on the way. Its ledger is what the promises are
//! held against.

mod whose;

use super::accidents::{Fate, Ill, ListFault, UploadFault};
use super::script::{Chance, Renames};
use crate::adobe::tests::stand_in::{Call, Came};
use crate::clock::Moment;
use crate::job::{JobId, Sha256, Timestamp};
use crate::testing::reach::{Family, asked, mark};
use reqwest::Url;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A remote job: a line of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) name: String,
    /// What it was made of; `None` for a job of others.
    pub(super) sha256: Option<Sha256>,
    /// Whose attempt brought it.
    pub(super) owner: Option<JobId>,
    /// The job log that knew of it is lost: a machine was set back since.
    pub(super) is_forgotten: bool,
    rows: i64,
    pub(super) created: Moment,
    listed_from: Moment,
    done_at: Moment,
    fate: Option<Fate>,
}

/// An upload that began before the latest was answered was created this much before it at the earliest.
const LONGEST_UPLOAD: Duration = Duration::from_secs(120);
/// Number of remote jobs from which on no more come to shift the pages.
const SHIFTED: usize = 300;

/// An upload that arrived whole.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    pub(super) sha256: Sha256,
    /// It is, or will be, in the ledger.
    pub(super) taken: bool,
}

#[derive(Debug)]
struct ToTake {
    at: Moment,
    arrived: Arrived,
    owner: Option<JobId>,
    is_forgotten: bool,
    fate: Option<Fate>,
    id: i64,
}

/// What the server is made of.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) now: Moment,
    pub(super) ledger: Vec<Entry>,
    to_take: Vec<ToTake>,
    /// Not yet looked at by the one who checks.
    pub(super) arrived: Vec<Arrived>,
    pub(super) uploads: VecDeque<UploadFault>,
    pub(super) lists: VecDeque<ListFault>,
    pub(super) fates: VecDeque<Fate>,
    pub(super) outage: Option<(Moment, ListFault)>,
    pub(super) requests: u64,
    pub(super) chance: Chance,
    page: usize,
    server_at_start: i64,
    short_keys: bool,
    oldest_first: bool,
    renames: Renames,
    tells_dates: bool,
    next_id: i64,
    /// Remote jobs that the job log knows for jobs of its own.
    pub(super) known: BTreeSet<i64>,
    /// The one that the job log had last by an answer.
    pub(super) latest_accepted: Option<i64>,
    /// When a list first showed a remote job.
    pub(super) shown: BTreeMap<i64, Moment>,
}

impl Remote {
    pub(super) fn new(rules: &super::script::Rules, chance: Chance, wall_at_start: i64) -> Self {
        Self {
            now: Moment::default(),
            ledger: Vec::new(),
            to_take: Vec::new(),
            arrived: Vec::new(),
            uploads: VecDeque::new(),
            lists: VecDeque::new(),
            fates: VecDeque::new(),
            outage: None,
            requests: 0,
            chance,
            page: rules.page,
            server_at_start: wall_at_start + rules.server_ahead,
            short_keys: rules.short_keys,
            oldest_first: rules.oldest_first,
            renames: rules.renames,
            tells_dates: rules.tells_dates,
            next_id: 1000,
            known: BTreeSet::new(),
            latest_accepted: None,
            shown: BTreeMap::new(),
        }
    }

    /// Faults end.
    pub(super) fn heal(&mut self) {
        self.uploads.clear();
        self.lists.clear();
        self.fates.clear();
        self.outage = None;
    }

    /// Time has come to here: what was delayed is taken.
    pub(super) fn come_to(&mut self, now: Moment) {
        self.now = now;
        let (due, later) = std::mem::take(&mut self.to_take).into_iter().partition(|take: &ToTake| take.at <= now);
        self.to_take = later;
        for take in due {
            self.take(take);
        }
    }

    pub(super) fn next_take(&self) -> Option<Moment> {
        self.to_take.iter().map(|take| take.at).min()
    }

    fn take(&mut self, take: ToTake) {
        let rows = rows_of(&take.arrived);
        let late = if let Some(Fate::Late(late)) = take.fate { late } else { Duration::ZERO };
        let slow = if let Some(Fate::Slow(slow)) = take.fate { slow } else { Duration::from_secs(5) };
        self.ledger.push(Entry {
            id: take.id,
            name: take.arrived.name,
            sha256: Some(take.arrived.sha256),
            owner: take.owner,
            is_forgotten: take.is_forgotten,
            rows,
            created: take.at,
            listed_from: take.at.after(late),
            done_at: take.at.after(slow),
            fate: take.fate,
        });
    }

    /// Somebody else's job.
    pub(super) fn other(&mut self, name: &str, rows: i64) {
        let id = self.take_id();
        self.ledger.push(Entry {
            id,
            name: name.to_owned(),
            sha256: None,
            owner: None,
            is_forgotten: false,
            rows,
            created: self.now,
            listed_from: self.now,
            done_at: self.now.after(Duration::from_secs(5)),
            fate: None,
        });
    }

    fn take_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn server_time(&self, at: Moment) -> Timestamp {
        Timestamp(self.server_at_start + i64::try_from(at.0.as_millis()).unwrap())
    }

    /// How long the answer takes, and what it is.
    pub(super) fn ask(&mut self, call: Call) -> (Moment, Came) {
        self.requests += 1;
        let wait = self.chance.millis(5, 900);
        let at = self.now.after(wait);
        match call {
            Call::Begin => match self.uploads.front() {
                Some(&fault @ UploadFault::Early(ill)) => {
                    self.uploads.pop_front();
                    fault.is_met();
                    self.ill(ill, at)
                }
                Some(_) | None => (self.now.after(wait / 4), Came::Nothing),
            },
            Call::Whole { wire_name, content } => self.whole(wire_name, content, at),
            Call::Get(url) => self.get(&url, at),
        }
    }

    fn ill(&mut self, ill: Ill, at: Moment) -> (Moment, Came) {
        let server_time = self.server_time(at);
        let answer = |status, retry_after, body: String| (at, Came::Answer { status, retry_after, body, server_time });
        match ill {
            Ill::NotConnected => (at, Came::NotConnected),
            Ill::Broken => (at, Came::Broken),
            Ill::Silence => (self.now.after(Duration::from_secs(60)), Came::Silence),
            Ill::Gateway(status, wait) => {
                answer(status, wait, json!({"error_code": format!("{status}001"), "message": "no"}).to_string())
            }
            Ill::Service(status) => {
                answer(status, None, json!({"errorCode": "bad", "errorDescription": "no"}).to_string())
            }
            Ill::Page(status) => answer(status, None, "<html>".to_owned()),
            Ill::Garbage => answer(200, None, "<html>".to_owned()),
            Ill::NoId => answer(200, None, "{\"result\":\"ok\"}".to_owned()),
            Ill::WrongId => {
                let id = self.known.last().copied().unwrap_or_default();
                answer(200, None, json!({"Job ID": id, "Filename": "x"}).to_string())
            }
            Ill::TooEarly => answer(200, None, json!({"Job ID": 7, "Filename": "x"}).to_string()),
        }
    }

    fn whole(&mut self, name: String, content: Vec<u8>, at: Moment) -> (Moment, Came) {
        let sha256 = Sha256::new(sha2::Sha256::digest(&content).into());
        let fault = self.uploads.pop_front();
        let mut taken_at = self.now;
        let answer = match fault {
            // It was meant for the start of an upload, and this one had begun by then.
            Some(early @ UploadFault::Early(_)) => {
                self.uploads.push_front(early);
                None
            }
            // A job that datadrop knows to be another's. A wrong job that it has never seen cannot be detected.
            Some(UploadFault::Refused(Ill::WrongId) | UploadFault::Taken(Ill::WrongId)) if self.known.is_empty() => {
                None
            }
            Some(UploadFault::Refused(ill)) => {
                UploadFault::Refused(ill).is_met();
                self.arrived.push(Arrived { name, content, sha256, taken: false });
                return self.ill(ill, at);
            }
            Some(UploadFault::Taken(ill)) => {
                UploadFault::Taken(ill).is_met();
                Some(self.ill(ill, at))
            }
            Some(UploadFault::TakenLater(later)) => {
                UploadFault::TakenLater(later).is_met();
                taken_at = self.now.after(later);
                Some((at, Came::Broken))
            }
            None => None,
        };
        let fate = self.fates.pop_front().map(|fate| match (fate, answer.is_some()) {
            // Both together would be later than any list is waited for.
            (Fate::Late(_), true) if taken_at > self.now => Fate::Slow(Duration::from_secs(1)),
            (fate, _) => fate,
        });
        if let Some(fate) = fate {
            mark(Family::Fate, fate.words(), "");
        }
        let id = self.take_id();
        let arrived = Arrived { name: name.clone(), content, sha256, taken: true };
        self.arrived.push(arrived.clone());
        let take = ToTake { at: taken_at, arrived, owner: None, is_forgotten: false, fate, id };
        if taken_at <= self.now {
            self.take(take);
        } else {
            self.to_take.push(take);
        }
        answer.unwrap_or_else(|| {
            let body = json!({"Job ID": id, "Filename": name, "Status of the job": "uploaded"}).to_string();
            (at, Came::Answer { status: 200, retry_after: None, body, server_time: self.server_time(at) })
        })
    }

    fn get(&mut self, url: &Url, at: Moment) -> (Moment, Came) {
        let asks = asked();
        let fault = match self.outage {
            Some((until, fault)) if self.now < until => Some(fault),
            Some(_) | None => self.lists.pop_front(),
        };
        let (mut unreadable, mut ends_before) = (false, None);
        match fault {
            Some(ListFault::Ill(ill)) => {
                ListFault::Ill(ill).is_met(asks);
                return self.ill(ill, at);
            }
            Some(fault @ ListFault::Unreadable) => {
                fault.is_met(asks);
                unreadable = true;
            }
            Some(fault @ ListFault::Shift) => {
                fault.is_met(asks);
                // Faster than anybody reads, and no list would ever have an end.
                if self.ledger.len() < SHIFTED {
                    self.other("z.txt", 1);
                }
            }
            Some(fault @ ListFault::Behind) => {
                let latest = self.ledger.iter().find(|entry| Some(entry.id) == self.latest_accepted);
                ends_before = latest.map(|latest| Moment(latest.created.since(Moment(LONGEST_UPLOAD))));
                if ends_before.is_some() {
                    fault.is_met(asks);
                }
            }
            None => {}
        }
        let server_time = self.server_time(at);
        let single = url.path_segments().and_then(|mut path| path.next_back()).and_then(|id| id.parse::<i64>().ok());
        // The last part is the data source unless it is a job.
        let is_single = url.query().is_none();
        if let Some(id) = single.filter(|_| is_single) {
            let found = self.ledger.iter().find(|entry| entry.id == id).map(|entry| self.spell(entry));
            return match found {
                Some(job) => (at, Came::Answer { status: 200, retry_after: None, body: job.to_string(), server_time }),
                None => self.ill(Ill::Page(404), at),
            };
        }
        let body = self.list(url, unreadable, ends_before);
        for job in body["jobs"].as_array().into_iter().flatten() {
            if let Some(id) = job["job_id"].as_i64().or_else(|| job["Job ID"].as_i64()) {
                self.shown.entry(id).or_insert(at);
            }
        }
        (at, Came::Answer { status: 200, retry_after: None, body: body.to_string(), server_time })
    }

    fn list(&self, url: &Url, unreadable: bool, ends_before: Option<Moment>) -> Value {
        let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let date = |text: String| -> i64 {
            // In seconds, UTC.
            format!("{}Z", text.replace(' ', "T")).parse::<jiff::Timestamp>().unwrap().as_millisecond()
        };
        let from = query("start_date").map_or(i64::MIN, date);
        let to = query("end_date").map_or(i64::MAX, date);
        let page: usize = query("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let mut jobs: Vec<&Entry> = self
            .ledger
            .iter()
            .filter(|entry| entry.listed_from <= self.now && ends_before.is_none_or(|end| entry.created < end))
            .filter(|entry| (from..=to).contains(&(self.server_time(entry.created).0 / 1000 * 1000)))
            .collect();
        jobs.sort_by_key(|entry| if self.oldest_first { entry.id } else { -entry.id });
        let pages = jobs.len().div_ceil(self.page);
        let mut listed: Vec<Value> =
            jobs.into_iter().skip((page - 1) * self.page).take(self.page).map(|entry| self.spell(entry)).collect();
        if unreadable {
            listed.push(json!({"Filename": "odd"}));
        }
        if self.short_keys && listed.is_empty() && page > pages {
            return json!({"jobs": null, "page": page, "total_pages": pages});
        }
        json!({"jobs": listed, "page": page, "total_pages": pages})
    }

    /// What the server makes of the name.
    pub(super) fn shown_name(&self, entry: &Entry) -> String {
        match self.renames {
            Renames::Never => entry.name.clone(),
            Renames::Capitals => entry.name.to_uppercase(),
            Renames::As(way) => way.shown(&entry.name),
            Renames::Beyond => format!("{:x}.dat", entry.id * 7919),
        }
    }

    fn spell(&self, entry: &Entry) -> Value {
        let done = entry.done_at <= self.now;
        let (status, rows) = match (entry.fate, done) {
            (Some(Fate::OddWord), false) => ("cache", None),
            (Some(Fate::Deleted), _) => ("deleted", None),
            (_, false) => ("processing", None),
            (Some(Fate::Fails), true) => ("failure", Some(0)),
            (Some(Fate::LostRows), true) => ("success", Some(entry.rows.saturating_sub(1).max(0))),
            // Neither its rows nor its name match ours, so it could not be recognised.
            (Some(Fate::ExtraRows), true) if self.renames == Renames::Beyond => ("success", Some(entry.rows)),
            (Some(Fate::ExtraRows), true) => ("success", Some(entry.rows + 1)),
            (_, true) => ("success", Some(entry.rows)),
        };
        let name = self.shown_name(entry);
        let created = self.tells_dates.then(|| crate::adobe::guide_date(self.server_time(entry.created)));
        if self.short_keys {
            json!({"filename": name, "job_id": entry.id, "status": status, "rows": rows, "uploaded_date": created})
        } else {
            json!({"Filename": name, "Job ID": entry.id, "Status of the job": status,
                   "The number of rows successfully processed": rows, "Date the job was created": created})
        }
    }
}

/// Adobe's way of counting: lines, less the one with the names of the columns and the comments.
fn rows_of(arrived: &Arrived) -> i64 {
    let mut counter = crate::job::RowCounter::default();
    counter.update(&arrived.content);
    if arrived.name.contains(".fin") { 0 } else { i64::try_from(counter.finish()).unwrap() }
}
