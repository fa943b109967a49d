//! A file of the inbox that somebody renames there keeps its job.

use super::advance::{self, advance};
use super::errors::JobLogError;
use super::filing::part_with;
use super::intake::{AdmitPolicy, take_in, wire_name};
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::{Event, JobId, Kind, Place, State, Timestamp, printable};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

impl JobLog {
    /// Somebody renamed a file in the inbox while it was on its way: it is the same one, and keeps its job.
    #[must_use]
    pub fn renamed(&self, id: JobId, disk_name: OsString, path: PathBuf, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            let mut job = unit.job(id)?;
            if job.place != Place::Inbox {
                return Ok(());
            }
            make_room(unit, &job, &disk_name, now)?;
            let detail = format!("renamed to {} while it was on its way", printable(&disk_name.to_string_lossy()));
            sql::insert_event(unit, id, now, "filed", Some(job.state), job.state, Some(&detail))?;
            job.disk_name.clone_from(&disk_name);
            job.path.clone_from(&path);
            unit.save(&job)?;
            unit.effects.changed = true;
            Ok(())
        })
    }

    /// Somebody renamed a data file in the inbox before an attempt told the server its name, as writers do that begin under
    /// a temporary one: its job continues under the new name. One that is queued passes the rules of the intake again,
    /// because some go by the name. False: the job has gone on meanwhile, or was tried before, and keeps its name.
    #[must_use]
    pub fn renamed_unsent(
        &self,
        policy: AdmitPolicy,
        id: JobId,
        disk_name: OsString,
        random: u32,
        now: Timestamp,
    ) -> Pending<bool> {
        self.call(move |unit| {
            let mut job = unit.job(id)?;
            let rests = match job.state {
                // One that came back or was released is known by what is in its row.
                State::Waiting => job.sha256.is_none() && job.identity.is_none(),
                State::Queued => true,
                State::Uploading(_)
                | State::Unconfirmed
                | State::Held
                | State::Uploaded
                | State::Processing
                | State::Success
                | State::Partial
                | State::Failure
                | State::Rejected
                | State::Cancelled => false,
            };
            if !rests || job.kind == Kind::Fin || job.place != Place::Inbox || job.attempts > 0 {
                return Ok(false);
            }
            make_room(unit, &job, &disk_name, now)?;
            // A marker of the former name waits for a file of that name.
            advance::leave_resting_marker(unit, &mut job, now)?;
            advance::untie(unit, &mut job)?;
            let former = std::mem::replace(&mut job.file_name, disk_name.to_string_lossy().into_owned());
            job.wire_name = wire_name(&policy, &job.file_name, random);
            job.path = Job::path_in(&policy.folder, Place::Inbox, OsStr::new(&disk_name));
            job.disk_name.clone_from(&disk_name);
            let note = format!("renamed from {} before it was sent", printable(&former));
            if job.state == State::Queued {
                advance(unit, &mut job, Event::Returned, Some(note), now)?;
                take_in(unit, policy.duplicates, &mut job, now)?;
            } else {
                sql::insert_event(unit, id, now, "filed", Some(job.state), job.state, Some(&note))?;
                unit.save(&job)?;
            }
            unit.effects.changed = true;
            Ok(true)
        })
    }
}

/// Another file had this name until now.
fn make_room(unit: &mut Unit<'_>, job: &Job, disk_name: &OsStr, now: Timestamp) -> Result<(), JobLogError> {
    match sql::job_in_inbox(unit, &job.account, disk_name)? {
        Some(former) if former.id != job.id => part_with(unit, former, now),
        Some(_) | None => Ok(()),
    }
}
