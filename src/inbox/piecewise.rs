//! Programs that close a file between two pieces of it (DESIGN R7): noticed, reported, and given more time.

use super::arrivals::Inbox;
use super::folder_settings::Interrupted;
use super::look;
use crate::inbox::readiness::{Arrival, Candidate, MarkerSight, Pieces, Sight, Verdict};
use crate::job::{Kind, Place, printable};
use std::ffi::OsStr;
use std::fs::File;

impl Inbox {
    /// What an earlier run learnt of the programs that write here (DESIGN R7).
    pub(super) fn remember_settle(&mut self) -> Result<(), Interrupted> {
        let learnt = self.reader.account(&self.settings.account)?.settle;
        self.pieces = Pieces::new(self.settings.waits.settle, self.waits.settle_max, learnt);
        self.note_settle()
    }

    /// A file was written on after it was taken in: its writer had closed it, and opened it again.
    pub(super) fn note_next_piece(&mut self, name: &OsStr) -> Result<(), Interrupted> {
        self.pieces.went_on(name);
        tracing::warn!(
            account = %self.settings.account,
            "{}: it was written on after it was taken in, so what was taken in was a part; files of this account are now sent              after {} without a change; rename finished files into the folder, or add a marker (.fin) after each",
            printable(&name.to_string_lossy()),
            humantime::format_duration(self.pieces.settle())
        );
        self.note_settle()
    }

    fn note_settle(&mut self) -> Result<(), Interrupted> {
        self.waits.settle = self.pieces.settle();
        Ok(self.joblog.note_settle(self.settings.account.clone(), self.pieces.grown()).wait()?)
    }

    /// Decides by the rules, after a look at what the file itself shows.
    pub(super) fn judge(
        &mut self,
        name: &OsStr,
        candidate: &Candidate,
        marker: Option<MarkerSight>,
        file: &File,
        sight: Sight,
    ) -> Result<Verdict, Interrupted> {
        let now = self.clock.moment();
        let signs = look::signs_of(self.folder.place(Place::Inbox), file, sight);
        let verdict = candidate.verdict(&self.waits, marker, signs, now);
        let is_next_piece = verdict == Verdict::Ready
            && was_closed(candidate)
            && self.pieces.may_go_on(name, now)
            && look::begins_with_a_row(file);
        if !is_next_piece {
            #[cfg(test)]
            crate::testing::reach::judged(candidate, &self.waits, verdict, now);
            return Ok(verdict);
        }
        self.note_next_piece(name)?;
        let mut candidate = *candidate;
        candidate.next_piece = true;
        if let Some(waiting) = self.candidates.get_mut(name) {
            waiting.candidate = candidate;
        }
        let verdict = candidate.verdict(&self.waits, marker, signs, now);
        #[cfg(test)]
        crate::testing::reach::judged(&candidate, &self.waits, verdict, now);
        Ok(verdict)
    }

    /// A file is taken in.
    pub(super) fn note_whole(&mut self, name: &OsStr, candidate: &Candidate) -> Result<(), Interrupted> {
        let is_data = candidate.kind == Kind::Data;
        if is_data && self.pieces.took_in(name, was_closed(candidate), self.clock.moment()) {
            tracing::info!(
                account = %self.settings.account,
                "no file was written on after it was taken in for a while: they are sent after {} without a change again",
                humantime::format_duration(self.pieces.settle())
            );
            self.note_settle()?;
        }
        Ok(())
    }
}

fn was_closed(candidate: &Candidate) -> bool {
    candidate.kind == Kind::Data && candidate.trace.arrival == Arrival::Closed
}
