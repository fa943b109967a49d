//! From the folder into the job log: a file that is ready, that waits, or that can never be sent.

use super::advance::{self, Reason, advance};
use super::day_totals::note_days;
use super::duplicates::{Duplicate, copy_by_name, stands_in_the_way, took_the_place_of};
use super::errors::JobLogError;
use super::filing::{note_of_file, part_with};
use super::noted::record_findings;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::config::{Duplicates, WireName};
use crate::job::{
    Blake3, DataDays, Event, FileFindings, FileIdentity, Fingerprint, JobId, Kind, Place, State, Timestamp,
    unique_wire_name,
};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What an account wants done with the files it takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmitPolicy {
    /// The account's name.
    pub account: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What counts as sent already.
    pub duplicates: Duplicates,
    /// Under which name files are sent.
    pub wire_name: WireName,
}

/// A file of the inbox, looked at.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its name on disk, byte for byte.
    pub disk_name: OsString,
    /// Data file or marker.
    pub kind: Kind,
    /// What became of looking at it.
    pub verdict: Verdict,
    /// For `wire_name = "unique"`.
    pub random: u32,
}

/// What became of looking at a file.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Complete and hashed.
    Ready(Content),
    /// Complete and hashed, but Adobe would fail it and the account wants such files rejected; why.
    Failing(Content, String),
    /// Not ready; why. The file, where it could be looked at.
    Waiting(String, Option<FileIdentity>),
    /// Quiet, but without the marker that the account requires; why, and which file. It may stay like that for ever.
    Unmarked(String, FileIdentity),
    /// Never to be sent; why, and which file, so that no other is filed in its place.
    Rejected(String, Option<FileIdentity>),
}

impl Verdict {
    /// Why the file is not ready, if it may still become so.
    #[must_use]
    pub fn waits_for(&self) -> Option<&str> {
        match self {
            Self::Waiting(reason, _) | Self::Unmarked(reason, _) => Some(reason),
            Self::Ready(_) | Self::Failing(..) | Self::Rejected(..) => None,
        }
    }
}

/// What a complete file holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// The file and its hash.
    pub fingerprint: Fingerprint,
    /// The hash by which an attempt proves that it sends this content.
    pub blake3: Blake3,
    /// Rows by Adobe's way of counting; zero for a marker.
    pub rows_expected: u64,
    /// What the check found, if it was asked and found something.
    pub findings: Option<Box<FileFindings>>,
    /// What its rows report of each day, if it was checked.
    pub days: Option<Box<DataDays>>,
}

/// What the job log made of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The job.
    pub id: JobId,
    /// Where it stands now.
    pub state: State,
    /// Why it stands there, where that needs a reason.
    pub reason: Option<String>,
    /// The job is new, not merely known.
    pub new: bool,
    /// Where the file lay as that of earlier jobs, if a person moved it back.
    pub left: Vec<(Place, OsString)>,
}

impl JobLog {
    /// Takes arrivals in, one transaction for all of them. Idempotent: a file that is known makes no new job.
    #[must_use]
    pub fn admit(&self, policy: AdmitPolicy, arrivals: Vec<Arrival>, now: Timestamp) -> Pending<Vec<Admission>> {
        self.call(move |unit| arrivals.iter().map(|arrival| admit(unit, &policy, arrival, now)).collect())
    }

    /// A file that the job log had in the inbox is not there any more: removed by a person (DESIGN F6).
    ///
    /// What may be on the wire is left alone.
    #[must_use]
    pub fn vanished(&self, ids: Vec<JobId>, now: Timestamp) -> Pending<()> {
        self.leave_unsent(ids, "the file was removed from the folder before it was sent".to_owned(), now)
    }

    /// A file that the job log has in the inbox is ignored from now on, and stays where it is; why.
    ///
    /// What may be on the wire is left alone.
    #[must_use]
    pub fn passed_over(&self, id: JobId, reason: String, now: Timestamp) -> Pending<()> {
        self.leave_unsent(vec![id], reason, now)
    }

    fn leave_unsent(&self, ids: Vec<JobId>, reason: String, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            for &id in &ids {
                let mut job = unit.job(id)?;
                if job.place == Place::Inbox && matches!(job.state, State::Waiting | State::Queued) {
                    job.place = Place::Gone;
                    if job.kind == Kind::Fin {
                        advance::untie(unit, &mut job)?;
                    }
                    advance(unit, &mut job, Event::Cancelled, Some(reason.clone()), now)?;
                }
            }
            Ok(())
        })
    }
}

