use super::*;
use crate::folder::directory::identity_at;
use crate::job::{Fingerprint, Sha256};
use crate::testing::surroundings::{self, Surroundings};
use sha2::Digest as _;
use std::fs;
use std::path::Path;

fn folder() -> (tempfile::TempDir, AccountFolder) {
    let dir = tempfile::tempdir().unwrap();
    let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
    (dir, opened.folder)
}

fn move_sales(folder: &AccountFolder, job: i64, way: (Place, Place), hashed: Fingerprint) -> io::Result<Moved> {
    move_touching(folder, job, way, hashed, &mut Touched::new())
}

fn move_touching(
    folder: &AccountFolder,
    job: i64,
    way: (Place, Place),
    hashed: Fingerprint,
    touched: &mut Touched,
) -> io::Result<Moved> {
    folder.move_file(&wanted(job, way, hashed), touched)
}

fn wanted(job: i64, (from, to): (Place, Place), hashed: Fingerprint) -> Wanted<'static> {
    Wanted {
        job: JobId(job),
        name: OsStr::new("sales.txt"),
        from,
        to,
        hashed: Some(hashed.identity),
        sha256: Some(hashed.sha256),
        was_sent: true,
        read: &|directory, name| Ok(content_at(&directory.path_of(name))),
        is_of_another: &|_, _| false,
    }
}

fn content_at(path: &Path) -> Fingerprint {
    let digest = sha2::Sha256::digest(fs::read(path).unwrap());
    Fingerprint { identity: identity_at(path), sha256: Sha256::new(digest.into()) }
}

fn put(path: &Path, text: &str) -> Fingerprint {
    fs::write(path, text).unwrap();
    content_at(path)
}

fn filed(place: Place, name: &str) -> (Place, OsString, Option<Oddity>) {
    (place, name.into(), None)
}

fn told(moved: Moved) -> (Place, OsString, Option<Oddity>) {
    (moved.place, moved.name, moved.note)
}

#[test]
fn f1_a_move_never_overwrites() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "new");
    put(&dir.path().join("sent/sales.txt"), "old");
    put(&dir.path().join("sent/sales.17.txt"), "older");
    let moved = move_sales(&folder, 17, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!(told(moved), filed(Place::Sent, "sales.17.2.txt"));
    assert_eq!(fs::read_to_string(dir.path().join("sent/sales.txt")).unwrap(), "old");
    assert_eq!(fs::read_to_string(dir.path().join("sent/sales.17.2.txt")).unwrap(), "new");
}

#[test]
fn f1_a_move_that_was_made_but_not_written_down_is_recognised() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "x");
    fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!(moved.place, Place::Sent);
    // And a new file of that name stays where it is.
    put(&dir.path().join("sales.txt"), "another");
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!((moved.place, moved.note), (Place::Sent, None));
    assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another");
}

/// Found by the simulation, seed 309: the job was said to have lost its file, which no job knew any more.
#[test]
fn f1_a_move_under_the_name_that_somebody_gave_it_meanwhile_is_recognised() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "x");
    put(&dir.path().join("failed/other.txt"), "x");
    fs::rename(dir.path().join("sales.txt"), dir.path().join("failed/renamed.txt")).unwrap();
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Failed), file).unwrap();
    assert_eq!(told(moved), filed(Place::Failed, "renamed.txt"));
}

#[test]
fn f1_a_move_to_a_numbered_name_that_was_not_written_down_is_recognised() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "x");
    put(&dir.path().join("sent/sales.txt"), "older");
    let first = move_sales(&folder, 5, (Place::Inbox, Place::Sent), file).unwrap();
    let again = move_sales(&folder, 5, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!((again.place, &again.name, &again.note), (Place::Sent, &OsString::from("sales.5.txt"), &None));
    assert_eq!(first, again);
}

#[test]
fn f1_a_file_whose_move_was_not_written_down_is_found_though_its_job_went_on() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "x");
    fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
    // The job log still believes it in the inbox, and wants it in done/ by now.
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Done), file).unwrap();
    assert_eq!(told(moved), filed(Place::Done, "sales.txt"));
    assert_eq!(fs::read_to_string(dir.path().join("done/sales.txt")).unwrap(), "x");
}

#[test]
fn f2_another_file_outside_the_inbox_goes_back_and_overwrites_nothing() {
    let (dir, folder) = folder();
    let sent = put(&dir.path().join("sent/sales.txt"), "sent");
    put(&dir.path().join("sent/other"), "another file");
    fs::rename(dir.path().join("sent/other"), dir.path().join("sent/sales.txt")).unwrap();
    put(&dir.path().join("sales.txt"), "a third file");
    let moved = move_sales(&folder, 3, (Place::Sent, Place::Done), sent).unwrap();
    assert_eq!(moved.place, Place::Gone);
    assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "a third file");
    assert_eq!(fs::read_to_string(dir.path().join("sales.3.txt")).unwrap(), "another file");
}

