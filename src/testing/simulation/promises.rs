//! The promises of DESIGN §3, held against the server's ledger, the folder and the job log.

use super::droppers::{Complete, People, hash};
use super::other_side::{Arrived, Entry, Remote};
use super::process::ACCOUNT;
use super::story::Broken;
use crate::clock::Moment;
use crate::config::Duplicates;
use crate::folder::directory::identity_at;
use crate::job::{FileIdentity, JobId, Kind, Likeness, Phase, Place, RemoteJobId, Sha256, State, stem};
use crate::joblog::{Job, JobLogError, Reader};
use std::collections::BTreeMap;
use std::fs;

pub(super) type Checked = Result<(), Broken>;

pub(super) fn broken<T>(promise: &'static str, how: String) -> Result<T, Broken> {
    Err(Broken { promise, how })
}

fn told(job: &Job) -> String {
    let reason = job.reason.as_deref().unwrap_or("no reason");
    format!("job {} ({}, sent as {}) is {}: {reason}", job.id, job.file_name, job.wire_name, job.state)
}

/// What is remembered from one look at the job log to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Checker {
    births_are_known: bool,
    ends: BTreeMap<JobId, State>,
    /// When the first attempt of a job began.
    began: BTreeMap<JobId, Moment>,
    /// Which file an attempt began with.
    sent: BTreeMap<JobId, FileIdentity>,
    pub(super) last: Vec<(JobId, State, Place)>,
}

impl Checker {
    /// `births_are_known`: a file is known by its inode and the time of its birth.
    pub(super) fn new(births_are_known: bool) -> Self {
        Self { births_are_known, ..Self::default() }
    }

    /// After each step that wrote to the job log. True: something changed.
    pub(super) fn job_log(&mut self, jobs: &[Job], remote: &Remote, now: Moment) -> Result<bool, Broken> {
        let mut on_the_wire: BTreeMap<&str, &Job> = BTreeMap::new();
        for job in jobs {
            // A file that is changed after it was sent makes a success partial, until a day after (F2).
            let fell_short =
                |end: &State| *end == State::Success && job.state == State::Partial && job.changed.is_some();
            if let Some(end) = self.ends.get(&job.id).filter(|end| **end != job.state && !fell_short(end)) {
                return broken("nothing leaves a terminal state", format!("it was {end}, and now {}", told(job)));
            }
            if job.state.is_terminal() {
                self.ends.insert(job.id, job.state);
            }
            if job.attempts > 0 {
                self.began.entry(job.id).or_insert(now);
            }
            if matches!(job.state, State::Uploading(_) | State::Unconfirmed)
                && let Some(other) = on_the_wire.insert(&job.wire_name, job)
            {
                return broken("one upload of a wire name at a time (A4)", format!("{}; {}", told(other), told(job)));
            }
            let needs_reason = matches!(
                job.state,
                State::Held | State::Waiting | State::Partial | State::Failure | State::Rejected | State::Cancelled
            );
            if needs_reason && job.reason.as_deref().is_none_or(str::is_empty) {
                return broken("never silent: whatever rests has a reason", told(job));
            }
            self.stays_that_file(job)?;
            self.accepted(job, jobs, remote)?;
        }
        let stand = jobs.iter().map(|job| (job.id, job.state, job.place)).collect();
        let changed = self.last != stand;
        self.last = stand;
        Ok(changed)
    }