fn admit(
    unit: &mut Unit<'_>,
    policy: &AdmitPolicy,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<Admission, JobLogError> {
    let known = sql::job_in_inbox(unit, &policy.account, &arrival.disk_name)?;
    let mut job = match known {
        Some(mut known) => match meet(&known, arrival) {
            Meeting::Same => {
                if let Verdict::Ready(content) | Verdict::Failing(content, _) = &arrival.verdict {
                    // Touched, or written again with the same bytes: the job continues with the file as it is now.
                    known.identity = Some(content.fingerprint.identity);
                    unit.save(&known)?;
                    // One whose last attempt met something else can be sent only now.
                    unit.effects.changed = true;
                }
                return Ok(Admission {
                    id: known.id,
                    state: known.state,
                    reason: known.reason,
                    new: false,
                    left: Vec::new(),
                });
            }
            Meeting::GrownUp => known,
            Meeting::Replaced => {
                part_with(unit, known, now)?;
                create(unit, policy, arrival, now)?
            }
        },
        None => create(unit, policy, arrival, now)?,
    };
    let mut left = Vec::new();
    match &arrival.verdict {
        Verdict::Waiting(reason, _) | Verdict::Unmarked(reason, _) => {
            if job.reason.as_deref() != Some(reason) {
                job.reason = Some(reason.clone());
                unit.change(job.id, |row| row.reason = Some(reason.clone()))?;
            }
            tie_if_data(unit, &mut job, now)?;
        }
        Verdict::Rejected(reason, identity) => {
            job.identity = *identity;
            job.size = identity.map(|identity| identity.size);
            if job.kind == Kind::Fin {
                // A rejected marker is none: its data file waits for another, or needs none.
                advance::untie(unit, &mut job)?;
            }
            advance(unit, &mut job, Event::Refused, Some(reason.clone()), now)?;
            tie_if_data(unit, &mut job, now)?;
        }
        Verdict::Ready(content) => {
            note_content(unit, &mut job, content, now)?;
            left = leave_former(unit, &mut job, now)?;
            take_in(unit, policy.duplicates, &mut job, now)?;
        }
        Verdict::Failing(content, reason) => {
            note_content(unit, &mut job, content, now)?;
            left = leave_former(unit, &mut job, now)?;
            advance(unit, &mut job, Event::Refused, Some(reason.clone()), now)?;
            tie_if_data(unit, &mut job, now)?;
        }
    }
    Ok(Admission { id: job.id, state: job.state, reason: job.reason, new: true, left })
}

/// A marker that rests in the inbox belongs to the newest content of its stem, whatever becomes of that.
fn tie_if_data(unit: &mut Unit<'_>, job: &mut Job, now: Timestamp) -> Result<(), JobLogError> {
    if job.kind == Kind::Data { advance::match_up(unit, job, now) } else { Ok(()) }
}

/// How a file in the inbox relates to the job that the job log has under its name.
enum Meeting {
    /// It is that job's file.
    Same,
    /// That job waited for this.
    GrownUp,
    /// Something else lies there now.
    Replaced,
}

fn meet(known: &Job, arrival: &Arrival) -> Meeting {
    if known.state == State::Waiting && known.sha256.is_none() {
        return Meeting::GrownUp;
    }
    match &arrival.verdict {
        // Also where the account did not want such files rejected when this one was taken in.
        Verdict::Ready(content) | Verdict::Failing(content, _) if is_its_file(known, &content.fingerprint) => {
            Meeting::Same
        }
        // Another file lies there, complete or not.
        Verdict::Waiting(_, Some(file)) | Verdict::Unmarked(_, file)
            if known.identity.is_some_and(|known| !known.may_be_same_file(file)) =>
        {
            Meeting::Replaced
        }
        // Its last attempt met something else than was hashed, and that has no marker: it is not what the marker was for.
        Verdict::Unmarked(..) if known.state == State::Queued && known.identity.is_none() => Meeting::Replaced,
        // A file that is being written again says nothing yet; its job cannot be sent meanwhile, the hash forbids it.
        Verdict::Waiting(..) | Verdict::Unmarked(..) => Meeting::Same,
        // A rejected file whose move is still due.
        Verdict::Rejected(..) if known.state == State::Rejected => Meeting::Same,
        Verdict::Ready(_) | Verdict::Failing(..) | Verdict::Rejected(..) => Meeting::Replaced,
    }
}

/// The same bytes in the same file. In another one they were dropped a second time (DESIGN F2, F7); but a marker that has not
/// been sent says the same whichever file it is.
fn is_its_file(known: &Job, found: &Fingerprint) -> bool {
    let rests = known.kind == Kind::Fin && matches!(known.state, State::Waiting | State::Queued);
    let is_same_file = known.identity.is_none_or(|identity| identity.may_be_same_file(&found.identity));
    known.sha256 == Some(found.sha256) && (rests || is_same_file)
}

/// What a person moved back out of `held/` or `failed/` is a new file (DESIGN F3): the job that it was has none any more. The
/// answer: where it lay.
fn leave_former(unit: &mut Unit<'_>, new: &mut Job, now: Timestamp) -> Result<Vec<(Place, OsString)>, JobLogError> {
    let Some(identity) = new.identity else { return Ok(Vec::new()) };
    let mut left = Vec::new();
    for mut former in sql::set_apart(unit, &new.account, &identity)? {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::MovedBack);
        left.push((former.place, former.disk_name.clone()));
        former.place = Place::Gone;
        let note = format!("its file was moved back into the folder, and is job {} now", new.id);
        // One that may have been ingested still keeps its content from being sent unasked.
        if former.state == State::Held && !former.unsettled {
            advance(unit, &mut former, Event::Cancelled, Some(note), now)?;
        } else {
            note_of_file(unit, &mut former, &note, now)?;
            unit.save(&former)?;
        }
    }
    // The marker of the one may have made room for that of the other.
    new.pair = unit.pair_of(new.id)?;
    Ok(left)
}

