//! What the API tells of report suites (DESIGN §5, "Report suites"): never needed to send, so that no row of it is an
//! error.

use super::errors::JobLogError;
use super::reader::Reader;
use super::writer::{JobLog, Pending};
use crate::job::{SuiteFacts, Target, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// What is known of a report suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteRecord {
    /// What the API told. A part that could not be read the last time is that of an earlier time.
    pub facts: SuiteFacts,
    /// When it was last asked for.
    pub asked_at: Timestamp,
    /// When a part of it was last read.
    pub read_at: Option<Timestamp>,
    /// Which parts could not be read the last time, each with the reason on a line of its own.
    pub unread: Option<String>,
}

impl SuiteRecord {
    /// What is known after another look: a part that it lacks is the one that was known.
    #[must_use]
    pub fn after(before: Option<Self>, read: SuiteFacts, unread: Option<String>, now: Timestamp) -> Self {
        let nothing = read == SuiteFacts::default();
        let (known, read_before) = before.map(|before| (before.facts, before.read_at)).unwrap_or_default();
        // The first four are of one response.
        let is_described =
            [&read.name, &read.currency, &read.time_zone, &read.parent].iter().any(|fact| fact.is_some());
        let described = if is_described { read.clone() } else { known.clone() };
        let SuiteFacts { name, currency, time_zone, parent, .. } = described;
        let (metrics, dimensions) = (read.metrics.or(known.metrics), read.dimensions.or(known.dimensions));
        let facts = SuiteFacts { name, currency, time_zone, parent, metrics, dimensions };
        Self { facts, asked_at: now, read_at: if nothing { read_before } else { Some(now) }, unread }
    }
}

impl JobLog {
    /// Writes down what is known of a target's report suite.
    #[must_use]
    pub fn note_suite(&self, target: Target, record: SuiteRecord) -> Pending<()> {
        self.call(move |unit| {
            let facts = serde_json::to_string(&record.facts);
            let facts = facts.map_err(|error| JobLogError::Impossible(error.to_string()))?;
            unit.prepare_cached(
                "INSERT OR REPLACE INTO report_suite (base_url, company, report_suite_id, facts, asked_at, read_at, unread)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                target.base_url,
                target.company,
                target.report_suite_id,
                facts,
                record.asked_at.0,
                record.read_at.map(|at| at.0),
                record.unread
            ])?;
            unit.effects.changed = true;
            Ok(())
        })
    }
}

/// A virtual report suite, which shows a part of another one and takes no uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualSuite {
    /// The base URL of the API that told it.
    pub base_url: String,
    /// The global company ID.
    pub company: String,
    /// The report suite ID.
    pub report_suite_id: String,
    /// The report suite that it shows a part of.
    pub parent: String,
}

impl VirtualSuite {
    /// Returns whether this account's files go there.
    #[must_use]
    pub fn is_of(&self, target: &Target) -> bool {
        self.base_url == target.base_url
            && self.company == target.company
            && self.report_suite_id.eq_ignore_ascii_case(&target.report_suite_id)
    }
}

impl Reader {
    /// The report suites that are known to be virtual.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn virtual_suites(&self) -> Result<Vec<VirtualSuite>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT base_url, company, report_suite_id, facts ->> 'parent' FROM report_suite
             WHERE json_valid(facts) AND facts ->> 'parent' IS NOT NULL",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(VirtualSuite {
                base_url: row.get(0)?,
                company: row.get(1)?,
                report_suite_id: row.get(2)?,
                parent: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What is known of a target's report suite. `None`: it was never asked for, or the row makes no sense.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn suite_facts(&self, target: &Target) -> Result<Option<SuiteRecord>, JobLogError> {
        suite_facts(&self.connection(), target)
    }
}

impl Reader {
    /// The time zone of a target's report suite, as Adobe names it, if that is known.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn suite_zone(&self, target: &Target) -> Result<Option<String>, JobLogError> {
        self.of_suite("time_zone", target)
    }

    /// The time zones of the accounts' report suites, as far as they are known.
    pub(super) fn suite_zones(&self) -> Result<HashMap<String, String>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT account.name, time_zone FROM account JOIN target ON target.id = account.target_id
             JOIN report_suite ON report_suite.base_url = target.base_url AND report_suite.company = target.company
                              AND report_suite.report_suite_id = target.report_suite_id
             WHERE time_zone IS NOT NULL",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When a target's report suite was last asked for.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn suite_asked_at(&self, target: &Target) -> Result<Option<Timestamp>, JobLogError> {
        Ok(self.of_suite("asked_at", target)?.map(Timestamp))
    }

    fn of_suite<T: FromSql>(&self, column: &str, target: &Target) -> Result<Option<T>, JobLogError> {
        let found = self
            .connection()
            .prepare_cached(&format!(
                "SELECT {column} FROM report_suite WHERE base_url = ?1 AND company = ?2 AND report_suite_id = ?3"
            ))?
            .query_row(params![target.base_url, target.company, target.report_suite_id], |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    }
}

