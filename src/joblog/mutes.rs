//! Accounts whose alerts are muted: what a person wants of that, how long it lasts, and that it is over.

use super::errors::{JobLogError, OpenError};
use super::instructions::InstructionId;
use super::noted::insert_account_event;
use super::open;
use super::reader::Reader;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use std::path::Path;
use std::time::Duration;

/// A clock that is set back by less than this leaves a mute as it is; by more, and to before its begin, it ends the mute. So none
/// lasts for longer than it was given, and this.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// The alerts of an account are muted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// From when on.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who wants it; `None` once somebody has ended it.
    pub by: Option<String>,
}

impl Mute {
    /// Whether it lasts.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.at.before(CLOCK_SLACK) <= now && now < self.until
    }

    /// Reads the three columns, of which the first is this one.
    pub(super) fn decode(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let at = row.get::<_, Option<i64>>(first)?.map(Timestamp);
        let until = row.get::<_, Option<i64>>(first + 1)?.map(Timestamp);
        let by = row.get(first + 2)?;
        Ok(at.zip(until).map(|(at, until)| Self { at, until, by }))
    }
}

/// What a person wants of an account's alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteOrder {
    /// The account.
    pub account: String,
    /// How long they are to be muted; `None`: not any more.
    pub time: Option<Duration>,
    /// Who wants it.
    pub by: String,
}

/// Writes it into the job log of a state directory as an instruction, whether or not a daemon runs, and returns its number.
///
/// # Errors
/// [`OpenError`] if there is no job log of this version, or the user must not write to it.
pub fn instruct_mute(dir: &Path, order: &MuteOrder, now: Timestamp) -> Result<InstructionId, OpenError> {
    let connection = open::open_for_instructions(dir)?;
    let verb = if order.time.is_some() { "mute" } else { "unmute" };
    let time = order.time.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    connection
        .execute(
            "INSERT INTO instruction (given_at, given_by, verb, account, mute_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![now.0, order.by, verb, order.account, time],
        )
        .map_err(|error| open::not_written(dir, &error))?;
    Ok(InstructionId(connection.last_insert_rowid()))
}

/// Carries out the instruction of this number if it is an open one about alerts. The answer: what came of it.
pub(super) fn carry_out(unit: &mut Unit<'_>, id: InstructionId, now: Timestamp) -> Result<Option<String>, JobLogError> {
    let order = unit
        .prepare_cached(
            "SELECT account, mute_ms, given_by FROM instruction
             WHERE id = ?1 AND account IS NOT NULL AND answered_at IS NULL",
        )?
        .query_row([id.0], |row| {
            let time = row.get::<_, Option<i64>>(1)?.map(|time| Duration::from_millis(time.unsigned_abs()));
            Ok(MuteOrder { account: row.get(0)?, time, by: row.get(2)? })
        })
        .optional()?;
    let Some(MuteOrder { account, time, by }) = order else { return Ok(None) };
    sql::ensure_account(unit, &account)?;
    let known = unit
        .prepare_cached("SELECT muted_at, muted_until, muted_by FROM account WHERE name = ?1")?
        .query_row([&account], |row| Mute::decode(row, 0))?;
    let lasting = known.filter(|mute| mute.lasts(now));
    let (mute, event, words) = match (time, lasting) {
        (None, None) => return Ok(Some(format!("the alerts of account {account} are not muted"))),
        (None, Some(mute)) => {
            // What was muted until now is summed up by whoever sends alerts, which ends it.
            let ended = Mute { at: mute.at.min(now), until: now, by: None };
            (ended, "unmuted", format!("the alerts of account {account} are sent again"))
        }
        (Some(time), lasting) => {
            let mut mute = lasting.unwrap_or(Mute { at: now, until: now, by: None });
            let until = now.after(time);
            let words = if mute.until > until {
                format!("the alerts of account {account} are muted already, until {}", mute.until)
            } else {
                format!("the alerts of account {account} are muted until {until}")
            };
            mute.until = mute.until.max(until);
            (Mute { by: Some(by.clone()), ..mute }, "muted", words)
        }
    };
    unit.prepare_cached("UPDATE account SET muted_at = ?2, muted_until = ?3, muted_by = ?4 WHERE name = ?1")?
        .execute(params![account, mute.at.0, mute.until.0, mute.by])?;
    let detail = if event == "muted" { format!("until {} by {by}", mute.until) } else { format!("by {by}") };
    insert_account_event(unit, Some(&account), now, event, &detail)?;
    unit.effects.changed = true;
    Ok(Some(words))
}

