//! `verify`: compares the files in `done/` with the job log's record of what was sent (P2). It changes nothing.

use crate::harness::{World, arrived_once, connect_to_write, data, names, stderr, stdout, tagged};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

/// The findings of `verify --json`, and its exit code.
fn verify(world: &World, arguments: &[&str]) -> (Vec<Value>, i32) {
    let output = world.run(&[&["verify", "--json"], arguments].concat());
    assert_eq!(stderr(&output), "");
    (serde_json::from_str(&stdout(&output)).unwrap(), output.status.code().unwrap())
}

/// The status of each difference, by the name of its file.
fn statuses(found: &[Value]) -> Vec<(String, String, Option<i64>)> {
    let mut all: Vec<_> = found
        .iter()
        .map(|found| {
            let path = Path::new(found["path"].as_str().unwrap());
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, found["status"].as_str().unwrap().to_owned(), found["job_id"].as_i64())
        })
        .collect();
    all.sort();
    all
}

/// A world that has sent these files. Its daemon has filed them in `done/`, and has stopped.
fn sent(world: &World, files: &[&str]) -> PathBuf {
    let daemon = world.start();
    for name in files {
        world.drop_file("a", name, tagged(name));
        arrived_once(world, name);
    }
    let done = world.folder("a").join("done");
    world.wait("everything to be filed", || names(&done).len() == files.len());
    daemon.stop();
    done
}

/// Everything about the files in a directory that reading must not change.
fn picture(dir: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let found = fs::symlink_metadata(&path).unwrap();
            (path, found.ino(), found.ctime_nsec(), found.mtime_nsec())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn p2_unchanged_sent_files_match_with_and_without_a_daemon() {
    let mut world = World::new();
    world.account("a", "fin = \"upload\"");
    let daemon = world.start();
    for name in ["sales.txt", "costs.txt"] {
        world.drop_file("a", name, tagged(name));
        arrived_once(&world, name);
    }
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    let done = world.folder("a").join("done");
    world.wait("everything to be filed", || names(&done).len() == 3);
    assert_eq!(verify(&world, &[]), (Vec::new(), 0));
    daemon.stop();
    let output = world.run(&["verify", "--account", "a"]);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("account a: 3 files in done/ as sent\n", ""));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(world.run(&["verify", "--account", "nobody"]).status.code(), Some(4));
}

#[test]
fn changed_missing_foreign_and_unreadable_files_are_named_and_left_as_they_are() {
    let world = World::new();
    let done = sent(&world, &["changed.txt", "missing.txt", "moved.txt", "same.txt", "swapped.txt"]);
    let id = |name: &str| world.jobs().into_iter().find(|job| job.file_name == name).unwrap().id;
    fs::write(done.join("changed.txt"), data(7)).unwrap();
    fs::remove_file(done.join("missing.txt")).unwrap();
    fs::rename(done.join("moved.txt"), done.join("elsewhere.txt")).unwrap();
    fs::remove_file(done.join("swapped.txt")).unwrap();
    symlink("/etc/passwd", done.join("swapped.txt")).unwrap();
    fs::write(done.join("somebody's.txt"), "never ours").unwrap();
    fs::write(done.join(".hidden"), "of an editor").unwrap();
    fs::create_dir(done.join("folder")).unwrap();
    // If `verify` opened it, closing it would drop the locks of the process on the database.
    fs::hard_link(world.state_dir().join("datadrop.db"), done.join("linked.txt")).unwrap();
    fs::write(done.join(OsStr::from_bytes(b"\xff\n.txt")), "of no name").unwrap();
    let (before, log) = (picture(&done), world.log());

    let (found, code) = verify(&world, &[]);
    let found_statuses = statuses(&found);
    let expected = [
        ("changed.txt", "changed", Some(id("changed.txt"))),
        ("elsewhere.txt", "foreign", Some(id("moved.txt"))),
        ("folder", "foreign", None),
        ("linked.txt", "unreadable", None),
        ("missing.txt", "missing", Some(id("missing.txt"))),
        ("moved.txt", "missing", Some(id("moved.txt"))),
        ("somebody's.txt", "foreign", None),
        ("swapped.txt", "changed", Some(id("swapped.txt"))),
        ("\u{fffd}\n.txt", "foreign", None),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(name, is, job)| (name.to_owned(), is.to_owned(), job)).collect();
    assert_eq!((found_statuses, code), (expected, 3), "{found:#?}");
    let of = |name: &str| found.iter().find(|found| found["path"].as_str().unwrap().ends_with(name)).unwrap();
    assert_eq!(of("changed.txt")["message"], "it does not hold what was sent: it has 7 rows, and 1 were sent");
    assert!(of("changed.txt")["remedy"].as_str().unwrap().contains("jobs show"), "{found:#?}");
    assert!(of("linked.txt")["message"].as_str().unwrap().contains("datadrop's own"), "{found:#?}");

    let output = world.run(&["verify"]);
    let told = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(3), ""), "no bar where there is no terminal");
    assert_eq!(told.lines().count(), 10, "a line for each, whatever names hold: {told}");
    let end = "account a: 1 file in done/ as sent, 2 changed, 2 missing, 4 foreign, 1 unreadable";
    assert!(told.ends_with(&format!("{end}\n")), "{told}");
    assert_eq!((picture(&done), world.log()), (before, log), "it only looks");
}