fn suite_facts(connection: &Connection, target: &Target) -> Result<Option<SuiteRecord>, JobLogError> {
    let found = connection
        .prepare_cached(
            "SELECT facts, asked_at, read_at, unread FROM report_suite
             WHERE base_url = ?1 AND company = ?2 AND report_suite_id = ?3",
        )?
        .query_row(params![target.base_url, target.company, target.report_suite_id], |row| {
            let facts: String = row.get(0)?;
            Ok(serde_json::from_str(&facts).ok().map(|facts| SuiteRecord {
                facts,
                asked_at: Timestamp(row.get(1).unwrap_or_default()),
                read_at: row.get(2).map(Timestamp).ok(),
                unread: row.get(3).ok(),
            }))
        })
        .optional()?;
    Ok(found.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Dimension, Metric, MetricKind};
    use crate::joblog::fixtures::{opened, target};

    fn facts(zone: &str) -> SuiteFacts {
        SuiteFacts {
            name: Some("Example".to_owned()),
            currency: Some("USD".to_owned()),
            time_zone: Some(zone.to_owned()),
            parent: None,
            metrics: Some(vec![Metric { id: "event1".into(), name: "Calls".into(), kind: MetricKind::Counter }]),
            dimensions: Some(vec![Dimension { id: "evar1".into(), name: "Centre".into() }]),
        }
    }

    #[test]
    fn what_is_written_of_a_report_suite_is_read_for_each_of_its_data_sources() {
        let (_dir, log) = opened();
        let reader = log.reader().unwrap();
        assert_eq!(reader.suite_facts(&target()).unwrap(), None);
        for zone in ["US/Pacific", "Asia/Tokyo"] {
            let record = SuiteRecord::after(None, facts(zone), Some("metrics: no".to_owned()), Timestamp(7));
            log.note_suite(target(), record.clone()).wait().unwrap();
            let suite = target().report_suite_id.to_uppercase();
            let same = Target { data_source_id: 99, path_segment: String::new(), report_suite_id: suite, ..target() };
            assert_eq!(reader.suite_facts(&same).unwrap(), Some(record));
        }
        let other = Target { company: "another".to_owned(), ..target() };
        assert_eq!(reader.suite_facts(&other).unwrap(), None);
    }

    #[test]
    fn f10_a_row_that_makes_no_sense_is_none() {
        let (_dir, log) = opened();
        let record = SuiteRecord::after(None, facts("UTC"), None, Timestamp(7));
        log.note_suite(target(), record).wait().unwrap();
        log.call(|unit| Ok(unit.execute("UPDATE report_suite SET facts = '{\"metrics\": 5'", [])?)).wait().unwrap();
        assert_eq!(log.reader().unwrap().suite_facts(&target()).unwrap(), None);
        assert_eq!(log.reader().unwrap().virtual_suites().unwrap(), []);
    }

    #[test]
    fn virtual_report_suites_are_those_with_a_parent() {
        let (_dir, log) = opened();
        let reader = log.reader().unwrap();
        let note = |parent: Option<&str>| {
            let facts = SuiteFacts { parent: parent.map(str::to_owned), ..facts("UTC") };
            log.note_suite(target(), SuiteRecord::after(None, facts, None, Timestamp(7))).wait().unwrap();
            reader.virtual_suites().unwrap()
        };
        let virtual_suites = note(Some("whole"));
        assert_eq!(virtual_suites[0].parent, "whole");
        let suite = target().report_suite_id.to_uppercase();
        assert!(virtual_suites[0].is_of(&Target { data_source_id: 9, report_suite_id: suite, ..target() }));
        assert!(!virtual_suites[0].is_of(&Target { company: "another".to_owned(), ..target() }));
        assert_eq!(note(None), []);
    }

    #[test]
    fn a_part_that_cannot_be_read_stays_as_it_was_known() {
        let first = SuiteRecord::after(None, facts("US/Pacific"), None, Timestamp(1));
        assert_eq!((first.read_at, &first.unread), (Some(Timestamp(1)), &None));
        let moved = SuiteFacts { currency: None, metrics: None, ..facts("Asia/Tokyo") };
        let second = SuiteRecord::after(Some(first.clone()), moved, Some("metrics: 403".to_owned()), Timestamp(2));
        assert_eq!(second.facts.time_zone.as_deref(), Some("Asia/Tokyo"));
        assert_eq!(second.facts.currency, None, "what one response tells belongs together");
        assert_eq!(second.facts.metrics, first.facts.metrics);
        let third = SuiteRecord::after(Some(second.clone()), SuiteFacts::default(), Some("all".into()), Timestamp(3));
        assert_eq!((&third.facts, third.read_at, third.asked_at), (&second.facts, Some(Timestamp(2)), Timestamp(3)));
    }
}