#[test]
fn f1_every_directory_that_a_move_changes_is_made_durable() {
    let (dir, folder) = folder();
    let mut touched = Touched::new();
    let sent = put(&dir.path().join("sent/sales.txt"), "sent");
    put(&dir.path().join("sent/other"), "another file");
    fs::rename(dir.path().join("sent/other"), dir.path().join("sent/sales.txt")).unwrap();
    move_touching(&folder, 3, (Place::Sent, Place::Done), sent, &mut touched).unwrap();
    assert!(touched.contains(&Place::Inbox) && touched.contains(&Place::Sent), "where it went back to");

    touched.clear();
    let file = put(&dir.path().join("sent/sales.txt"), "x");
    move_touching(&folder, 4, (Place::Held, Place::Done), file, &mut touched).unwrap();
    assert!(touched.contains(&Place::Sent), "where it lay by a move that was not written down");
    folder.sync(&touched).unwrap();
}

#[test]
fn f9_what_is_in_the_way_of_a_move_is_not_followed_and_not_replaced() {
    let (dir, folder) = folder();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("sent/sales.txt")).unwrap();
    fs::create_dir(dir.path().join("sent/sales.17.txt")).unwrap();
    let file = put(&dir.path().join("sales.txt"), "x");
    let moved = move_sales(&folder, 17, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!(moved.name, "sales.17.2.txt");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_marker_is_made_once_and_a_directory_is_none() {
    let (dir, folder) = folder();
    folder.make_marker("sales").unwrap();
    folder.make_marker("sales").unwrap();
    fs::create_dir(dir.path().join("costs.fin")).unwrap();
    assert!(folder.make_marker("costs").unwrap_err().to_string().contains("costs.fin is a directory"));
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".datadrop", "costs.fin", "done", "failed", "held", "sales.fin", "sent"]);
}

#[test]
fn f2_another_inode_goes_back_as_a_new_file() {
    let (dir, folder) = folder();
    let sent = put(&dir.path().join("sales.txt"), "sent");
    put(&dir.path().join("other"), "another file");
    fs::rename(dir.path().join("other"), dir.path().join("sales.txt")).unwrap();
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
    assert_eq!(moved.place, Place::Gone);
    assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another file");
}

#[test]
fn f2_a_file_changed_after_it_was_sent_is_reported() {
    let (dir, folder) = folder();
    let sent = put(&dir.path().join("sales.txt"), "sent");
    fs::write(dir.path().join("sales.txt"), "sent and changed").unwrap();
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
    assert_eq!(moved.place, Place::Gone, "what lies there is a new file");
    assert_eq!(moved.note, Some(Oddity::Changed));

    let sent = put(&dir.path().join("sent/sales.txt"), "sent");
    fs::write(dir.path().join("sent/sales.txt"), "sent and changed").unwrap();
    let moved = move_sales(&folder, 1, (Place::Sent, Place::Done), sent).unwrap();
    assert_eq!((moved.place, moved.identity), (Place::Done, None), "the job log keeps what was sent");
}

/// Found by the simulation, seeds 180449 and 190907: somebody writes another file in place of one whose upload is unclear, and
/// that is held.
#[test]
fn f2_what_is_written_into_a_file_that_may_have_been_sent_is_a_new_file_wherever_that_one_goes() {
    for to in [Place::Held, Place::Failed] {
        for (was_sent, place) in [(true, Place::Gone), (false, to)] {
            let (dir, folder) = folder();
            let hashed = put(&dir.path().join("sales.txt"), "hashed");
            fs::write(dir.path().join("sales.txt"), "another").unwrap();
            let wanted = Wanted { was_sent, ..wanted(1, (Place::Inbox, to), hashed) };
            let moved = folder.move_file(&wanted, &mut Touched::new()).unwrap();
            assert_eq!((moved.place, moved.note), (place, was_sent.then_some(Oddity::Changed)), "{to:?} {was_sent}");
            assert_eq!(dir.path().join("sales.txt").exists(), was_sent);
        }
    }
}

#[test]
fn f2_outside_the_inbox_the_content_decides_and_its_new_numbers_are_told() {
    let (dir, folder) = folder();
    let at = dir.path().join("sent/sales.txt");
    let sent = put(&at, "sent");
    // As a copy of the whole folder does, or an editor that writes the same content again.
    fs::copy(&at, dir.path().join("copy")).unwrap();
    fs::rename(dir.path().join("copy"), &at).unwrap();
    let moved = move_sales(&folder, 1, (Place::Sent, Place::Done), sent).unwrap();
    assert_eq!(moved.identity, Some(identity_at(&dir.path().join("done/sales.txt"))));
    assert_ne!(moved.identity, Some(sent.identity));
    assert_eq!(told(moved), filed(Place::Done, "sales.txt"));
}

#[test]
fn f2_a_file_that_was_renamed_in_the_inbox_is_filed_under_its_new_name() {
    let (dir, folder) = folder();
    let sent = put(&dir.path().join("sales.txt"), "sent");
    fs::rename(dir.path().join("sales.txt"), dir.path().join("costs.txt")).unwrap();
    put(&dir.path().join("a.txt"), "sent");
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
    assert_eq!(told(moved), filed(Place::Sent, "costs.txt"));
    assert!(dir.path().join("a.txt").exists(), "a copy of it is another drop");
}

