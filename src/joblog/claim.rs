//! Handing out due jobs: each claim is an attempt that is durable before a byte goes (DESIGN A1, A4).

use super::advance::{self, Reason, advance};
use super::data_days::{Allowance, AllowanceLimits, Room, take_room};
use super::due::{Kinds, due_jobs, head_of_line, next_due};
use super::duplicates::{Duplicate, days_in_the_way, stands_in_the_way};
use super::errors::JobLogError;
use super::ownership::{sighting, since_first_attempt, since_seen, unowned_of_name, was_there_first};
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::config::{Duplicates, FinMode, Order};
use crate::job::{Cause, Event, EventId, JobId, Kind, Phase, State, Target, Timestamp, UploadStyle};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::PathBuf;
use std::time::Duration;

/// So far back remote jobs are listed (DESIGN S2): an upload that seemed lost shows within that time, or never.
const SHOWS_LATE: Duration = Duration::from_secs(2 * 24 * 3600);

/// What the job log must know of an account to hand out its jobs.
#[derive(Debug, Clone)]
pub struct AccountRules {
    /// Its name.
    pub name: String,
    /// Its folder, as it is configured now.
    pub folder: PathBuf,
    /// Where its files go.
    pub target: Target,
    /// Which due job starts first.
    pub order: Order,
    /// One after the other.
    pub sequential: bool,
    /// Looked up once more when the attempt begins (DESIGN A1).
    pub duplicates: Duplicates,
    /// What becomes of markers.
    pub fin: FinMode,
    /// The style to try when none was learnt.
    pub style: UploadStyle,
    /// Nothing else is tried, whatever was learnt.
    pub style_is_fixed: bool,
    /// No job waits longer: one that is due later was put off under a clock that was ahead, and is due now.
    pub longest_wait: Duration,
    /// Maximum number of attempts that may begin now.
    pub room: usize,
    /// What Adobe takes of it. `None`: nothing is counted.
    pub limits: Option<AllowanceLimits>,
    /// What it has sent so far of that.
    pub allowance: Option<Allowance>,
}

/// An attempt that has begun: durable, and claimed only once.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The job, `uploading`.
    pub job: Job,
    /// Where it goes.
    pub target: Target,
    /// How the request is shaped.
    pub style: UploadStyle,
    /// The HTTP status of the attempt before.
    pub status_before: Option<u16>,
    /// Whether the account has ever had a file accepted in this style.
    pub style_is_proven: bool,
    /// The API answered a request for the account's list just before, with the same credential.
    pub list_was_read: bool,
    /// What Adobe may make of it, beside what was sent before.
    pub warning: Option<String>,
}

/// Maximum number of files that one claim puts off to another day.
const POSTPONED_AT_ONCE: usize = 500;

/// Time for which a list that was read shows that the account and its credential are right.
const LIST_IS_FRESH: Duration = Duration::from_secs(10 * 60);

/// The answer to a claim.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The attempts that have begun.
    pub claims: Vec<Claim>,
    /// When the next job becomes due automatically.
    pub next_due: Option<Timestamp>,
}

impl JobLog {
    /// Begins attempts for due jobs, at most `limit`, accounts in the order given.
    #[must_use]
    pub fn claim(&self, accounts: Vec<AccountRules>, limit: usize, now: Timestamp) -> Pending<Claimed> {
        self.call(move |unit| {
            let mut claimed = Claimed::default();
            for rules in &accounts {
                let room = rules.room.min(limit - claimed.claims.len());
                if may_send(unit, &rules.name)? {
                    claim_account(unit, rules, room, now, &mut claimed.claims)?;
                    if let Some(due) = next_due(unit, &rules.name, now)? {
                        claimed.next_due = Some(claimed.next_due.map_or(due, |earlier| earlier.min(due)));
                    }
                }
                if claimed.claims.len() == limit {
                    break;
                }
            }
            Ok(claimed)
        })
    }

