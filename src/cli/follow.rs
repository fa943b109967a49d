//! Following jobs through the job log, with or without a daemon at work on it.

use super::failure::Failure;
use super::interrupt::Stop;
use super::output::{Output, is_unread};
use super::progress_bar::{Moving, Progress};
use super::settings;
use crate::config::{RateLimit, backlog_words};
use crate::job::{JobId, Phase, State};
use crate::joblog::{EventRow, JobFilter, JobRow, OpenError, Reader};
use crate::status::change_line;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(150);
/// A connection that was opened while there was no writer does not notice later writers, so it is renewed when quiet.
const RENEW_AFTER: Duration = Duration::from_secs(2);

/// A connection that hears of changes.
pub(super) struct Follow {
    dir: PathBuf,
    reader: Option<Reader>,
    version: i64,
    changed: Instant,
    stop: Stop,
}

/// Why [`Follow::wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// The job log may have changed.
    Changed,
    /// Somebody wants the command to end.
    Stopped,
    /// The time is over.
    TimeIsOver,
}

impl Follow {
    pub(super) fn new(dir: &Path, stop: Stop) -> Self {
        Self { dir: dir.to_owned(), reader: None, version: 0, changed: Instant::now(), stop }
    }

    /// The job log, or `None` while there is none yet.
    pub(super) fn reader(&mut self) -> Result<Option<&Reader>, Failure> {
        if self.reader.is_none() {
            match Reader::open(&self.dir) {
                Ok(reader) => {
                    // Before anything is read, so that a change in between is not missed.
                    self.version = reader.data_version()?;
                    self.reader = Some(reader);
                }
                Err(OpenError::None(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.reader.as_ref())
    }

    /// Waits for a change; now and then comes back without one.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Result<Wake, Failure> {
        loop {
            if self.stop.is_set() {
                return Ok(Wake::Stopped);
            }
            // Otherwise a quiet job log would keep a command alive whose output has no reader any more.
            if is_unread() {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Wake::TimeIsOver);
            }
            let left = deadline.map_or(LOOK_EVERY, |deadline| deadline.saturating_duration_since(Instant::now()));
            std::thread::sleep(LOOK_EVERY.min(left));
            let version = match &self.reader {
                Some(reader) => reader.data_version()?,
                None => self.version,
            };
            if version != self.version {
                self.version = version;
                self.changed = Instant::now();
                return Ok(Wake::Changed);
            }
            if self.changed.elapsed() >= RENEW_AFTER {
                self.reader = None;
                self.changed = Instant::now();
                return Ok(Wake::Changed);
            }
        }
    }
}

/// A job that somebody waits for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// It is in the job log.
    Job(i64),
    /// A file that is about to be dropped, or was just now.
    File {
        account: String,
        file_name: String,
        /// The newest job of all before that.
        after: i64,
        /// A job of that name which waits for its file to become complete: the drop may be what it waits for.
        waiting: Option<i64>,
    },
}

impl Wanted {
    /// Call it before the file is dropped.
    pub(super) fn file_to_come(follow: &mut Follow, account: &str, file_name: &str) -> Result<Self, Failure> {
        let (mut after, mut waiting) = (0, None);
        if let Some(reader) = follow.reader()? {
            let newest = reader.jobs(&JobFilter { limit: Some(1), ..JobFilter::default() })?;
            after = newest.first().map_or(0, |job| job.id);
            waiting = newest_of(reader, account, file_name)?.filter(|job| job.state == "waiting").map(|job| job.id);
        }
        Ok(Self::File { account: account.to_owned(), file_name: file_name.to_owned(), after, waiting })
    }

    pub(super) fn find(&self, reader: &Reader) -> Result<Option<JobRow>, Failure> {
        match self {
            Self::Job(id) => Ok(reader.job(JobId(*id))?),
            Self::File { account, file_name, after, waiting } => Ok(newest_of(reader, account, file_name)?
                .filter(|job| job.id > *after || waiting.is_some_and(|waiting| job.id >= waiting))),
        }
    }
}

fn newest_of(reader: &Reader, account: &str, file_name: &str) -> Result<Option<JobRow>, Failure> {
    Ok(reader.newest_of_name(account, file_name)?.map(|id| reader.job(id)).transpose()?.flatten())
}

/// Which steps of which jobs were printed already.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<i64, usize>);

impl Told {
    /// The steps of a job that are news: each change of state, and each new reason for the same one.
    pub(super) fn news(&mut self, reader: &Reader, job: &JobRow) -> Result<Vec<EventRow>, Failure> {
        let events = reader.events(JobId(job.id))?;
        let told = self.0.insert(job.id, events.len()).unwrap_or(0);
        // A step within a state, such as `committing`, is for `jobs show`.
        let is_news = |event: &EventRow| is_step(event) || event.event == "filed";
        Ok(events.into_iter().skip(told).filter(is_news).collect())
    }

    /// Leaves out the history of a job up to the step that brought it where it stands.
    pub(super) fn skip_to_latest(&mut self, reader: &Reader, job: &JobRow) -> Result<(), Failure> {
        let events = reader.events(JobId(job.id))?;
        self.0.insert(job.id, events.iter().rposition(is_step).unwrap_or(0));
        Ok(())
    }
}