    /// Another file under the name of one that is or was sent is not taken for it, though it hold the same bytes (F2, F7).
    fn stays_that_file(&mut self, job: &Job) -> Checked {
        if job.state == State::Queued {
            // Nothing of it was sent (A3), also where the file that lies there now has yet to be looked at.
            self.sent.remove(&job.id);
        }
        let Some(identity) = job.identity else { return Ok(()) };
        if job.state == State::Uploading(Phase::Started) {
            self.sent.entry(job.id).or_insert(identity);
        }
        match self.sent.get(&job.id) {
            // Births within one tick of the clock are the same, and tell no more than none.
            Some(sent) if self.births_are_known && sent.is_surely_another(&identity) => broken(
                "another file of the same bytes is a file of its own (F2, F7)",
                format!("{} was sent as {sent:?}, and is now {identity:?}", told(job)),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// They are others by now, that hold the same: a copied folder has no births that are worth anything.
    pub(super) fn forget_births(&mut self) {
        self.births_are_known = false;
    }

    /// What counts as accepted is in the ledger, and is this job's file.
    fn accepted(&self, job: &Job, jobs: &[Job], remote: &Remote) -> Checked {
        let Some(id) = job.remote_job_id else { return Ok(()) };
        let Some(entry) = remote.ledger.iter().find(|entry| entry.id == id.0) else {
            return broken(
                "accepted means that the API has it",
                format!("{}, and there is no remote job {id}", told(job)),
            );
        };
        // Of what came while a lost job log was kept, names and rows are all that is known.
        if entry.is_forgotten {
            return Ok(());
        }
        if entry.owner == Some(job.id) {
            return if entry.sha256 == job.sha256 {
                Ok(())
            } else {
                broken("what is accepted is the file of the job log", told(job))
            };
        }
        // The job that brought it was given up or held, so it owns nothing (S3), and recovery found its file where it lies.
        let owns_nothing = |brought: &Job| Some(brought.id) == entry.owner && brought.remote_job_id.is_none();
        let is_recovered = job.attempts == 0;
        if is_recovered && entry.sha256 == job.sha256 && jobs.iter().any(owns_nothing) {
            return Ok(());
        }
        // Somebody else sent a file of this name that no list had shown when our attempt began, and no row count gives it
        // away: the one case that cannot be detected (lib.rs, "Limits").
        let after =
            self.began.get(&job.id).is_some_and(|began| remote.shown.get(&entry.id).is_none_or(|at| at >= began));
        if entry.owner.is_none() && entry.sha256.is_none() && after {
            return Ok(());
        }
        broken(
            "only our own remote jobs are adopted (S1, S3)",
            format!("{}, and remote job {id} is {entry:?}", told(job)),
        )
    }

    /// An upload has just arrived whole. The answer: whose it is.
    pub(super) fn arrival(
        arrived: &Arrived,
        jobs: &[Job],
        remote: &Remote,
        people: &People,
        duplicates: Duplicates,
    ) -> Result<JobId, Broken> {
        let of_that_name = |job: &&Job| job.wire_name == arrived.name;
        let senders: Vec<&Job> =
            jobs.iter().filter(of_that_name).filter(|job| job.state == State::Uploading(Phase::Committing)).collect();
        // Given up by a person after `committing`: its last bytes may still arrive.
        let given_up = || {
            let given_up = |job: &&Job| job.state == State::Cancelled && job.unsettled;
            jobs.iter().filter(of_that_name).filter(given_up).find(|job| job.sha256 == Some(arrived.sha256))
        };
        let job = match senders.as_slice() {
            [job] if job.sha256 == Some(arrived.sha256) => job,
            other => match given_up().or(other.first().copied()) {
                Some(job) if other.len() < 2 => job,
                Some(_) | None => {
                    return broken(
                        "`committing` is durable before the last bytes go (A2)",
                        format!("{} arrived, and these jobs may send it: {other:?}", arrived.name),
                    );
                }
            },
        };
        if job.sha256 != Some(arrived.sha256) {
            let text = String::from_utf8_lossy(&arrived.content).into_owned();
            return broken(
                "what is sent is the file of the job log",
                format!("{}, and this was sent: {text}", told(job)),
            );
        }
        if job.kind == Kind::Data && !people.ever_complete.contains_key(&arrived.sha256.to_string()) {
            let text = String::from_utf8_lossy(&arrived.content).into_owned();
            return broken(
                "a file still being written is never sent",
                format!("{}, and this was sent: {text}", told(job)),
            );
        }
        if !arrived.taken || job.released {
            return Ok(job.id);
        }
        if remote.taken_of(job.id) > 0 {
            return broken("no file is accepted twice", format!("{}, and it was taken before", told(job)));
        }
        for (owner, sha256) in remote.taken() {
            let Some(earlier) = jobs.iter().find(|job| job.id == owner) else { continue };
            if forbidden((job, arrived.sha256), (earlier, sha256), duplicates, people) {
                return broken(
                    "no content or data day that `duplicates` forbids is accepted twice",
                    format!("{}; {}", told(earlier), told(job)),
                );
            }
        }
        Ok(job.id)
    }

    /// An attempt has just begun with a file that lay in the folder when the machine was set back. Whether it was sent before
    /// that, only the remote list can tell, and its name in it (DESIGN S5, S6): once the job log has seen that, it must be held.
    /// True: it was sent, and nothing could tell.
    pub(super) fn sent_before(job: &Job, remote: &Remote, reader: &Reader) -> Result<bool, Broken> {
        let unread = |error: JobLogError| Broken { promise: "the job log can be read", how: error.to_string() };
        let was_sent = |entry: &&Entry| {
            entry.is_forgotten && entry.sha256.is_some() && entry.sha256 == job.sha256 && !job.released
        };
        let mut any = false;
        for entry in remote.ledger.iter().filter(was_sent) {
            // Another job that was unconfirmed then found it under its own name: nothing tells whose it was, and S5 is of what no
            // job owns.
            if reader.owner_of_remote(ACCOUNT, entry.id).map_err(unread)?.is_some() {
                continue;
            }
            any = true;
            let shown = remote.shown_name(entry);
            let is_listed = reader.first_listed_after(ACCOUNT, RemoteJobId(entry.id)).map_err(unread)?.is_some();
            let naming = reader.naming(ACCOUNT).map_err(unread)?;
            if is_listed && (shown == job.wire_name || naming.likeness(&job.wire_name, &shown) == Likeness::Same) {
                return broken(
                    "what was sent before the machine was set back is held once a list shows its name (S5)",
                    format!("{}, and remote job {} is {shown}", told(job), entry.id),
                );
            }
        }
        Ok(any)
    }

    /// A marker has just been claimed.
    pub(super) fn marker(marker: &Job, jobs: &[Job], remote: &Remote) -> Checked {
        let data = jobs.iter().find(|job| Some(job.id) == marker.pair);
        let promise = "a marker is sent after its data file was accepted, and only for its newest content";
        let Some(data) = data else { return broken(promise, format!("{} has no data file", told(marker))) };
        let is_recovered = data.reason.as_deref().is_some_and(|reason| reason.starts_with("recovered"));
        let is_known = remote.taken_of(data.id) > 0 || data.remote_job_id.is_some() || is_recovered;
        if !data.state.is_accepted() || !is_known {
            return broken(promise, format!("{}; {}", told(marker), told(data)));
        }
        let stem = crate::job::stem(&data.file_name);
        let newer = jobs.iter().find(|job| {
            job.kind == Kind::Data
                && crate::job::stem(&job.file_name) == stem
                && (matches!(job.state, State::Queued | State::Uploading(_) | State::Unconfirmed)
                    || job.state == State::Waiting && (job.id > data.id || job.identity.is_none()))
        });
        newer.map_or(Ok(()), |newer| broken(promise, format!("{}; {}", told(marker), told(newer))))
    }

    /// Faults are over and time has run on: whatever is left must be where it can rest.
    pub(super) fn at_rest(jobs: &[Job], remote: &Remote, people: &People) -> Checked {
        for job in jobs {
            let rests = job.state.is_terminal() || matches!(job.state, State::Held | State::Waiting);
            if !rests {
                return broken("everything comes to an end or to rest", told(job));
            }
            if job.place != Place::Gone && job.place != job.state.place() {
                return broken(
                    "every file lies where its state wants it",
                    format!("{}, in {:?}", told(job), job.place),
                );
            }
            let taken = remote.taken_of(job.id);
            let adopted_another = job.remote_job_id.is_some_and(|id| {
                let is_it = |entry: &Entry| entry.id == id.0 && (entry.owner.is_none() || entry.is_forgotten);
                remote.ledger.iter().any(is_it)
            });
            let nobody_knows = job.state == State::Held || job.state == State::Cancelled && job.unsettled;
            if taken > 0 && job.remote_job_id.is_none() && !nobody_knows {
                return broken("what the API took is known to be taken", told(job));
            }
            // What was never tried was kept local, recovered or adopted.
            if taken == 0 && job.state.is_accepted() && !adopted_another && job.attempts > 0 {
                return broken("accepted means that the API has it", told(job));
            }
        }
        no_file_vanished(jobs, people)
    }
}

/// Whether `duplicates` forbids a file because of one that was taken.
fn forbidden(
    (job, content): (&Job, Sha256),
    (earlier, taken): (&Job, Sha256),
    duplicates: Duplicates,
    people: &People,
) -> bool {
    let counts = job.kind == Kind::Data
        && earlier.kind == Kind::Data
        && earlier.id != job.id
        // After `failure` or `rejected` it is no duplicate.
        && !matches!(earlier.state, State::Failure | State::Rejected);
    let same = counts && content == taken;
    let day = |content: Sha256| people.ever_complete.get(&content.to_string()).filter(|day| !day.is_empty());
    match duplicates {
        Duplicates::Allow => false,
        Duplicates::Hold => same && earlier.file_name == job.file_name,
        Duplicates::HoldContent => same,
        Duplicates::HoldDays => same || counts && day(content).is_some_and(|its| day(taken) == Some(its)),
    }
}

/// Each complete file that was not removed is somewhere, and the job log knows where and why.
fn no_file_vanished(jobs: &[Job], people: &People) -> Checked {
    let mut lying: Vec<(String, Place, Sha256)> = Vec::new();
    let mut inodes = Vec::new();
    for place in [Place::Inbox].into_iter().chain(Place::SUB_FOLDERS) {
        let dir = if place == Place::Inbox { people.folder.clone() } else { people.folder.join(place.as_str()) };
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_file() && !name.starts_with('.') && path.extension().is_none_or(|extension| extension != "why") {
                lying.push((name, place, hash(&fs::read(&path).unwrap())));
                inodes.push(identity_at(&path).inode);
            }
        }
    }
    let mut unclaimed = lying.clone();
    for Complete { name, sha256 } in people.complete.iter().filter(|complete| !complete.name.starts_with('.')) {
        let Some(index) = unclaimed.iter().position(|(_, _, found)| found == sha256) else {
            return broken("no file vanishes", format!("{name} ({sha256}) is nowhere; there are {lying:?}"));
        };
        unclaimed.remove(index);
    }
    for ((name, place, sha256), inode) in lying.iter().zip(&inodes) {
        // Filed by a job that a lost job log knew: nothing sends it, and `recover` asks for what was accepted alone.
        if people.unknown.contains(&(place.as_str(), name.clone())) {
            continue;
        }
        let is_written_on = people.written_on.contains(&(place.as_str(), name.clone()));
        let changed =
            |job: &Job| job.reason.as_deref().is_some_and(|reason| reason.contains("changed after it was sent"));
        let known = jobs.iter().any(|job| {
            job.place == *place
                && job.disk_name.to_str() == Some(name)
                // What waits or was never read has no hash.
                && (job.sha256.is_none()
                    || job.sha256 == Some(*sha256)
                    || changed(job)
                    // A writer that had it open wrote on after we moved it.
                    || is_written_on
                    || job.identity.is_some_and(|file| file.inode == *inode))
        });
        // Without births, the same bytes under the same name are taken for the same file (lib.rs, "Limits").
        let is_taken_for = |job: &Job| {
            // If the name was taken, it has the number of its job (F1).
            let own = stem(&job.file_name);
            let numbered = format!("{own}.{}", job.id);
            job.sha256 == Some(*sha256) && [own, &numbered].contains(&stem(name))
        };
        if !known && people.births_are_unknown && jobs.iter().any(is_taken_for) {
            continue;
        }
        if !known {
            let jobs: Vec<String> = jobs
                .iter()
                .map(|job| format!("{} in {:?} as {}", told(job), job.place, job.disk_name.display()))
                .collect();
            return broken(
                "the job log knows every file that lies there",
                format!("{name} in {place:?} ({sha256}): {jobs:#?}"),
            );
        }
        let has_why = people.folder.join(place.as_str()).join(format!("{name}.why")).exists();
        if matches!(place, Place::Held | Place::Failed) && !has_why {
            return broken("a .why lies beside each file in held/ and failed/ (F3)", format!("{name} in {place:?}"));
        }
    }
    Ok(())
}