#[test]
fn a_file_that_somebody_removed_is_gone_and_a_missing_folder_is_an_error() {
    let (dir, folder) = folder();
    let file = put(&dir.path().join("sales.txt"), "x");
    fs::remove_file(dir.path().join("sales.txt")).unwrap();
    let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
    assert_eq!(moved.place, Place::Gone);
    fs::remove_dir(dir.path().join("sent")).unwrap();
    assert!(move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).is_err());
}

#[test]
fn only_the_very_file_that_was_filed_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
    let done = dir.path().join("done");
    let remove = |name: &str, hashed| folder.remove_done(OsStr::new(name), hashed).unwrap();

    let filed = put(&done.join("filed.txt"), "x").identity;
    assert_eq!(remove("filed.txt", filed), Removal::Gone);
    assert!(!done.join("filed.txt").exists());
    assert_eq!(remove("filed.txt", filed), Removal::Gone, "removed before, and not written down");

    let changed = put(&done.join("changed.txt"), "x").identity;
    fs::write(done.join("changed.txt"), "xy").unwrap();
    let replaced = put(&done.join("replaced.txt"), "x").identity;
    put(&done.join("other"), "x");
    fs::rename(done.join("other"), done.join("replaced.txt")).unwrap();
    let linked = put(&done.join("linked.txt"), "x").identity;
    fs::rename(done.join("linked.txt"), done.join("target")).unwrap();
    std::os::unix::fs::symlink("target", done.join("linked.txt")).unwrap();
    for (name, hashed) in [("changed.txt", changed), ("replaced.txt", replaced), ("linked.txt", linked)] {
        assert_eq!(remove(name, hashed), Removal::Left, "{name}");
        assert!(fs::symlink_metadata(done.join(name)).is_ok(), "{name}");
    }
    assert!(done.join("target").exists());

    fs::remove_dir_all(&done).unwrap();
    assert!(folder.remove_done(OsStr::new("filed.txt"), filed).is_err(), "a folder that is not there tells nothing");
}

#[test]
fn f9_whatever_bears_the_name_of_an_explanation_is_replaced_itself_and_a_directory_stays() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
    let failed = dir.path().join("failed");
    std::os::unix::fs::symlink(&secret, failed.join("link.txt.why")).unwrap();
    std::fs::hard_link(&secret, failed.join("hard.txt.why")).unwrap();
    std::fs::write(failed.join("older.txt.why"), "older").unwrap();
    for name in ["link.txt", "hard.txt", "older.txt", "none.txt"] {
        folder.write_why(Place::Failed, OsStr::new(name), "text").unwrap();
        assert_eq!(std::fs::read_to_string(failed.join(format!("{name}.why"))).unwrap(), "text", "{name}");
        assert!(std::fs::symlink_metadata(failed.join(format!("{name}.why"))).unwrap().is_file(), "{name}");
    }
    std::fs::create_dir(failed.join("dir.txt.why")).unwrap();
    folder.write_why(Place::Failed, OsStr::new("dir.txt"), "text").unwrap();
    assert_eq!(std::fs::read_to_string(failed.join("dir.txt.2.why")).unwrap(), "text");
    std::fs::write(failed.join("dir.txt"), "another").unwrap();
    remove_why(folder.place(Place::Failed), OsStr::new("dir.txt"));
    assert!(failed.join("dir.txt.2.why").exists(), "it explains what lies there now");
    std::fs::remove_file(failed.join("dir.txt")).unwrap();
    remove_why(folder.place(Place::Failed), OsStr::new("dir.txt"));
    let mut names: Vec<_> = std::fs::read_dir(&failed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dir.txt.why", "hard.txt.why", "link.txt.why", "none.txt.why", "older.txt.why"]);
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
}

/// Found by the simulation, seed 702064: a file that nobody had read was put on hold, moved, and written on; then the process
/// ended before the move was written down. Here each path has a number of its own, and no file a time of birth.
#[test]
fn f1_a_file_that_was_never_read_is_found_where_it_was_moved_though_it_was_written_on() {
    let (dir, folder) = folder();
    surroundings::begin(Surroundings { inodes_of_paths: true, ..Surroundings::default() });
    let seen = put(&dir.path().join("sales.txt"), "Date\n");
    fs::rename(dir.path().join("sales.txt"), dir.path().join("held/sales.txt")).unwrap();
    fs::write(dir.path().join("held/sales.txt"), "Date\nand more\n").unwrap();
    for newer_one in [false, true] {
        if newer_one {
            put(&dir.path().join("sales.txt"), "Date\tEvar 1\n");
        }
        let wanted = Wanted { sha256: None, was_sent: false, ..wanted(7, (Place::Inbox, Place::Held), seen) };
        let moved = folder.move_file(&wanted, &mut Touched::new()).unwrap();
        assert_eq!(told(moved), filed(Place::Held, "sales.txt"), "a newer one is there: {newer_one}");
    }
    surroundings::end();
}
