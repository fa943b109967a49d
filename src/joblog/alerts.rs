//! The outbox of alerts: what was read of the events and is yet to be sent. `alert` decides, this keeps.
//!
//! The events themselves are written where they happen, in the same transaction as the change; a cursor says how far they
//! were read. So nothing is missed over a crash, and what was not delivered is still there.

use super::errors::JobLogError;
use super::mutes::Mute;
use super::noted::OVERDUE;
use super::reader::Reader;
use super::sql;
use super::writer::{JobLog, Pending};
use crate::config::AlertEvent;
use crate::job::sets::{AT_ADOBE, MAY_BE_SENT, NEEDS_A_PERSON};
use crate::job::{JobId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// How far the events were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertCursor {
    /// The last row of `job_event`.
    pub job_event: i64,
    /// The last row of `account_event`.
    pub account_event: i64,
}

/// An event that can be alerted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFact {
    /// What happened.
    pub event: AlertEvent,
    /// The account; empty for the service.
    pub account: String,
    /// When.
    pub at: Timestamp,
    /// The job, if it is about one.
    pub job: Option<FactJob>,
    /// Why, or what was found.
    pub detail: Option<String>,
    /// What is over with it.
    pub clears: Vec<AlertEvent>,
}

/// The job of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactJob {
    /// Its number.
    pub id: JobId,
    /// Its file, as it was dropped.
    pub file_name: String,
    /// Where it stood after the event.
    pub state: String,
}

/// What the events after the cursor say.
#[derive(Debug, Clone)]
pub struct AlertFacts {
    /// In the order in which they were written.
    pub facts: Vec<AlertFact>,
    /// How far was read before.
    pub from: AlertCursor,
    /// How far this has read.
    pub cursor: AlertCursor,
    /// There was more than was asked for.
    pub more: bool,
}

/// An alert that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Its number; `None` before it was kept.
    pub id: Option<i64>,
    /// Whom to tell.
    pub receiver: String,
    /// The account; empty for the service.
    pub account: String,
    /// What its events have in common.
    pub topic: AlertEvent,
    /// How many events.
    pub count: u64,
    /// The first of them, as JSON.
    pub facts: String,
    /// When the first happened.
    pub first_at: Timestamp,
    /// When the last happened.
    pub last_at: Timestamp,
    /// When the first was read.
    pub opened_at: Timestamp,
    /// When it is to be delivered.
    pub due_at: Timestamp,
    /// Deliveries tried in vain.
    pub failures: u32,
    /// Its content is fixed.
    pub sealed: bool,
}

/// When an alert was last delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRow {
    /// Whom.
    pub receiver: String,
    /// The account; empty for the service.
    pub account: String,
    /// About what.
    pub topic: AlertEvent,
    /// When.
    pub told_at: Timestamp,
    /// How many times in a row without a pause.
    pub streak: u32,
}

/// Everything that is kept of alerts.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// Not delivered yet, oldest first.
    pub alerts: Vec<AlertRow>,
    /// Delivered last.
    pub told: Vec<ToldRow>,
    /// Accounts whose alerts are kept back.
    pub mutes: Vec<(String, Mute)>,
}

/// Those events of jobs that can be alerted. A restored job is no news, and `filed` changes nothing.
fn alertable() -> String {
    format!(
        "(job_event.event IN {OVERDUE} OR job_event.event IN ('double', 'doubled')
         OR (job_event.event = 'changed' AND job_event.to_state = 'partial')
         OR (job_event.to_state IN {NEEDS_A_PERSON} AND job_event.event <> 'recovered'
             AND job_event.from_state IS NOT job_event.to_state))"
    )
}

/// The event that said that a job is overdue, where this event of it says that it is so no longer.
fn cleared() -> String {
    format!(
        "CASE WHEN (job_event.from_state IN {AT_ADOBE} AND job_event.to_state NOT IN {AT_ADOBE})
                OR (job_event.from_state IN {MAY_BE_SENT} AND job_event.to_state NOT IN {MAY_BE_SENT})
         THEN (SELECT group_concat(DISTINCT overdue.event) FROM job_event AS overdue
               WHERE overdue.job_id = job_event.job_id AND overdue.id < job_event.id AND overdue.event IN {OVERDUE}
                 AND (overdue.to_state IN {AT_ADOBE}) = (job_event.from_state IN {AT_ADOBE}))
         END"
    )
}

