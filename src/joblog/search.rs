//! What somebody looks for who has one text and not its column: a number or a hash out of a report, a day, a word of a reason.

use jiff::civil::Date;
use rusqlite::ToSql;

/// The fewest digits of a SHA-256 that tell it from a number or a word.
const SHORTEST_HASH: usize = 6;

/// A text, and everything that it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// A part of a reason, without regard to the case of ASCII letters.
    reason: String,
    /// The number of a remote job.
    remote_job_id: Option<i64>,
    /// The beginning of a SHA-256.
    sha256: Option<String>,
    /// A data day.
    day: Option<Date>,
}

impl Search {
    /// Reads what was typed; `None` if that is nothing.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let is_hash = (SHORTEST_HASH..=64).contains(&typed.len()) && typed.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
        (!typed.is_empty()).then(|| Self {
            reason: typed.to_ascii_lowercase(),
            remote_job_id: typed.parse().ok().filter(|_| is_number),
            sha256: is_hash.then(|| typed.to_ascii_lowercase()),
            day: typed.parse().ok().filter(|_| typed.len() == "2026-11-23".len()),
        })
    }

    /// The condition on the table `job`, and its values in order.
    pub(super) fn condition(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let mut either = vec!["instr(lower(reason), ?) > 0"];
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(self.reason.clone())];
        if let Some(id) = self.remote_job_id {
            either.push("remote_job_id = ?");
            values.push(Box::new(id));
        }
        if let Some(beginning) = &self.sha256 {
            // No digit comes after `f`.
            either.push("(sha256 >= ? AND sha256 < ?)");
            values.push(Box::new(beginning.clone()));
            values.push(Box::new(format!("{beginning}g")));
        }
        if let Some(day) = self.day {
            either.push("id IN (SELECT job_id FROM job_day WHERE day = ?)");
            values.push(Box::new(day.to_string()));
        }
        (format!("({})", either.join(" OR ")), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::joblog::JobFilter;
    use crate::joblog::fixtures::{arrives, opened};

    #[test]
    fn a_text_is_read_as_everything_that_it_may_be() {
        let of = |typed| {
            let search = Search::parse(typed).unwrap();
            (search.remote_job_id, search.sha256.is_some(), search.day.is_some())
        };
        assert_eq!(of("901234567"), (Some(901_234_567), true, false));
        assert_eq!(of("17"), (Some(17), false, false));
        assert_eq!(of("BA7816bf"), (None, true, false));
        assert_eq!(of("2026-11-23"), (None, false, true));
        assert_eq!(of("2026-11-33"), (None, false, false));
        assert_eq!(of("+17"), (None, false, false));
        assert_eq!(of("99999999999999999999"), (None, true, false));
        assert_eq!(Search::parse("  "), None);
    }

    #[test]
    fn jobs_are_found_by_remote_job_hash_day_and_reason() {
        let (_dir, log) = opened();
        for (name, content) in [("one.txt", 1), ("two.txt", 2), ("three.txt", 0xab)] {
            arrives(&log, name, content, Duplicates::Hold);
        }
        log.call(|unit| {
            Ok(unit.execute_batch(
                "UPDATE job SET remote_job_id = 901234567 WHERE id = 1;
                 UPDATE job SET reason = '50% of it Is LATE_' WHERE id = 2;
                 INSERT INTO column_set VALUES (1, '[]', '[]');
                INSERT INTO job_day VALUES (3, '2026-11-23', 'a', 1, NULL, 1, 0, '[]'), (1, '2026-11-24', 'a', 1, NULL, 1, 0, '[]');",
            )?)
        })
        .wait()
        .unwrap();
        let reader = log.reader().unwrap();
        let found = |typed: &str| {
            let filter = JobFilter { search: Search::parse(typed), ..JobFilter::default() };
            let ids: Vec<i64> = reader.jobs(&filter).unwrap().into_iter().map(|job| job.id).collect();
            assert_eq!(reader.count(&filter).unwrap(), i64::try_from(ids.len()).unwrap(), "{typed}");
            ids
        };
        for (typed, ids) in [
            ("901234567", &[1][..]),
            ("90123456", &[]),
            ("ABABAB", &[3]),
            ("0101010", &[1]),
            ("2026-11-23", &[3]),
            ("2026-11-25", &[]),
            ("is late", &[2]),
            ("% of", &[2]),
            ("late%", &[]),
            ("", &[1, 2, 3]),
        ] {
            assert_eq!(found(typed), ids, "{typed}");
        }
        let filter = |account: &str, states: &[&str]| JobFilter {
            account: Some(account.to_owned()),
            states: states.iter().map(|&state| state.to_owned()).collect(),
            search: Search::parse("2026-11-23"),
            ..JobFilter::default()
        };
        for (filter, count) in [(filter("a", &[]), 1), (filter("b", &[]), 0), (filter("a", &["success"]), 0)] {
            assert_eq!(reader.jobs(&filter).unwrap().len(), count, "{filter:?}");
        }
    }
}
