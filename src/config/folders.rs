//! No watched folder may lie in another, nor hold the state directory: a file would have two owners.

use super::problem::wrong;
use super::report::{Place, Report};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The folder of an account, and where that is written.
#[derive(Debug)]
pub(super) struct Folder {
    label: String,
    place: Place,
    written: PathBuf,
    /// By the text alone, and by what is on the disk now.
    forms: [PathBuf; 2],
}

impl Folder {
    pub(super) fn new(label: String, place: Place, path: &Path) -> Self {
        Self { label, place, written: path.to_owned(), forms: forms(path) }
    }
}

fn forms(path: &Path) -> [PathBuf; 2] {
    [lexical(path), real(path)]
}

/// Without `.` and `..`, by the text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(component),
        }
    }
    normal
}

/// Without links, as far as the path exists.
fn real(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    let mut here = lexical(path);
    let mut found = path.canonicalize();
    loop {
        if let Ok(mut found) = found {
            found.extend(missing.iter().rev());
            return found;
        }
        let Some(name) = here.file_name().map(ToOwned::to_owned) else { return lexical(path) };
        missing.push(name);
        here.pop();
        found = here.canonicalize();
    }
}

/// How one folder lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Inside,
    Around,
}

fn relation(this: &[PathBuf; 2], other: &[PathBuf; 2]) -> Option<Relation> {
    let pairs = || this.iter().flat_map(|this| other.iter().map(move |other| (this, other)));
    if pairs().any(|(this, other)| this == other) {
        Some(Relation::Same)
    } else if pairs().any(|(this, other)| this.starts_with(other)) {
        Some(Relation::Inside)
    } else if pairs().any(|(this, other)| other.starts_with(this)) {
        Some(Relation::Around)
    } else {
        None
    }
}

/// Reports every pair that overlaps, at the later of the two.
pub(super) fn check_overlaps(report: &mut Report, folders: &[Folder], state_dir: &Path) {
    let state_forms = forms(state_dir);
    for (index, folder) in folders.iter().enumerate() {
        if !state_dir.as_os_str().is_empty()
            && let Some(relation) = relation(&folder.forms, &state_forms)
        {
            blame(report, folder, relation, &format!("state_dir ({})", state_dir.display()));
        }
        for other in &folders[..index] {
            if let Some(relation) = relation(&folder.forms, &other.forms) {
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

    fn of(this: &Path, other: &Path) -> Option<Relation> {
        relation(&forms(this), &forms(other))
    }

    #[test]
    fn paths_are_compared_by_component() {
        let of = |this: &str, other: &str| of(Path::new(this), Path::new(other));
        assert_eq!(of("/nowhere/a", "/nowhere/./a/"), Some(Relation::Same));
        assert_eq!(of("/nowhere/a/sent", "/nowhere/a"), Some(Relation::Inside));
        assert_eq!(of("/nowhere", "/nowhere/a"), Some(Relation::Around));
        assert_eq!(of("/nowhere/b/../a", "/nowhere/a"), Some(Relation::Same));
        assert_eq!(of("/nowhere/ab", "/nowhere/a"), None);
    }

    #[test]
    fn links_are_followed_as_far_as_the_path_exists() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("link")).unwrap();
        assert_eq!(of(&dir.path().join("link"), &dir.path().join("a")), Some(Relation::Same));
        assert_eq!(of(&dir.path().join("link/new"), &dir.path().join("a")), Some(Relation::Inside));
        assert_eq!(of(&dir.path().join("b"), &dir.path().join("a")), None);
    }
}
