//! No watched folder may lie in another, nor hold the state directory: a file would have two owners.
//!
//! Paths are compared by their text. No folder is read here, because one on a share that hangs would keep every command,
//! reload and start waiting (DESIGN F10). Links are followed when an account's own thread opens its folder.

use super::problem::wrong;
use super::problems::{Place, Report};
use std::path::{Component, Path, PathBuf};

/// The folder of an account, and where that is written.
#[derive(Debug)]
pub(super) struct Folder {
    label: String,
    place: Place,
    written: PathBuf,
    plain: PathBuf,
}

impl Folder {
    pub(super) fn new(label: String, place: Place, path: &Path) -> Self {
        Self { label, place, written: path.to_owned(), plain: plain(path) }
    }
}

/// Without `.` and `..`, by the text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(component),
        }
    }
    plain
}

/// How one folder lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Inside,
    Around,
}

fn relation(this: &Path, other: &Path) -> Option<Relation> {
    if this == other {
        Some(Relation::Same)
    } else if this.starts_with(other) {
        Some(Relation::Inside)
    } else if other.starts_with(this) {
        Some(Relation::Around)
    } else {
        None
    }
}

/// Reports every pair that overlaps, at the later of the two.
pub(super) fn check_overlaps(report: &mut Report, folders: &[Folder], state_dir: &Path) {
    let plain_state_dir = plain(state_dir);
    for (index, folder) in folders.iter().enumerate() {
        if !state_dir.as_os_str().is_empty()
            && let Some(relation) = relation(&folder.plain, &plain_state_dir)
        {
            blame(report, folder, relation, &format!("state_dir ({})", state_dir.display()));
        }
        for other in &folders[..index] {
            if let Some(relation) = relation(&folder.plain, &other.plain) {
                blame(
                    report,
                    folder,
                    relation,
                    &format!("the folder of {} ({})", other.label, other.written.display()),
                );
            }
        }
    }
}

fn blame(report: &mut Report, folder: &Folder, relation: Relation, other: &str) {
    let message = match relation {
        Relation::Same => format!("this is also {other}"),
        Relation::Inside => format!("this lies inside {other}"),
        Relation::Around => format!("this holds {other}"),
    };
    let shown = format!("{:?}", folder.written.display().to_string());
    let problem = wrong(message, "choose a folder beside it; none may lie in another");
    report.add(folder.place.clone(), format!("{}: folder", folder.label), Some(shown), problem);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_component() {
        let of = |this: &str, other: &str| relation(&plain(Path::new(this)), &plain(Path::new(other)));
        assert_eq!(of("/nowhere/a", "/nowhere/./a/"), Some(Relation::Same));
        assert_eq!(of("/nowhere/a/sent", "/nowhere/a"), Some(Relation::Inside));
        assert_eq!(of("/nowhere", "/nowhere/a"), Some(Relation::Around));
        assert_eq!(of("/nowhere/b/../a", "/nowhere/a"), Some(Relation::Same));
        assert_eq!(of("/nowhere/ab", "/nowhere/a"), None);
    }
}
