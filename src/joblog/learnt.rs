//! What an account's API has shown of itself: which upload styles it supports, which files it refuses, and what its row counts
//! mean. It holds for one target: [`JobLog::aim`] forgets it.

use super::account_record::account_row;
use super::writer::{JobLog, Pending};
use crate::job::{RowCount, UploadStyle};
use rusqlite::params;
use serde_json::json;

impl JobLog {
    /// The API refused a style with these words, and `next` is tried under `auto`. `None`: it has refused them all, and the next
    /// try begins from the start. Returns what it answered to each.
    #[must_use]
    pub fn style_refused(
        &self,
        account: String,
        style: UploadStyle,
        answer: String,
        next: Option<UploadStyle>,
    ) -> Pending<Vec<(String, String)>> {
        self.call(move |unit| {
            let mut refused = account_row(unit, &account)?.refused_styles;
            refused.retain(|(earlier, _)| earlier != style.as_str());
            refused.push((style.as_str().to_owned(), answer.clone()));
            unit.prepare_cached(
                "UPDATE account SET style = NULL, trial_style = ?2, refused_styles = ?3 WHERE name = ?1",
            )?
            .execute(params![account, next.map(UploadStyle::as_str), json!(refused).to_string()])?;
            unit.effects.changed = true;
            Ok(refused)
        })
    }

    /// Forgets the style that was learnt (SIGHUP does).
    #[must_use]
    pub fn forget_style(&self, account: String) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached(
                "UPDATE account SET style = NULL, trial_style = NULL, refused_styles = NULL WHERE name = ?1",
            )?
            .execute([&account])?;
            Ok(())
        })
    }

    /// A refusal of a file by an account that has never had one accepted: how many in a row were refused alike.
    /// `None` once it has had one accepted.
    #[must_use]
    pub fn count_refusal(&self, account: String, alike: String) -> Pending<Option<u32>> {
        self.call(move |unit| {
            let accepted: i64 = unit
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM job JOIN account ON account.name = job.account
                                    WHERE job.account = ?1 AND job.uploaded_at IS NOT NULL AND job.line = account.line)
                         OR EXISTS (SELECT 1 FROM delivered JOIN account ON account.name = delivered.account
                                    WHERE delivered.account = ?1 AND delivered.line = account.line)",
                )?
                .query_row([&account], |row| row.get(0))?;
            if accepted > 0 {
                return Ok(None);
            }
            Ok(unit
                .prepare_cached(
                    "UPDATE account SET refused_streak = CASE WHEN refused_alike IS ?2 THEN refused_streak + 1 ELSE 1 END,
                            refused_alike = ?2
                     WHERE name = ?1 RETURNING refused_streak",
                )?
                .query_map(params![account, alike], |row| row.get(0))?
                .next()
                .transpose()?)
        })
    }

    /// Where Adobe writes errors of the account's files, as it may be shown; empty if it has no address.
    #[must_use]
    pub fn note_error_address(&self, account: String, address: String) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("UPDATE account SET error_address = ?2 WHERE name = ?1 AND error_address IS NOT ?2")?
                .execute(params![account, address])?;
            Ok(())
        })
    }

    /// What the account's jobs have shown of Adobe's row counts.
    #[must_use]
    pub fn note_row_count(&self, account: String, row_count: RowCount) -> Pending<()> {
        self.call(move |unit| {
            unit.effects.changed = true;
            unit.prepare_cached("UPDATE account SET row_count = ?2 WHERE name = ?1")?
                .execute(params![account, row_count.as_str()])?;
            Ok(())
        })
    }
}