/// Whether the job moved on with it.
fn is_step(event: &EventRow) -> bool {
    event.from_state.as_ref() != Some(&event.to_state)
}

/// Nothing more will happen automatically.
pub(super) fn has_ended(job: &JobRow) -> bool {
    State::from_words(&job.state, Some(Phase::Started)).is_some_and(|state| state.is_terminal() || state == State::Held)
}

/// How following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Every job is at its end or held.
    Ended { all_success: bool },
    /// Somebody wants the command to end.
    Stopped,
    /// The time is over.
    TimeIsOver,
}

/// Tells each step of these jobs until all are at their end or held: ends to standard output, steps to standard error.
pub(super) fn to_the_end(
    follow: &mut Follow,
    wanted: &[Wanted],
    deadline: Option<Instant>,
    limit: Option<RateLimit>,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let progress = Progress::new(wanted.len());
    let mut told = Told::default();
    let mut ended: Vec<Option<bool>> = vec![None; wanted.len()];
    let mut met = vec![false; wanted.len()];
    loop {
        let mut moving = Vec::new();
        let mut backlog = None;
        if let Some(reader) = follow.reader()? {
            if progress.is_seen() {
                backlog = backlog_of_all(reader, limit)?;
            }
            for (index, wanted) in
                wanted.iter().enumerate().filter(|(index, _)| ended[*index].is_none()).collect::<Vec<_>>()
            {
                let Some(job) = wanted.find(reader)? else { continue };
                if !met[index] && matches!(wanted, Wanted::Job(_)) {
                    told.skip_to_latest(reader, &job)?;
                }
                met[index] = true;
                for event in told.news(reader, &job)? {
                    tell(&progress, &job, &event, output)?;
                }
                if has_ended(&job) {
                    ended[index] = Some(job.state == "success");
                } else {
                    let sent_percent = if progress.is_seen() { reader.sent_percent(JobId(job.id))? } else { None };
                    moving.push(Moving { job, sent_percent });
                }
            }
        }
        progress.show(ended.iter().flatten().count(), &moving, backlog.as_deref());
        if ended.iter().all(Option::is_some) {
            return Ok(Ending::Ended { all_success: ended.iter().flatten().all(|success| *success) });
        }
        match follow.wait(deadline)? {
            Wake::Changed => {}
            Wake::Stopped => return Ok(Ending::Stopped),
            Wake::TimeIsOver => return Ok(Ending::TimeIsOver),
        }
    }
}

/// What is ready to be sent and how long that takes; files of all accounts share the rate limit.
fn backlog_of_all(reader: &Reader, limit: Option<RateLimit>) -> Result<Option<String>, Failure> {
    let queued = reader.counts_unfinished()?.into_iter().filter(|count| count.state == "queued");
    let files: i64 = queued.map(|count| count.jobs).sum();
    Ok((files > 1).then(|| format!("queued: {}", backlog_words(files.cast_unsigned(), limit))))
}

fn tell(progress: &Progress, job: &JobRow, event: &EventRow, output: &mut Output) -> Result<(), Failure> {
    let is_end = event.to_state == job.state && has_ended(job);
    // On a terminal the bar says where a job stands; a line is worth its place only when the job ends.
    if !is_end && progress.is_seen() {
        return Ok(());
    }
    let line = change_line(job, &event.at, &event.to_state, event.detail.as_deref(), 32, &settings::here());
    progress.aside(|| if is_end { output.words_line(&line) } else { output.note(&line) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Duplicates, WireName};
    use crate::job::Kind;
    use crate::joblog::{AdmitPolicy, Arrival, Verdict};
    use crate::joblog::{JobLog, StateLock};

    #[test]
    fn a_job_log_that_comes_later_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut follow = Follow::new(dir.path(), Stop::default());
        assert!(follow.reader().unwrap().is_none());
        let wanted = Wanted::file_to_come(&mut follow, "callcentre", "sales.txt").unwrap();
        let log = JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
        let reader = follow.reader().unwrap().unwrap();
        assert!(wanted.find(reader).unwrap().is_none());
        log.scanned("callcentre".to_owned(), 0, crate::job::Timestamp(0)).wait().unwrap();
        let policy = AdmitPolicy {
            account: "callcentre".to_owned(),
            folder: dir.path().to_owned(),
            duplicates: Duplicates::Hold,
            wire_name: WireName::Keep,
        };
        let arrival = Arrival {
            disk_name: "sales.txt".into(),
            kind: Kind::Data,
            verdict: Verdict::Waiting("still written".to_owned(), None),
            random: 0,
        };
        log.admit(policy, vec![arrival], crate::job::Timestamp(0)).wait().unwrap();
        assert_eq!(follow.wait(Some(Instant::now() + Duration::from_mins(1))).unwrap(), Wake::Changed);
        assert_eq!(follow.wait(Some(Instant::now())).unwrap(), Wake::TimeIsOver);
    }
}
