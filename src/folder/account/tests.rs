use super::*;
use crate::folder::{AccountFolder, MARK};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

fn open(dir: &Path, remembered: Option<&str>) -> Result<Opened, FolderProblem> {
    AccountFolder::open("callcentre", dir, remembered, 7)
}

/// Whichever of the two is opened first: what lies there has been sent.
#[test]
fn f10_a_folder_inside_that_of_another_account_is_refused_before_the_other_is_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(AccountFolder::open("a", dir.path(), None, 7).unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("b");
    symlink(dir.path().join("done"), &link).unwrap();
    for inside in [dir.path().join("done"), link] {
        let refused = AccountFolder::open("b", &inside, None, 7).err().unwrap().to_string();
        assert!(refused.contains("inside the folder of account \"a\""), "{refused}");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path().join("done")).unwrap().collect();
    assert!(left.is_empty(), "nothing is made in it: {left:?}");
}

#[test]
fn f4_a_folder_is_known_by_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mark = open(dir.path(), None).unwrap().mark;
    assert!(open(dir.path(), Some(&mark)).is_ok());
    assert!(open(dir.path(), None).is_ok(), "marked before the job log remembered it");

    let other = AccountFolder::open("returns", dir.path(), None, 7);
    assert!(matches!(other, Err(FolderProblem::NotOurs { .. })));

    std::fs::remove_file(dir.path().join(MARK)).unwrap();
    assert!(matches!(open(dir.path(), Some(&mark)), Err(FolderProblem::NotOurs { .. })));
    assert!(!dir.path().join(MARK).exists(), "a folder that may be the wrong one is left as it is");
}

#[test]
fn f4_a_missing_folder_is_never_created() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(matches!(open(&missing, None), Err(FolderProblem::Missing(_))));
    assert!(!missing.exists());
}

#[test]
fn a_folder_with_sent_files_and_an_empty_job_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("done")).unwrap();
    std::fs::write(dir.path().join("done/sales.txt"), "x").unwrap();
    assert!(matches!(open(dir.path(), None), Err(FolderProblem::NotOurs { .. })));
}

#[test]
fn one_daemon_for_each_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), None).unwrap();
    assert!(matches!(open(dir.path(), None), Err(FolderProblem::InUse(_))));
    drop(first);
    assert!(open(dir.path(), None).is_ok());
}

#[test]
fn a_replaced_folder_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("in");
    std::fs::create_dir(&dir).unwrap();
    let opened = open(&dir, None).unwrap();
    assert!(opened.folder.check().is_ok());
    std::fs::rename(&dir, parent.path().join("away")).unwrap();
    assert!(matches!(opened.folder.check(), Err(FolderProblem::Missing(_))));
    std::fs::create_dir(&dir).unwrap();
    assert!(matches!(opened.folder.check(), Err(FolderProblem::NotOurs { .. })));
}

#[test]
fn f1_sub_folders_take_the_inboxs_mode() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
    open(dir.path(), None).unwrap();
    for place in Place::SUB_FOLDERS {
        let mode = std::fs::metadata(dir.path().join(place.as_str())).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o2770, "{}", place.as_str());
    }
}

fn problem(opened: Result<Opened, FolderProblem>) -> String {
    opened.unwrap_err().to_string()
}

#[test]
fn f9_whatever_is_in_the_place_of_the_mark_is_not_opened_and_blocks() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mark, secret) = (dir.path().join(MARK), outside.path().join("secret"));
    std::fs::write(&secret, "account callcentre\n").unwrap();
    symlink(&secret, &mark).unwrap();
    assert!(problem(open(dir.path(), None)).contains("a symbolic link"));
    std::fs::remove_file(&mark).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &mark, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(problem(open(dir.path(), None)).contains("a named pipe"), "and nothing hangs");
    std::fs::remove_file(&mark).unwrap();
    std::fs::hard_link(&secret, &mark).unwrap();
    assert!(problem(open(dir.path(), None)).contains("a hard link"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made in it");
    std::fs::remove_file(&mark).unwrap();
    assert!(open(dir.path(), None).is_ok());
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "account callcentre\n");
}

#[test]
fn f9_a_sub_folder_is_a_directory_of_its_own() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = dir.path().join("sent");
    for target in [Path::new("."), outside.path(), Path::new("held"), Path::new("nowhere")] {
        symlink(target, &sent).unwrap();
        assert!(problem(open(dir.path(), None)).contains("a symbolic link has its name"), "{}", target.display());
        std::fs::remove_file(&sent).unwrap();
    }
    let folder = open(dir.path(), None).unwrap().folder;
    folder.check().unwrap();
    std::fs::remove_dir(&sent).unwrap();
    assert!(folder.check().unwrap_err().to_string().contains("not there any more"));
    symlink(".", &sent).unwrap();
    assert!(folder.check().unwrap_err().to_string().contains("a symbolic link has taken its place"));
    std::fs::remove_file(&sent).unwrap();
    std::fs::create_dir(&sent).unwrap();
    assert!(folder.check().unwrap_err().to_string().contains("another directory has taken its place"));
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn f9_a_copy_of_the_mark_does_not_let_another_daemon_in() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), None).unwrap();
    let copy = || {
        std::fs::copy(dir.path().join(MARK), dir.path().join("copy")).unwrap();
        std::fs::rename(dir.path().join("copy"), dir.path().join(MARK)).unwrap();
    };
    copy();
    assert!(matches!(open(dir.path(), Some(&first.mark)), Err(FolderProblem::InUse(_))));
    assert!(matches!(AccountFolder::reopen("callcentre", dir.path(), 1), Err(FolderProblem::InUse(_))));
    first.folder.check().unwrap();
    copy();
    // On another host, where the lock of the directory is not seen.
    let elsewhere = std::fs::File::open(dir.path().join(MARK)).unwrap();
    elsewhere.try_lock().unwrap();
    assert!(matches!(first.folder.check(), Err(FolderProblem::InUse(_))));
    drop((elsewhere, first.folder));
    let again = open(dir.path(), Some(&first.mark)).unwrap();
    again.folder.check().unwrap();
    // Touched, and the same file all the same.
    std::fs::set_permissions(dir.path().join(MARK), std::fs::Permissions::from_mode(0o600)).unwrap();
    again.folder.check().unwrap();
}