impl JobLog {
    /// These mutes are over: what they kept back may be told. One that was made longer meanwhile goes on.
    #[must_use]
    pub fn end_mutes(&self, over: Vec<(String, Mute)>, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            for (account, mute) in &over {
                let ended = unit
                    .prepare_cached(
                        "UPDATE account SET muted_at = NULL, muted_until = NULL, muted_by = NULL
                         WHERE name = ?1 AND muted_until = ?2",
                    )?
                    .execute(params![account, mute.until.0])?;
                if ended > 0 && mute.by.is_some() {
                    insert_account_event(unit, Some(account), now, "unmuted", "its time is over")?;
                }
                unit.effects.changed |= ended > 0;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// The mutes of accounts that were not ended yet, over or not.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn mutes(&self) -> Result<Vec<(String, Mute)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, muted_at, muted_until, muted_by FROM account WHERE muted_until IS NOT NULL ORDER BY name",
        )?;
        let mutes = statement.query_map([], |row| Ok((row.get(0)?, Mute::decode(row, 1)?)))?;
        let mutes = mutes.collect::<rusqlite::Result<Vec<(String, Option<Mute>)>>>()?;
        Ok(mutes.into_iter().filter_map(|(account, mute)| Some((account, mute?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::opened;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn a_mute_lasts_for_its_time_and_is_never_made_shorter_but_by_its_end() {
        let (dir, log) = opened();
        let order = |time: Option<Duration>, now: Timestamp| {
            let order = MuteOrder { account: "a".to_owned(), time, by: "anna".to_owned() };
            let id = instruct_mute(dir.path(), &order, now).unwrap();
            assert!(log.carry_out(id, Vec::new(), Vec::new(), 0, now).wait().unwrap(), "it is answered");
            log.reader().unwrap().answers(&[id]).unwrap().remove(0).words
        };
        let until = || log.reader().unwrap().mutes().unwrap().pop().map(|(_, mute)| mute.until);
        assert_eq!(order(None, NOW), "the alerts of account a are not muted");
        order(Some(HOUR * 2), NOW);
        assert_eq!(until(), Some(NOW.after(HOUR * 2)));
        assert!(order(Some(HOUR), NOW).contains("muted already"));
        assert_eq!(until(), Some(NOW.after(HOUR * 2)));
        order(Some(HOUR * 2), NOW.after(HOUR));
        assert_eq!(until(), Some(NOW.after(HOUR * 3)));
        // A mute that was made longer after somebody saw it end goes on.
        let seen = Mute { at: NOW, until: NOW.after(HOUR * 2), by: Some("anna".to_owned()) };
        log.end_mutes(vec![("a".to_owned(), seen)], NOW.after(HOUR * 2)).wait().unwrap();
        assert_eq!(until(), Some(NOW.after(HOUR * 3)));
        order(None, NOW.after(HOUR));
        let over = log.reader().unwrap().mutes().unwrap();
        assert!(!over[0].1.lasts(NOW.after(HOUR)) && over[0].1.by.is_none(), "{over:?}");
        log.end_mutes(over, NOW.after(HOUR)).wait().unwrap();
        assert_eq!(until(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_mute_that_has_not_begun_by_it() {
        let mute = Mute { at: NOW, until: NOW.after(HOUR), by: None };
        assert!(mute.lasts(NOW.before(CLOCK_SLACK)), "a step of NTP");
        assert!(!mute.lasts(NOW.before(HOUR)));
        assert!(!mute.lasts(NOW.after(HOUR)));
    }
}