impl JobLog {
    /// Makes these the receivers of alerts. If there was none before, they get only what happens from now on. Gives up
    /// the alerts that wait for other receivers, and returns their number.
    #[must_use]
    pub fn alert_receivers(&self, receivers: Vec<String>) -> Pending<usize> {
        self.call(move |unit| {
            let known = serde_json::to_string(&receivers).unwrap_or_else(|_| "[]".to_owned());
            let given_up = unit
                .prepare_cached("DELETE FROM alert WHERE receiver NOT IN (SELECT value FROM json_each(?1))")?
                .execute([&known])?;
            unit.prepare_cached("DELETE FROM alert_told WHERE receiver NOT IN (SELECT value FROM json_each(?1))")?
                .execute([&known])?;
            if receivers.is_empty() {
                unit.prepare_cached("DELETE FROM alert_cursor")?.execute([])?;
            } else {
                let latest = latest(unit)?;
                unit.prepare_cached("INSERT INTO alert_cursor VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING")?
                    .execute([latest.job_event, latest.account_event])?;
            }
            Ok(given_up)
        })
    }

    /// Keeps what was made of the events up to the cursor, new or grown. `folded`: alerts that are part of these now.
    #[must_use]
    pub fn keep_alerts(&self, alerts: Vec<AlertRow>, folded: Vec<i64>, cursor: AlertCursor) -> Pending<()> {
        self.call(move |unit| {
            for alert in &alerts {
                keep(unit, alert)?;
            }
            for id in &folded {
                unit.prepare_cached("DELETE FROM alert WHERE id = ?1")?.execute([id])?;
            }
            unit.prepare_cached("UPDATE alert_cursor SET job_event = ?1, account_event = ?2")?
                .execute([cursor.job_event, cursor.account_event])?;
            Ok(())
        })
    }

    /// A delivery is about to be tried: nothing is added to this alert any more.
    #[must_use]
    pub fn seal_alert(&self, id: i64) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("UPDATE alert SET sealed = 1 WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
    }

    /// It was delivered.
    #[must_use]
    pub fn alert_told(&self, id: i64, told: ToldRow) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("DELETE FROM alert WHERE id = ?1")?.execute([id])?;
            unit.prepare_cached(
                "INSERT INTO alert_told (receiver, account, topic, told_at, streak) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET told_at = ?4, streak = ?5",
            )?
            .execute(params![
                told.receiver,
                told.account,
                told.topic.as_str(),
                told.told_at.0,
                told.streak
            ])?;
            Ok(())
        })
    }

    /// It was not delivered, and is tried again then.
    #[must_use]
    pub fn alert_failed(&self, id: i64, due_at: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("UPDATE alert SET failures = failures + 1, due_at = ?2 WHERE id = ?1")?
                .execute([id, due_at.0])?;
            Ok(())
        })
    }
}

pub(super) fn keep(connection: &Connection, alert: &AlertRow) -> Result<(), JobLogError> {
    connection
        .prepare_cached(
            "INSERT INTO alert (id, receiver, account, topic, count, facts, first_at, last_at, opened_at, due_at, failures, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET count = ?5, facts = ?6, first_at = ?7, last_at = ?8, due_at = ?10",
        )?
        .execute(params![
            alert.id,
            alert.receiver,
            alert.account,
            alert.topic.as_str(),
            alert.count.cast_signed(),
            alert.facts,
            alert.first_at.0,
            alert.last_at.0,
            alert.opened_at.0,
            alert.due_at.0,
            alert.failures,
            alert.sealed,
        ])?;
    Ok(())
}

fn latest(connection: &Connection) -> Result<AlertCursor, JobLogError> {
    let account_event =
        connection.prepare_cached("SELECT coalesce(max(id), 0) FROM account_event")?.query_row([], |row| row.get(0))?;
    Ok(AlertCursor { job_event: sql::latest_event(connection)?.0, account_event })
}

fn event_of(word: &str) -> Result<AlertEvent, JobLogError> {
    AlertEvent::from_word(word).ok_or_else(|| JobLogError::Impossible(format!("an alert about `{word}`")))
}

impl Reader {
    /// Returns the events after the cursor that can be alerted, at most `limit` of each kind; `None` if there is no
    /// receiver.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn alert_facts(&self, limit: usize) -> Result<Option<AlertFacts>, JobLogError> {
        let connection = self.connection();
        let read = connection
            .prepare_cached("SELECT job_event, account_event FROM alert_cursor")?
            .query_row([], |row| Ok(AlertCursor { job_event: row.get(0)?, account_event: row.get(1)? }))
            .optional()?;
        let Some(read) = read else { return Ok(None) };
        // Whatever is written after this is for the next time.
        let mut cursor = latest(&connection)?;
        let mut facts = job_facts(&connection, (read.job_event, cursor.job_event), limit)?;
        let more_of_jobs = facts.len() >= limit;
        if let (true, Some((last, _))) = (more_of_jobs, facts.last()) {
            cursor.job_event = *last;
        }
        let of_accounts = account_facts(&connection, (read.account_event, cursor.account_event), limit)?;
        let more_of_accounts = of_accounts.len() >= limit;
        if let (true, Some((last, _))) = (more_of_accounts, of_accounts.last()) {
            cursor.account_event = *last;
        }
        facts.extend(of_accounts);
        let facts = facts.into_iter().map(|(_, fact)| fact).collect();
        Ok(Some(AlertFacts { facts, from: read, cursor, more: more_of_jobs || more_of_accounts }))
    }

    /// What is yet to be delivered, and what was delivered last.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn outbox(&self) -> Result<Outbox, JobLogError> {
        let mut outbox = Outbox { mutes: self.mutes()?, ..Outbox::default() };
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, receiver, account, topic, count, facts, first_at, last_at, opened_at, due_at, failures, sealed
             FROM alert ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            outbox.alerts.push(alert_row(row)?);
        }
        let mut statement =
            connection.prepare_cached("SELECT receiver, account, topic, told_at, streak FROM alert_told")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            outbox.told.push(ToldRow {
                receiver: row.get(0)?,
                account: row.get(1)?,
                topic: event_of(&row.get::<_, String>(2)?)?,
                told_at: Timestamp(row.get(3)?),
                streak: row.get(4)?,
            });
        }
        Ok(outbox)
    }
}

