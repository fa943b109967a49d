//! The markers of a folder: which of them stand, and how they came (DESIGN R2, R6).

use super::arrivals::Inbox;
use super::assessment::MetBy;
use super::folder_settings::Interrupted;
use super::look::{Look, hold, is_of_state, look};
use crate::folder::directory::Directory;
use crate::inbox::readiness::MarkerSight;
use crate::job::{Kind, Writer, stem};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

/// Returns whether this name is that of a valid marker: a plain file, blank, and without a writer. Anything else is
/// rejected, now or once it is complete, and says nothing about its data file. `writing`: what events say of a writer.
pub(super) fn is_marker(directory: &Directory, name: &OsStr, state_dir: &Path, writing: bool) -> bool {
    let Look::File(mut file, sight) = look(directory, name, |entry| is_of_state(state_dir, entry)) else {
        return false;
    };
    let is_written = match directory.writer_of(&file) {
        Writer::Somebody => true,
        Writer::Nobody => false,
        Writer::Unknown => writing,
    };
    let is_blank = |file: &mut File| {
        hold(file, Kind::Fin, None, &mut vec![0; 4096], || ()).is_ok_and(|held| held.only_white_space)
    };
    !is_written && (sight.identity.size == 0 || is_blank(&mut file))
}

impl Inbox {
    pub(super) fn note_marker(&mut self, name: &OsStr) -> Result<(), Interrupted> {
        if self.settings.kind_of(name) != Some(Kind::Fin) {
            return Ok(());
        }
        let Some(name_text) = name.to_str() else { return Ok(()) };
        let is_of_its_name =
            self.reader.inbox_entry(&self.settings.account, name)?.is_none_or(|entry| entry.bears_its_name());
        // Something may be there of which nothing is known how it came: the file is the truth.
        if !is_of_its_name || !self.is_marker(name) {
            self.markers.remove(stem(name_text));
            return Ok(());
        }
        match self.board.trace(name) {
            // One that we moved back ourselves says nothing of what was written meanwhile.
            Some(trace) => {
                let order = Some(trace.order).filter(|_| !self.was_put_back(name));
                self.markers.insert(stem(name_text).to_owned(), MarkerSight { order });
            }
            None => {
                self.markers.entry(stem(name_text).to_owned()).or_insert(MarkerSight { order: None });
            }
        }
        Ok(())
    }

    /// The marker of a data file: it lies beside it under its stem, or the job log has it. One whose name was taken when it came
    /// back lies under another, which does not tell whose it is.
    pub(super) fn marker_of(&self, data: &OsStr, is_paired: bool) -> Result<Option<MarkerSight>, Interrupted> {
        let Some(stem) = data.to_str().map(stem) else { return Ok(None) };
        // What was noted may have been moved away since, with the data file that it came for.
        if let Some(marker) = self.markers.get(stem)
            && self.is_marker(OsStr::new(&format!("{stem}.fin")))
        {
            return Ok(Some(*marker));
        }
        let is_known = is_paired
            || self.waits.wait_for_fin
                && self.reader.strayed_markers(&self.settings.account, stem)?.iter().any(|name| self.is_marker(name));
        Ok(is_known.then_some(MarkerSight { order: None }))
    }

    /// Whether a marker lies there that will not be rejected.
    pub(super) fn is_marker(&self, name: &OsStr) -> bool {
        let writing = self.board.trace(name).is_some_and(|trace| trace.writing);
        is_marker(self.directory(), name, &self.settings.state_dir, writing)
    }

    fn was_put_back(&self, name: &OsStr) -> bool {
        self.directory()
            .find(name)
            .is_ok_and(|found| found.is_some_and(|found| self.folder.has_put_back(name, &found.identity)))
    }

    pub(super) fn consider_data_of(&mut self, marker: &OsStr) -> Result<(), Interrupted> {
        let Some(marker) = marker.to_str() else { return Ok(()) };
        for extension in self.settings.extensions.clone() {
            let name = OsString::from(format!("{}.{extension}", stem(marker)));
            if self.candidates.contains_key(&name) {
                self.consider(&name, MetBy::Event)?;
            }
        }
        Ok(())
    }
}