    /// When the next job of these accounts can begin, were it not for the rate limit: now or later.
    #[must_use]
    pub fn next_due(
        &self,
        accounts: Vec<String>,
        longest_wait: Duration,
        now: Timestamp,
    ) -> Pending<Option<Timestamp>> {
        self.call(move |unit| {
            let mut next = None;
            for account in &accounts {
                if !may_send(unit, account)? {
                    continue;
                }
                if !due_jobs(unit, (account, Kinds::All), false, (now, longest_wait), 1)?.is_empty() {
                    return Ok(Some(now));
                }
                next = [next, next_due(unit, account, now)?].into_iter().flatten().min();
            }
            Ok(next)
        })
    }
}

/// Nothing is sent for a blocked account, nor before its baseline is durable (DESIGN S1).
fn may_send(connection: &Connection, account: &str) -> Result<bool, JobLogError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM account WHERE name = ?1 AND baseline_at IS NOT NULL AND first_scan_at IS NOT NULL
             AND NOT unopened AND NOT list_wanted AND folder_problem IS NULL AND api_problem IS NULL",
        )?
        .query_row([account], |row| row.get::<_, i64>(0))?
        > 0)
}

fn claim_account(
    unit: &mut Unit<'_>,
    rules: &AccountRules,
    room: usize,
    now: Timestamp,
    claims: &mut Vec<Claim>,
) -> Result<(), JobLogError> {
    let by_name = rules.order == Order::Name;
    let (learnt, trial, unclear_streak, proven, list_read_at) = unit
        .prepare_cached(
            "SELECT style, trial_style, unclear_streak, proven_style, list_read_at FROM account WHERE name = ?1",
        )?
        .query_row([&rules.name], |row| {
            Ok((
                row.get::<_, Option<String>>(0)?,
                row.get::<_, Option<String>>(1)?,
                row.get::<_, u32>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get::<_, Option<i64>>(4)?.map(Timestamp),
            ))
        })?;
    let word = |word: &Option<String>| word.as_deref().and_then(UploadStyle::from_word);
    let learnt = word(&learnt).filter(|style| !rules.style_is_fixed || *style == rules.style);
    let trial = word(&trial).filter(|_| !rules.style_is_fixed);
    let style = learnt.or(trial).unwrap_or(rules.style);
    let mut room = room;
    let mut allowance = rules.allowance.clone();
    let mut data_waits = false;
    let mut postponed = 0;
    if unclear_streak >= 3 || learnt.is_none() {
        // An outage must not make a heap of unknowns (DESIGN S4), nor a wrong style a heap of refusals.
        let unclear = if unclear_streak >= 3 { sql::count_in_state(unit, &rules.name, "unconfirmed")? } else { 0 };
        let uploading = sql::count_in_state(unit, &rules.name, "uploading")?;
        #[cfg(test)]
        if unclear_streak >= 3 {
            crate::testing::reach::met(crate::testing::reach::Met::OneAtATime);
        }
        room = room.min(1usize.saturating_sub(uploading + unclear));
    }
    if rules.sequential {
        match head_of_line(unit, &rules.name, by_name)? {
            Some(head) if head.state == State::Queued => room = room.min(1),
            Some(_) | None => room = 0,
        }
    }
    while room > 0 {
        // One wire name at a time (DESIGN A4): each claim changes what is due.
        // A backlog that is too much for today is put off in few steps, each of which leaves others their turn.
        let limit = if postponed > 0 { room.max(POSTPONED_AT_ONCE) } else { room };
        let kinds = if data_waits { Kinds::Markers } else { Kinds::All };
        let batch = due_jobs(unit, (&rules.name, kinds), by_name, (now, rules.longest_wait), limit)?;
        if batch.is_empty() || postponed >= POSTPONED_AT_ONCE {
            return Ok(());
        }
        let target_id = sql::target_id(unit, &rules.target)?;
        let before = claims.len();
        for mut job in batch {
            if room == 0 {
                return Ok(());
            }
            if rules.sequential && head_of_line(unit, &rules.name, by_name)?.is_none_or(|head| head.id != job.id) {
                return Ok(());
            }
            if claims[before..].iter().any(|begun| shares_the_wire(&begun.job, &job)) {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::SharesTheWire);
                continue;
            }
            if job.kind == Kind::Fin && stays_here(unit, rules, &job)? {
                let reason = "local".to_owned();
                advance(unit, &mut job, Event::KeptLocal, Some(reason), now)?;
                continue;
            }
            if let Some(Obstacle { reason, cause, is_duplicate, may_be_ingested }) =
                must_not_be_sent(unit, &job, rules, now)?
            {
                if is_duplicate {
                    #[cfg(test)]
                    crate::testing::reach::met(crate::testing::reach::Met::DuplicateAtClaim);
                    advance::leave_marker_to_the_first(unit, &mut job, now)?;
                }
                job.unsettled |= may_be_ingested;
                advance(unit, &mut job, Event::Held, Reason::new(cause, reason), now)?;
                continue;
            }
            let mut warning = None;
            if let (Some(limits), Some(allowance), Kind::Data) = (&rules.limits, &mut allowance, job.kind) {
                match take_room(unit, &mut job, (limits, allowance), now)? {
                    Room::Enough(said) => warning = said,
                    Room::Tomorrow => {
                        postponed += 1;
                        continue;
                    }
                    // Adobe takes them in turn, so that another would not go sooner. Markers add nothing to what waits, and
                    // what waits may wait for them.
                    Room::Later => {
                        data_waits = true;
                        break;
                    }
                }
            }
            let job = unit.keep(job);
            let mut claim = begin(unit, job, (rules, target_id), style, now)?;
            claim.warning = warning;
            claim.style_is_proven = word(&proven) == Some(style);
            claim.list_was_read = list_read_at.is_some_and(|at| now.since(at) <= LIST_IS_FRESH);
            claims.push(claim);
            room -= 1;
        }
    }
    Ok(())
}

