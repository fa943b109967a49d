//! What the threads of all folders share: the source of events, and where each folder really is.
//!
//! No folder may be in another, nor hold the state directory: a file would have two owners. The configuration compares
//! paths by their text. Links and mounts are followed here, by the account's own thread, which may hang on a share
//! (DESIGN F10).

use super::EventSource;
use crate::folder::FolderProblem;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Device and inode of a folder, then of each folder above it.
#[derive(Debug, PartialEq, Eq)]
pub struct Way(Vec<(u64, u64)>);

impl Way {
    /// Follows every link. Blocks for as long as the file system does.
    ///
    /// # Errors
    /// The system's.
    pub fn to(dir: &Path) -> io::Result<Self> {
        let real = dir.canonicalize()?;
        let numbers = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        real.ancestors().map(numbers).collect::<io::Result<_>>().map(Self)
    }

    fn relation(&self, other: &Self) -> Option<&'static str> {
        let (this, that) = (self.0.first()?, other.0.first()?);
        if this == that {
            Some("this is also")
        } else if self.0.contains(that) {
            Some("this lies inside")
        } else if other.0.contains(this) {
            Some("this holds")
        } else {
            None
        }
    }
}

/// An account's folder that is in use.
#[derive(Debug)]
struct Settled {
    dir: PathBuf,
    way: Arc<Way>,
}

/// What the threads of all folders share.
#[derive(Debug, Default)]
pub struct Neighbours {
    pub(super) events: Option<EventSource>,
    state_dir: Option<Settled>,
    settled: Mutex<HashMap<String, Settled>>,
}

impl Neighbours {
    /// No account has settled yet.
    #[must_use]
    pub fn new(events: Option<EventSource>, state_dir: &Path) -> Self {
        let way = Way::to(state_dir).ok().map(Arc::new);
        Self { events, state_dir: way.map(|way| Settled { dir: state_dir.to_owned(), way }), ..Self::default() }
    }

    /// Finds what the folder of this account would share with another.
    ///
    /// # Errors
    /// [`FolderProblem::NotOurs`] names the other.
    pub fn look(&self, account: &str, dir: &Path, way: &Way) -> Result<(), FolderProblem> {
        beside(&self.settled.lock().unwrap_or_else(PoisonError::into_inner), self.state_dir.as_ref(), account, dir, way)
    }

    /// The same, and takes the folder for this account if there is nothing.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn settle(&self, account: &str, dir: &Path, way: Arc<Way>) -> Result<(), FolderProblem> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        beside(&settled, self.state_dir.as_ref(), account, dir, &way)?;
        settled.insert(account.to_owned(), Settled { dir: dir.to_owned(), way });
        Ok(())
    }

    /// Gives the folder back, unless a successor has taken it over.
    pub(super) fn leave(&self, account: &str, way: &Arc<Way>) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.get(account).is_some_and(|settled| Arc::ptr_eq(&settled.way, way)) {
            settled.remove(account);
        }
    }
}

fn beside(
    settled: &HashMap<String, Settled>,
    state_dir: Option<&Settled>,
    account: &str,
    dir: &Path,
    way: &Way,
) -> Result<(), FolderProblem> {
    let not_ours = |relation: &str, other: String| FolderProblem::NotOurs {
        dir: dir.to_owned(),
        why: format!("{relation} {other}, and none may lie in another"),
        remedy: "choose a folder beside it".to_owned(),
    };
    if let Some(state) = state_dir
        && let Some(relation) = way.relation(&state.way)
    {
        return Err(not_ours(relation, format!("state_dir ({})", state.dir.display())));
    }
    let others = settled.iter().filter(|(other, _)| *other != account);
    for (other, Settled { dir: theirs, way: their_way }) in others {
        if let Some(relation) = way.relation(their_way) {
            return Err(not_ours(relation, format!("the folder of account {other:?} ({})", theirs.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn f10_links_are_followed_by_who_opens_a_folder_and_the_other_account_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a/sent", "b", "state"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        symlink(path("a"), path("same")).unwrap();
        symlink(path("a/sent"), path("inside")).unwrap();
        symlink(dir.path(), path("around")).unwrap();
        let neighbours = Neighbours::new(None, &path("state"));
        let way = |name: &str| Arc::new(Way::to(&path(name)).unwrap());
        let settle = |account: &str, name: &str| neighbours.settle(account, &path(name), way(name));
        let refused = |account: &str, name: &str| settle(account, name).unwrap_err().to_string();
        settle("one", "a").unwrap();
        settle("two", "b").unwrap();
        settle("one", "a").unwrap();
        let one = format!("the folder of account \"one\" ({})", path("a").display());
        assert!(
            refused("other", "same")
                .contains(&format!("this is also {one}, and none may lie in another; choose a folder beside it"))
        );
        assert!(refused("other", "inside").contains(&format!("this lies inside {one}")));
        assert!(refused("other", "around").contains("this holds state_dir"));
        assert!(neighbours.look("other", &path("inside"), &way("inside")).is_err());

        let taken = way("same");
        neighbours.leave("one", &taken);
        assert!(settle("other", "same").is_err(), "another way of one that is still there");
        neighbours.settle("one", &path("a"), Arc::clone(&taken)).unwrap();
        neighbours.leave("one", &taken);
        settle("other", "same").unwrap();
    }
}
