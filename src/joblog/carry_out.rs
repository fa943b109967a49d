//! Carries out what people want of jobs: the decision, the steps and the answer in one transaction (DESIGN §7).

use super::advance::{self, Reason, advance};
use super::attempts::{AttemptEnd, disputed, end_attempt};
use super::errors::JobLogError;
use super::instructions::{Instruction, InstructionId, Open, open_instruction, open_instructions, standing};
use super::listed::owner_of_remote;
use super::mutes;
use super::ownership::not_of_that_name;
use super::row::Job;
use super::sql;
use super::unit_of_work::{Haste, Unit};
use super::writer::{JobLog, Pending};
use crate::config::WireName;
use crate::job::{
    Cause, Event, FileIdentity, JobId, Kind, Phase, Place, Plan, Program, RemoteJobId, State, Target, Timestamp,
    unique_wire_name,
};
use rusqlite::{Connection, params};
use std::path::PathBuf;

/// The file of a job as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNow {
    /// The job.
    pub job: JobId,
    /// The file; `None` if it is not there.
    pub identity: Option<FileIdentity>,
    /// One that cannot be read is never looked at.
    pub can_be_read: bool,
}

/// What carrying out takes of the configuration, for one account.
#[derive(Debug, Clone)]
pub struct Executor {
    /// The account's name.
    pub account: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Under which name files are sent.
    pub wire_name: WireName,
    /// Where they go.
    pub target: Target,
}

impl JobLog {
    /// Returns the unanswered instructions, oldest first.
    #[must_use]
    pub fn open_instructions(&self) -> Pending<Vec<Open>> {
        self.call(|unit| open_instructions(unit))
    }

    /// Carries out one instruction, unless it was answered meanwhile. `random` is for `wire_name = "unique"`.
    ///
    /// Returns whether it is answered now. It stays open in two cases: while an earlier step still has to move the
    /// job's file, because until that is recorded the file's place is unknown; and while the file must be checked
    /// again, because until then its content is unknown.
    #[must_use]
    pub fn carry_out(
        &self,
        id: InstructionId,
        executors: Vec<Executor>,
        files: Vec<FileNow>,
        random: u32,
        now: Timestamp,
    ) -> Pending<bool> {
        self.call(move |unit| {
            if let Some(words) = mutes::carry_out(unit, id, now)? {
                return answer(unit, id, (true, &words, None), now);
            }
            let Some(instruction) = open_instruction(unit, id)? else { return Ok(true) };
            let mut hand = Hand { unit, files: &files, random, by: &instruction.by, now };
            let (done, words, new_job) = match hand.carry_out(&instruction, &executors)? {
                Came::Done { words, new_job } => (true, words, new_job),
                Came::Refused(why) => (false, why, None),
                Came::Later => return Ok(false),
            };
            answer(unit, id, (done, &words, new_job), now)
        })
    }
}

fn answer(
    connection: &Connection,
    id: InstructionId,
    (done, words, new_job): (bool, &str, Option<JobId>),
    now: Timestamp,
) -> Result<bool, JobLogError> {
    connection
        .prepare_cached(
            "UPDATE instruction SET answered_at = ?2, done = ?3, answer = ?4, new_job_id = ?5 WHERE id = ?1",
        )?
        .execute(params![id.0, now.0, done, words, new_job.map(|id| id.0)])?;
    Ok(true)
}

/// The marker that came to its end with its data file: whatever became of it, the data file that is sent again needs one.
fn marker_of(connection: &Connection, job: &Job) -> Result<Option<Job>, JobLogError> {
    let Some(pair) = job.pair.filter(|_| job.kind == Kind::Data) else { return Ok(None) };
    let marker = sql::job(connection, pair)?;
    Ok((marker.state.is_terminal() && marker.place != Place::Gone).then_some(marker))
}

/// What came of an instruction.
enum Came {
    Done {
        words: String,
        new_job: Option<JobId>,
    },
    Refused(String),
    /// Nothing yet: a move, or a look at the file, comes first.
    Later,
}

impl Came {
    fn done(words: String) -> Self {
        Self::Done { words, new_job: None }
    }
}

/// Carries out one instruction in its transaction.
struct Hand<'a, 'c> {
    unit: &'a mut Unit<'c>,
    files: &'a [FileNow],
    random: u32,
    by: &'a str,
    now: Timestamp,
}