#[test]
fn f9_a_sub_folder_of_one_account_is_no_folder_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), None).unwrap();
    let sent = dir.path().join("sent");
    assert!(matches!(AccountFolder::open("b", &sent, None, 1), Err(FolderProblem::NotOurs { .. })));
    assert_eq!(std::fs::read_dir(&sent).unwrap().count(), 0, "it is left as it is");
    drop(opened);
    // The other way round, where neither was ever opened: the one that came first keeps it.
    let dir = tempfile::tempdir().unwrap();
    let sent = dir.path().join("sent");
    std::fs::create_dir(&sent).unwrap();
    let other = AccountFolder::open("b", &sent, None, 1).unwrap();
    assert!(matches!(open(dir.path(), None), Err(FolderProblem::NotOurs { .. } | FolderProblem::InUse(_))));
    drop(other);
}

#[test]
fn f5_a_sub_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sent"), "x").unwrap();
    assert!(matches!(open(dir.path(), None), Err(FolderProblem::Displaced { .. })));
    assert!(!dir.path().join(MARK).exists());
}

#[test]
fn what_a_crash_left_hidden_is_removed_and_what_is_not_ours_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), None).unwrap());
    let left = ["failed/.datadrop-why-0123456789abcdef", ".datadrop-marker-0123456789abcdef"];
    let theirs = [".datadrop-drop-0123456789abcdef", ".datadrop-why-x", "held/.hidden"];
    for name in left.iter().chain(&theirs) {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    drop(open(dir.path(), None).unwrap());
    assert!(left.iter().all(|name| !dir.path().join(name).exists()));
    assert!(theirs.iter().all(|name| dir.path().join(name).exists()));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            let inner = if path.is_dir() { names(&path) } else { Vec::new() };
            inner.into_iter().chain([path.display().to_string()])
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_looked_at_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let seen = examine("a", dir.path(), None).unwrap();
    assert!(!seen.is_marked && !seen.is_in_use);
    assert!(seen.tells_writers, "a directory for temporary files takes leases (R5)");
    assert!(names(dir.path()).is_empty());

    let opened = AccountFolder::open("a", dir.path(), None, 7).unwrap();
    let before = names(dir.path());
    let seen = examine("a", dir.path(), Some(&opened.mark)).unwrap();
    assert!(seen.is_marked && seen.is_in_use && seen.tells_writers);
    drop(opened.folder);
    let seen = examine("a", dir.path(), Some(&opened.mark)).unwrap();
    assert!(seen.is_marked && !seen.is_in_use);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn what_would_block_the_account_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(examine("a", &dir.path().join("none"), None), Err(FolderProblem::Missing(_))));
    let mark = AccountFolder::open("a", dir.path(), None, 7).unwrap().mark;
    assert!(matches!(examine("b", dir.path(), None), Err(FolderProblem::NotOurs { .. })));
    fs::remove_dir(dir.path().join("sent")).unwrap();
    fs::write(dir.path().join("sent"), "").unwrap();
    assert!(matches!(examine("a", dir.path(), Some(&mark)), Err(FolderProblem::Displaced { .. })));
    fs::remove_file(dir.path().join(MARK)).unwrap();
    assert!(matches!(examine("a", dir.path(), Some(&mark)), Err(FolderProblem::NotOurs { .. })));
    assert!(!names(dir.path()).iter().any(|name| name.contains("doctor")));
}

#[test]
fn files_are_found_and_explanations_are_not() {
    let dir = tempfile::tempdir().unwrap();
    for place in ["sent", "done", "held"] {
        fs::create_dir(dir.path().join(place)).unwrap();
    }
    for name in ["done/a.txt", "done/a.txt.why", "done/.hidden", "sent/b.txt", "held/c.txt"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let found =
        filed_after(&Directory::open(dir.path()).unwrap(), &[Place::Sent, Place::Done, Place::Failed], i64::MIN)
            .unwrap();
    let mut names: Vec<_> = found.iter().map(|file| (file.place, file.disk_name.to_str().unwrap())).collect();
    names.sort_by_key(|(_, name)| *name);
    assert_eq!(names, [(Place::Done, "a.txt"), (Place::Sent, "b.txt")]);
    assert_eq!(filed_after(&Directory::open(dir.path()).unwrap(), &[Place::Sent], i64::MAX).unwrap(), []);
}