fn alert_row(row: &Row<'_>) -> Result<AlertRow, JobLogError> {
    Ok(AlertRow {
        id: Some(row.get(0)?),
        receiver: row.get(1)?,
        account: row.get(2)?,
        topic: event_of(&row.get::<_, String>(3)?)?,
        count: row.get::<_, i64>(4)?.cast_unsigned(),
        facts: row.get(5)?,
        first_at: Timestamp(row.get(6)?),
        last_at: Timestamp(row.get(7)?),
        opened_at: Timestamp(row.get(8)?),
        due_at: Timestamp(row.get(9)?),
        failures: row.get(10)?,
        sealed: row.get(11)?,
    })
}

fn job_facts(
    connection: &Connection,
    (after, to): (i64, i64),
    limit: usize,
) -> Result<Vec<(i64, AlertFact)>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT job_event.id, job_event.at, job_event.event, job_event.to_state, job_event.detail, job.id, job.account,
                job.file_name, {alertable} AS is_alertable, {cleared} AS clears
         FROM job_event JOIN job ON job.id = job_event.job_id
         WHERE job_event.id > ?1 AND job_event.id <= ?2 AND (is_alertable OR clears IS NOT NULL)
         ORDER BY job_event.id LIMIT ?3",
        alertable = alertable(),
        cleared = cleared()
    ))?;
    let mut rows = statement.query(params![after, to, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let (event, state): (String, String) = (row.get(2)?, row.get(3)?);
        let at: String = row.get(1)?;
        let at: jiff::Timestamp = at.parse().map_err(|_| JobLogError::Impossible(format!("an event at `{at}`")))?;
        let id = row.get(0)?;
        let of_event = |event, clears: Vec<AlertEvent>| {
            let job = FactJob { id: JobId(row.get(5)?), file_name: row.get(7)?, state: state.clone() };
            Ok::<_, JobLogError>(AlertFact {
                event,
                account: row.get(6)?,
                at: Timestamp(at.as_millisecond()),
                job: Some(job),
                detail: row.get(4)?,
                clears,
            })
        };
        if row.get(8)? {
            // Some are events in any state; the others are the states themselves.
            let event = overdue(&event).or_else(|| AlertEvent::from_word(&event));
            facts.push((id, of_event(event.map_or_else(|| event_of(&state), Ok)?, Vec::new())?));
        }
        if let Some(words) = row.get::<_, Option<String>>(9)? {
            facts.push((id, of_event(AlertEvent::Cleared, words.split(',').filter_map(overdue).collect())?));
        }
    }
    Ok(facts)
}

/// What the event of an overdue job alerts.
fn overdue(event: &str) -> Option<AlertEvent> {
    match event {
        "delayed" | "asked-daily" => Some(AlertEvent::Delayed),
        "stalled" => Some(AlertEvent::Stalled),
        _ => None,
    }
}

fn account_facts(
    connection: &Connection,
    (after, to): (i64, i64),
    limit: usize,
) -> Result<Vec<(i64, AlertFact)>, JobLogError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, at, event, account, detail FROM account_event
         WHERE id > ?1 AND id <= ?2 AND event NOT IN ('muted', 'unmuted') ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![after, to, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let event = event_of(&row.get::<_, String>(2)?)?;
        let fact = AlertFact {
            event,
            account: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            at: Timestamp(row.get(1)?),
            job: None,
            detail: row.get(4)?,
            clears: match event.as_str() {
                // What an account lacked is all that it can have again.
                "cleared" => vec![AlertEvent::Missing],
                "unblocked" => vec![AlertEvent::Blocked],
                _ => Vec::new(),
            },
        };
        facts.push((row.get(0)?, fact));
    }
    Ok(facts)
}