pub(super) fn wire_name(policy: &AdmitPolicy, file_name: &str, random: u32) -> String {
    match policy.wire_name {
        WireName::Keep => file_name.to_owned(),
        WireName::Unique => unique_wire_name(file_name, random),
    }
}

fn create(unit: &mut Unit<'_>, policy: &AdmitPolicy, arrival: &Arrival, now: Timestamp) -> Result<Job, JobLogError> {
    let file_name = arrival.disk_name.to_string_lossy().into_owned();
    let wire_name = wire_name(policy, &file_name, arrival.random);
    let path = Job::path_in(&policy.folder, Place::Inbox, OsStr::new(&arrival.disk_name));
    let disk_name = arrival.disk_name.clone();
    let mut job = Job { wire_name, ..Job::seen(&policy.account, file_name, disk_name, arrival.kind, path, now) };
    unit.insert(&mut job)?;
    sql::insert_event(unit, job.id, now, "seen", None, State::Waiting, None)?;
    Ok(job)
}

/// What the file holds: from here on the job stands for this content.
fn note_content(unit: &mut Unit<'_>, job: &mut Job, content: &Content, now: Timestamp) -> Result<(), JobLogError> {
    job.identity = Some(content.fingerprint.identity);
    job.size = Some(content.fingerprint.identity.size);
    job.sha256 = Some(content.fingerprint.sha256);
    job.blake3 = Some(content.blake3);
    job.rows_expected = i64::try_from(content.rows_expected).ok();
    if let Some(days) = &content.days {
        note_days(unit, job, days)?;
    }
    match &content.findings {
        Some(findings) => record_findings(unit, job, findings, now),
        None => Ok(()),
    }
}