/// What stands in the way of a due job.
struct Obstacle {
    reason: String,
    cause: Option<Cause>,
    /// Another job brought its content, or reports its days.
    is_duplicate: bool,
    /// Its content may be there already.
    may_be_ingested: bool,
}

/// The last look before an attempt, in the transaction that begins it (DESIGN A1, F8).
fn must_not_be_sent(
    connection: &Connection,
    job: &Job,
    rules: &AccountRules,
    now: Timestamp,
) -> Result<Option<Obstacle>, JobLogError> {
    // The release overruled what was known then, and nothing that came to light since.
    let known_since = if job.released { sql::latest_of(connection, job.id, Event::Released)? } else { EventId(0) };
    let duplicate = if !job.released {
        stands_in_the_way(connection, job, rules.duplicates)?
    } else if rules.duplicates == Duplicates::HoldDays && job.kind == Kind::Data {
        // Who released it for another reason was not asked about its days.
        let since = if job.cause == Some(Cause::DayCovered) { known_since } else { EventId(0) };
        days_in_the_way(connection, job, since)?
    } else {
        None
    };
    if let Some(Duplicate { reason, is_unsettled, cause, .. }) = duplicate {
        return Ok(Some(Obstacle { reason, cause, is_duplicate: true, may_be_ingested: is_unsettled }));
    }
    let sighting = if job.attempts == 0 { Some(sighting(connection, job)?) } else { None };
    if let Some(sighting) = sighting
        && !job.released
        && was_there_first(connection, job, sighting)?
    {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::WasThereFirst);
        let reason = format!(
            "the remote jobs already have a file named {}, and this one lay in the folder before datadrop first ran: \
             somebody may have sent it. If nobody did, release it",
            job.wire_name
        );
        return Ok(Some(Obstacle { reason, cause: None, is_duplicate: false, may_be_ingested: false }));
    }
    // An earlier attempt that seemed not to have arrived may show late (DESIGN S5). Since the file came, no clock that was set
    // makes it longer ago.
    let since = (known_since, now.min(job.seen_at).before(SHOWS_LATE));
    let unowned = unowned_of_name(connection, job, since)?;
    let late = since_first_attempt(connection, job, &unowned)?;
    if late.is_none()
        && let Some(remote) = sighting.and_then(|sighting| since_seen(sighting, &unowned))
    {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::SetBack);
        let reason = format!(
            "possibly ingested: no job owns the remote job {remote} of this name, which came to light after this file did; this \
             machine or its job log may have been set back to an earlier state, or somebody else has sent it"
        );
        return Ok(Some(Obstacle { reason, cause: None, is_duplicate: false, may_be_ingested: true }));
    }
    #[cfg(test)]
    if late.is_some() {
        crate::testing::reach::met(crate::testing::reach::Met::ShowedLate);
    }
    Ok(late.map(|remote| Obstacle {
        reason: format!(
            "possibly ingested: no job owns the remote job {remote} of this name, which showed after a file of this name was \
             sent; compare it with the file before it is sent (again)"
        ),
        cause: None,
        is_duplicate: false,
        // Its attempts ended clearly, as far as this job log knows: one that was set back does not know the last of them.
        may_be_ingested: job.attempts > 0,
    }))
}