impl Hand<'_, '_> {
    fn carry_out(&mut self, instruction: &Instruction, executors: &[Executor]) -> Result<Came, JobLogError> {
        let Some(job) = sql::job_if_known(self.unit, instruction.job)? else {
            return Ok(Came::Refused(JobLogError::NoSuchJob(instruction.job.0).to_string()));
        };
        let stands = standing(self.unit, &job)?;
        let decided = instruction.verb.decide(&stands);
        #[cfg(test)]
        crate::testing::reach::verb(instruction.verb, &stands, decided.is_ok());
        let plan = match decided {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Came::Refused(refusal.words(&Program::default()))),
        };
        if plan != Plan::AsItIs
            && let Some(seen) = instruction.seen
            && sql::newest_of(self.unit, job.id)? != seen
        {
            return Ok(Came::Refused(format!("it has changed since you looked, and is {} now; look again", job.state)));
        }
        let is_to_be_moved = job.place != Place::Gone && job.place != job.state.place();
        // Its last attempt met another file, or another content: what lies there has no job yet.
        let is_to_be_looked_at = job.place == Place::Inbox
            && job.sha256.is_some()
            && job.identity.is_none()
            && self.files.iter().any(|file| file.job == job.id && file.can_be_read);
        if plan != Plan::AsItIs && (is_to_be_moved || is_to_be_looked_at) {
            return Ok(Came::Later);
        }
        let executor = executors.iter().find(|executor| executor.account == job.account);
        let Some(executor) = executor else {
            return Ok(Came::Refused(format!(
                "its account {} is not in the configuration; put it back first",
                job.account
            )));
        };
        match plan {
            Plan::AsItIs => Ok(Came::done(format!("is {} already", job.state))),
            Plan::Steps(events) => self.take(job, &events),
            Plan::SendAgain => self.send_again(job, executor),
            Plan::Adopt(remote) => self.adopt(job, remote, executor),
        }
    }

    fn file_of(&self, job: JobId) -> Option<FileIdentity> {
        self.files.iter().find(|file| file.job == job).and_then(|file| file.identity)
    }

    fn take(&mut self, mut job: Job, events: &[Event]) -> Result<Came, JobLogError> {
        let before = job.state;
        if job.identity.is_none() && (job.place == Place::Inbox || job.sha256.is_none()) {
            // So that its file is known again after the move that follows, whatever happens in between.
            match self.file_of(job.id) {
                Some(identity) => {
                    job.identity = Some(identity);
                    if job.sha256.is_none() {
                        job.size = Some(identity.size);
                    }
                }
                None => {
                    return Ok(Came::Refused("its file is not there; it is looked for at the next scan".to_owned()));
                }
            }
        }
        for &event in events {
            if event == Event::NotIngested {
                self.break_off(&job)?;
                job = self.unit.job(job.id)?;
                if job.state != State::Queued {
                    // Its file was replaced meanwhile, so that was its end.
                    break;
                }
                continue;
            }
            if event == Event::GivenUp && job.state == State::Uploading(Phase::Committing) {
                self.end_attempt_row(&job)?;
            }
            if matches!(event, Event::Cancelled | Event::GivenUp) && job.kind == Kind::Fin {
                advance::untie(self.unit, &mut job)?;
            }
            // To release what a person put on hold overrules no rule: the rules are checked when it is sent.
            job.released |= event == Event::Released && job.cause != Some(Cause::OnHold);
            let reason = self.reason(&job, event);
            advance(self.unit, &mut job, event, reason, self.now)?;
            if event == Event::Returned && job.kind == Kind::Fin && job.sha256.is_some() {
                // Its data file may have come while it was held.
                advance::match_up(self.unit, &mut job, self.now)?;
            }
        }
        Ok(Came::done(format!("was {before}, is {}", job.state)))
    }

    fn reason(&self, job: &Job, event: Event) -> Reason {
        let by = self.by;
        let words = match event {
            Event::Held => return Reason::of(Cause::OnHold, format!("put on hold by {by}")),
            Event::Cancelled if job.unsettled => Some(format!("cancelled by {by}; it may have been ingested")),
            Event::Cancelled => Some(format!("cancelled by {by}")),
            Event::GivenUp => {
                Some(format!("given up by {by}: it may have been ingested; the remote jobs may still show it"))
            }
            Event::Returned => Some(format!("released by {by}; datadrop checks it again")),
            // It is no reason of what comes next, and stands in the history alone.
            Event::Released => return Reason::noted(format!("released by {by}")),
            Event::Adopted
            | Event::Ready
            | Event::Started
            | Event::Committing
            | Event::NotIngested
            | Event::Unclear
            | Event::Accepted
            | Event::Found
            | Event::NotFound
            | Event::Refused
            | Event::KeptLocal
            | Event::Processing
            | Event::Succeeded
            | Event::FellShort
            | Event::Changed
            | Event::Failed => None,
        };
        words.into()
    }

    /// Ends an attempt before its last bytes: it cannot commit any more, so they never go (DESIGN A3).
    fn break_off(&mut self, job: &Job) -> Result<(), JobLogError> {
        let end = AttemptEnd {
            event: Event::NotIngested,
            reason: Some(format!("its upload was broken off by {}", self.by)),
            again_at: Some(self.now),
            remote: None,
            status: None,
            request_id: None,
            server_time: None,
            blames_account: false,
            file_differs: false,
        };
        end_attempt(self.unit, job.clone(), &end, self.now)?;
        self.unit.effects.taken_back.push((job.id, job.attempts));
        Ok(())
    }

    fn end_attempt_row(&self, job: &Job) -> Result<(), JobLogError> {
        self.unit
            .prepare_cached(
                "UPDATE attempt SET ended_at = ?3, outcome = ?4, detail = ?5 WHERE job_id = ?1 AND number = ?2",
            )?
            .execute(params![
                job.id.0,
                job.attempts,
                self.now.0,
                Event::GivenUp.as_str(),
                format!("given up by {} before its answer came", self.by)
            ])?;
        Ok(())
    }

    /// The file becomes a new job, and its marker another.
    fn send_again(&mut self, job: Job, executor: &Executor) -> Result<Came, JobLogError> {
        let Some(identity) = self.file_of(job.id) else {
            return Ok(Came::Refused(format!("its file is not at {}; drop it again", job.path.display())));
        };
        let marker = marker_of(self.unit, &job)?;
        let again = self.new_job(job, identity, executor)?;
        if let Some(marker) = marker
            && let Some(identity) = self.file_of(marker.id)
        {
            self.new_job(marker, identity, executor)?;
        }
        Ok(Came::Done { words: format!("is sent again as job {again}"), new_job: Some(again) })
    }

    fn new_job(&mut self, mut old: Job, identity: FileIdentity, executor: &Executor) -> Result<JobId, JobLogError> {
        let wire_name = match executor.wire_name {
            WireName::Keep => old.file_name.clone(),
            WireName::Unique => unique_wire_name(&old.file_name, self.random),
        };
        let (place, path) = (old.place, Job::path_in(&executor.folder, old.place, &old.disk_name));
        let (file_name, disk_name) = (old.file_name.clone(), old.disk_name.clone());
        let mut job = Job {
            wire_name,
            place,
            // Where it lies in the inbox, the watcher looks at it as at any other.
            identity: (place != Place::Inbox).then_some(identity),
            size: (place != Place::Inbox).then_some(identity.size),
            retry_of: Some(old.id),
            reason: Some(format!("sent again by {} after job {} ({})", self.by, old.id, old.state)),
            ..Job::seen(&old.account, file_name, disk_name, old.kind, path, self.now)
        };
        self.unit.insert(&mut job)?;
        sql::insert_event(self.unit, job.id, self.now, "seen", None, State::Waiting, job.reason.as_deref())?;
        old.place = Place::Gone;
        if old.kind == Kind::Fin {
            advance::untie(self.unit, &mut old)?;
        }
        let detail = format!("sent again by {} as job {}", self.by, job.id);
        sql::insert_event(self.unit, old.id, self.now, "retried", Some(old.state), old.state, Some(&detail))?;
        self.unit.save(&old)?;
        self.unit.save(&job)?;
        self.unit.effects.note_unfiled(job.account, Haste::AtOnce);
        self.unit.effects.changed = true;
        Ok(job.id)
    }

    fn adopt(&mut self, mut job: Job, remote: RemoteJobId, executor: &Executor) -> Result<Came, JobLogError> {
        let line = sql::line_of_job(self.unit, &job)?;
        if let Some(owner) = owner_of_remote(self.unit, &job.account, line, remote.0)? {
            let is_its_own = disputed(self.unit, &job)? == Some(remote);
            let Some(target_id) = job.target_id.filter(|_| is_its_own) else {
                return Ok(Came::Refused(format!("the remote job {remote} is that of job {owner}")));
            };
            // The server gave this number to this very upload, and a person confirms it: its numbers have started
            // again.
            let anew = sql::begin_line(self.unit, &job.account, target_id)?;
            self.unit
                .prepare_cached("UPDATE account SET line = ?3 WHERE name = ?1 AND line = ?2")?
                .execute(params![job.account, line, anew])?;
        }
        if let Some(why) = not_of_that_name(self.unit, &job, (remote, None))? {
            return Ok(Came::Refused(why));
        }
        job.remote_job_id = Some(remote);
        if job.target_id.is_none() {
            job.target_id = Some(sql::target_id(self.unit, &executor.target)?);
        }
        let reason = Some(format!("taken for the remote job {remote} by {}", self.by));
        advance(self.unit, &mut job, Event::Adopted, reason, self.now)?;
        Ok(Came::done(format!("was held, is {} as remote job {remote}", job.state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::job::Verb;
    use crate::joblog::fixtures::{arrives, opened, target};
    use crate::joblog::instruct;

    #[test]
    fn what_is_wanted_of_a_changed_file_waits_for_a_look_at_it_unless_nobody_can_look() {
        let (dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        log.call(|unit| Ok(unit.execute("UPDATE job SET device = NULL, inode = NULL", [])?)).wait().unwrap();
        let wanted = [Instruction { job, verb: Verb::Cancel { force: false }, by: "ann".to_owned(), seen: None }];
        let id = instruct(dir.path(), &wanted, Timestamp(0)).unwrap()[0];
        let executor =
            Executor { account: "a".to_owned(), folder: "/srv/a".into(), wire_name: WireName::Keep, target: target() };
        let identity = FileIdentity { device: 1, inode: 9, born_ns: 0, size: 8, modified_ns: 7 };
        let carry_out = |can_be_read| {
            let files = vec![FileNow { job, identity: Some(identity), can_be_read }];
            log.carry_out(id, vec![executor.clone()], files, 0, Timestamp(1)).wait().unwrap()
        };
        assert!(!carry_out(true));
        assert!(carry_out(false));
        let job = log.call(move |unit| unit.job(job)).wait().unwrap();
        assert_eq!(job.state, State::Cancelled);
        assert!(job.identity.is_some_and(|file| file.is_same_file(&identity)), "the move that follows finds it");
    }

    #[test]
    fn a_job_that_has_changed_since_a_person_looked_is_left_as_it_is() {
        let (dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let reader = log.reader().unwrap();
        let seen = || reader.newest_events(&[job.0]).unwrap().get(&job).copied();
        let executor = Executor {
            account: "a".to_owned(),
            folder: dir.path().to_owned(),
            wire_name: WireName::Keep,
            target: target(),
        };
        let identity = FileIdentity { device: 1, inode: 9, born_ns: 0, size: 8, modified_ns: 7 };
        let told = |verb, seen| {
            let wanted = vec![Instruction { job, verb, by: "ann".to_owned(), seen }];
            let ids = log.instruct(wanted, Timestamp(0)).wait().unwrap();
            let files = vec![FileNow { job, identity: Some(identity), can_be_read: true }];
            assert!(log.carry_out(ids[0], vec![executor.clone()], files, 0, Timestamp(1)).wait().unwrap());
            let answer = reader.answers(&ids).unwrap().remove(0);
            (answer.done, answer.words)
        };
        let first = seen();
        let cancel = Verb::Cancel { force: false };
        assert_eq!(told(Verb::Hold, first), (true, "was queued, is held".to_owned()));
        assert_eq!(told(Verb::Hold, first), (true, "is held already".to_owned()), "that is what was wanted");
        let (done, words) = told(cancel, first);
        assert!(!done && words.contains("has changed since you looked, and is held now"), "{words}");
        let details: Vec<String> =
            reader.life(job).unwrap().unwrap().events.into_iter().filter_map(|event| event.detail).collect();
        assert_eq!(details, ["put on hold by ann"]);
    }
}