#[test]
fn a_name_is_compared_byte_for_byte() {
    let world = World::new();
    let done = sent(&world, &["sales.txt"]);
    let name = OsStr::from_bytes(b"s\xe4les.txt");
    fs::rename(done.join("sales.txt"), done.join(name)).unwrap();
    let rename = "UPDATE job SET disk_name = ?1";
    connect_to_write(&world.state_dir()).execute(rename, [name.as_bytes()]).unwrap();
    assert_eq!(verify(&world, &[]), (Vec::new(), 0));
    fs::rename(done.join(name), done.join("s\u{fffd}les.txt")).unwrap();
    let (found, code) = verify(&world, &[]);
    assert_eq!((found.len(), code), (2, 3), "the same to look at is not the same: {found:#?}");
}

#[test]
fn files_past_keep_done_are_not_missing_and_jobs_past_keep_jobs_are_still_compared() {
    let mut world = World::new();
    let done = sent(&world, &["first.txt", "second.txt", "last.txt"]);
    // The state that `keep.jobs` leaves after 400 days.
    let prune = "INSERT INTO delivered (job_id, account, file_name, kind, state, sha256, remote_job_id, disk_name, place,
                                        uploaded_at, finished_at, line, place_id)
                 SELECT id, account, file_name, kind, state, sha256, remote_job_id, disk_name, place, uploaded_at, finished_at,
                        line, 1 FROM job WHERE id = 1;
                 INSERT INTO pruning VALUES (1);
                 DELETE FROM job_event WHERE job_id = 1;
                 DELETE FROM attempt WHERE job_id = 1;
                 DELETE FROM job_day WHERE job_id = 1;
                 DELETE FROM job WHERE id = 1;
                 DELETE FROM pruning;";
    connect_to_write(&world.state_dir()).execute_batch(prune).unwrap();
    assert_eq!(verify(&world, &[]), (Vec::new(), 0));
    fs::write(done.join("first.txt"), "changed").unwrap();
    let (found, code) = verify(&world, &[]);
    assert_eq!((statuses(&found), code), (vec![("first.txt".to_owned(), "changed".to_owned(), Some(1))], 3));

    world.set("[upload]\n", "[keep]\ndone = \"100ms\"\n[upload]\n");
    let daemon = world.start();
    world.wait("the others to leave", || names(&done) == ["first.txt"]);
    world.wait("that to be written down", || world.log().contains("left done/, as keep.done has it"));
    assert_eq!(statuses(&verify(&world, &[]).0), statuses(&found));
    daemon.stop();
}

#[test]
fn f4_a_folder_that_is_not_the_accounts_is_not_full_of_missing_files() {
    let mut world = World::new();
    world.account("b", "");
    sent(&world, &["sales.txt"]);
    fs::remove_file(world.folder("a").join(".datadrop")).unwrap();
    let output = world.run(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "account b: 0 files in done/ as sent\n", "the others are compared (F10)");
    let told = stderr(&output);
    assert!(told.contains("account a: not verified: ") && told.contains(".datadrop"), "{told}");
}

#[test]
fn without_a_job_log_there_is_nothing_to_compare_with() {
    let world = World::new();
    let output = world.run(&["verify"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(!world.state_dir().exists(), "nothing is made");
}