pub(super) fn take_in(
    unit: &mut Unit<'_>,
    duplicates: Duplicates,
    job: &mut Job,
    now: Timestamp,
) -> Result<(), JobLogError> {
    match job.kind {
        Kind::Data => {
            match stands_in_the_way(unit, job, duplicates)?.or_else(|| copy_by_name(job, duplicates)) {
                // It is asked again when it goes (DESIGN A1), and goes when it is known how the other ended (A4, F7).
                Some(Duplicate { of, .. }) if took_the_place_of(unit, job, of)? => {
                    advance(unit, job, Event::Ready, None, now)?;
                }
                Some(Duplicate { reason, is_unsettled, cause, .. }) => {
                    job.unsettled |= is_unsettled;
                    let keeps_its_marker = advance::leave_marker_to_the_first(unit, job, now)?;
                    advance(unit, job, Event::Held, Reason::new(cause, reason), now)?;
                    if keeps_its_marker {
                        return Ok(());
                    }
                }
                None => advance(unit, job, Event::Ready, None, now)?,
            }
            advance::match_up(unit, job, now)
        }
        Kind::Fin => {
            unit.save(job)?;
            unit.effects.changed = true;
            advance::match_up(unit, job, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joblog::fixtures::{arrives, hash, opened};

    #[test]
    fn a_held_file_that_another_of_its_name_overwrites_is_not_lost_in_silence() {
        let (_dir, log) = opened();
        let arrives = |name, content| arrives(&log, name, content, Duplicates::HoldContent);
        arrives("sales.txt", 1);
        let held = arrives("costs.txt", 1);
        assert_eq!(held.state, State::Held);
        let next = arrives("costs.txt", 2);
        assert_eq!((next.state, next.new), (State::Queued, true));
        let (reason, place, told): (String, String, i64) = log
            .call(move |unit| {
                Ok(unit.query_row(
                    "SELECT reason, place, (SELECT count(*) FROM job_event WHERE job_id = job.id AND event = 'filed')
                     FROM job WHERE id = ?1",
                    [held.id.0],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )?)
            })
            .wait()
            .unwrap();
        assert!(reason.starts_with("duplicate: "), "{reason}");
        assert!(
            reason.ends_with("; another file of this name took its place before it was moved to held/"),
            "{reason}"
        );
        assert_eq!((place.as_str(), told), ("gone", 1));
    }

    /// A file comes, or is met again; its job.
    fn came(log: &JobLog, name: &str, kind: Kind, duplicates: Duplicates, verdict: Verdict) -> JobId {
        let policy =
            AdmitPolicy { account: "a".to_owned(), folder: "/srv/a".into(), duplicates, wire_name: WireName::Keep };
        let arrival = Arrival { disk_name: name.into(), kind, verdict, random: 0 };
        log.admit(policy, vec![arrival], Timestamp(0)).wait().unwrap().remove(0).id
    }

    fn file(inode: u8) -> FileIdentity {
        FileIdentity { device: 1, inode: inode.into(), born_ns: inode.into(), size: 3, modified_ns: 4 }
    }

    fn whole(inode: u8, content: u8) -> Verdict {
        Verdict::Ready(Content {
            fingerprint: Fingerprint { identity: file(inode), sha256: hash(content) },
            blake3: Blake3([content; 32]),
            rows_expected: 1,
            findings: None,
            days: None,
        })
    }

    /// Found by the simulation, seed 653590: a file was moved back out of `held/` whose former marker another had replaced. That
    /// one waited for ever for the new job, which was held and knew nothing of it.
    #[test]
    fn p4_a_marker_that_waited_for_what_is_moved_back_shares_its_fate() {
        let (_dir, log) = opened();
        let came = |name, kind, verdict| came(&log, name, kind, Duplicates::HoldContent, verdict);
        came("first.txt", Kind::Data, whole(1, 1));
        came("sales.fin", Kind::Fin, whole(2, 2));
        let held = came("sales.txt", Kind::Data, whole(3, 1));
        let newer = came("sales.fin", Kind::Fin, whole(4, 2));
        log.call(move |unit| Ok(unit.execute("UPDATE job SET place = 'held' WHERE id = ?1", [held.0])?))
            .wait()
            .unwrap();
        let again = came("sales.txt", Kind::Data, whole(3, 1));
        let (marker, data) = log.call(move |unit| Ok((unit.job(newer)?, unit.job(again)?))).wait().unwrap();
        assert_ne!(again, held);
        assert_eq!((data.state, data.pair), (State::Held, Some(newer)));
        assert_eq!((marker.state, marker.pair), (State::Held, Some(again)), "{:?}", marker.reason);
    }

    /// Found by the simulation, seed 1300201: the newer file waited for the marker, and the marker for the newer file.
    #[test]
    fn p4_a_marker_belongs_to_the_newest_content_though_it_was_tied_before_it_was_taken_in() {
        let (_dir, log) = opened();
        let came = |name, kind, verdict| came(&log, name, kind, Duplicates::Hold, verdict);
        let ready = |inode: u8| whole(inode, inode);
        let waits = |inode| Verdict::Waiting("it is written to".to_owned(), Some(file(inode)));
        came("sales.txt", Kind::Data, waits(1));
        let newer = came("sales.csv", Kind::Data, waits(2));
        let marker = came("sales.fin", Kind::Fin, waits(3));
        came("sales.txt", Kind::Data, ready(1));
        came("sales.fin", Kind::Fin, ready(3));
        let pair = log.call(move |unit| Ok(unit.job(marker)?.pair)).wait().unwrap();
        assert_eq!(pair, Some(newer));
    }
}