/// Whether an upload that has just begun has the wire name, the file or the content of a job, as those that
/// [`due_jobs`] leaves out (DESIGN A4).
fn shares_the_wire(begun: &Job, job: &Job) -> bool {
    let is_same_file = || {
        let (Some(its), Some(file)) = (begun.identity, job.identity) else { return false };
        (its.inode, its.device, its.born_ns) == (file.inode, file.device, file.born_ns)
    };
    let are_data = begun.kind == Kind::Data && job.kind == Kind::Data;
    begun.wire_name == job.wire_name || are_data && (begun.sha256 == job.sha256 || is_same_file())
}

/// Whether a marker is only a completeness mark (DESIGN §5, `fin`).
fn stays_here(connection: &Connection, rules: &AccountRules, marker: &Job) -> Result<bool, JobLogError> {
    match rules.fin {
        FinMode::Upload | FinMode::Generate => Ok(false),
        FinMode::Local => Ok(true),
        FinMode::Auto => {
            let style: Option<String> = connection
                .prepare_cached("SELECT style FROM attempt WHERE job_id = ?1 ORDER BY number DESC LIMIT 1")?
                .query_map([marker.pair.map(|id| id.0)], |row| row.get(0))?
                .next()
                .transpose()?;
            Ok(style.as_deref() == Some(UploadStyle::PostMultipart.as_str()))
        }
    }
}

fn begin(
    unit: &mut Unit<'_>,
    mut job: Job,
    (rules, target_id): (&AccountRules, i64),
    style: UploadStyle,
    now: Timestamp,
) -> Result<Claim, JobLogError> {
    let target = if let Some(id) = job.target_id {
        sql::target_of(unit, (job.id, &job.account), id)?
    } else {
        job.target_id = Some(target_id);
        rules.target.clone()
    };
    let status_before = if job.attempts == 0 { None } else { status_of_attempt(unit, job.id, job.attempts)? };
    job.attempts += 1;
    job.path = Job::path_in(&rules.folder, job.place, &job.disk_name);
    insert_attempt(unit, &job, style.as_str(), now)?;
    advance(unit, &mut job, Event::Started, None, now)?;
    Ok(Claim { job, target, style, status_before, style_is_proven: false, list_was_read: false, warning: None })
}

fn insert_attempt(connection: &Connection, job: &Job, style: &str, now: Timestamp) -> Result<(), JobLogError> {
    connection
        .prepare_cached(
            "INSERT INTO attempt (job_id, number, phase, style, started_at, server_after)
             VALUES (?1, ?2, ?3, ?4, ?5, (SELECT server_seen_at FROM account WHERE name = ?6))",
        )?
        .execute(params![job.id.0, job.attempts, Phase::Started.as_str(), style, now.0, job.account])?;
    Ok(())
}

/// The HTTP status that ended the attempt before this one.
fn status_of_attempt(connection: &Connection, id: JobId, number: u32) -> Result<Option<u16>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT http_status FROM attempt WHERE job_id = ?1 AND number = ?2")?
        .query_row(params![id.0, number], |row| row.get::<_, Option<u16>>(0))
        .optional()?
        .flatten())
}

#[cfg(test)]
mod tests;
