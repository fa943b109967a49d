//! A defect of datadrop costs the file or the account that it concerns, never the service (DESIGN F10).
//!
//! The panic hook logs each defect whole, with its place in the source. Here it becomes a reason.

use super::arrivals::Inbox;
use super::assessment::MetBy;
use super::folder_settings::Interrupted;
use crate::job::{Kind, Problem, classify};
use std::any::Any;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What went wrong, in the words of the panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect(String);

impl Defect {
    /// The reason for a file that cannot be taken in.
    pub(super) fn of_file(&self) -> String {
        format!(
            "datadrop has a defect and cannot take this file in: {}; please report it with the log of this time",
            self.0
        )
    }

    /// Why an account is blocked.
    pub(super) fn of_folder(&self) -> Problem {
        Problem::new(
            format!("datadrop has a defect, and the work in this folder was broken off: {}", self.0),
            "it is tried again by itself, please report it with the log of this time",
        )
    }
}

/// Does the work. What it leaves half done must not matter.
///
/// # Errors
/// [`Defect`] if it panics.
pub(super) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, Defect> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        #[cfg(test)]
        let panic = crate::testing::surroundings::no_end(panic);
        Defect(words(&*panic))
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}

impl Inbox {
    /// Looks at one name and takes it as far as it goes. A defect that it brings to light costs this file alone (DESIGN F10).
    pub(super) fn consider(&mut self, name: &OsStr, met: MetBy<'_>) -> Result<(), Interrupted> {
        match guarded(|| self.take_far(name, met)) {
            Ok(done) => done,
            Err(defect) => self.reject_for(&defect, name),
        }
    }

    fn reject_for(&mut self, defect: &Defect, name: &OsStr) -> Result<(), Interrupted> {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::Defect);
        let kind = guarded(|| classify(name, &self.settings.extensions)).ok().flatten().unwrap_or(Kind::Data);
        let found = self.directory().entry(name).ok();
        self.reject(name, kind, defect.of_file(), found.map(|entry| entry.identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_panic_becomes_a_defect_with_its_words() {
        assert_eq!(guarded(|| 1), Ok(1));
        let index = std::hint::black_box(3);
        let defect = guarded(|| [1, 2][index]).unwrap_err();
        assert!(defect.of_file().contains("index out of bounds: the len is 2 but the index is 3"), "{defect:?}");
        assert!(guarded(|| panic!("plain")).unwrap_err().of_folder().what.contains("broken off: plain"));
        assert!(guarded(|| std::panic::panic_any(1)).unwrap_err().of_file().contains("no words"));
    }
}
