//! File systems where a file has another inode under each name, or no lasting inode, or that lack renames without
//! overwriting. Each drop is delivered once, and each file is in the folder of its state (DESIGN F1, F2, F5).

use crate::harness::{HangingShare, Mounted, Quirks, World, arrived_once, connect, large, names, tagged};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Account `a` is on that file system. Events report renames, so that no test needs the minute of R4.
fn world_on<M>(mount: impl FnOnce(&Path) -> Option<M>) -> Option<(World, M)> {
    let mut world = World::new();
    world.set("[watch]\n", "[watch]\nmode = \"inotify\"\n");
    let mounted = mount(&world.folder("a"))?;
    Some((world, mounted))
}

/// Drops a file like a producer that renames within the file system.
fn rename_in(world: &World, name: &str, content: impl AsRef<[u8]>) {
    rename_into(&world.folder("a"), name, content);
}

fn rename_into(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.join(".new"), content).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

/// Every outcome of a file: accepted, with a taken name, held as a duplicate, cancelled, and over a restart.
#[track_caller]
fn each_is_delivered_once<M>(mount: impl FnOnce(&Path) -> Option<M>) {
    let Some((world, _mounted)) = world_on(mount) else { return };
    let folder = world.folder("a");
    let lie_in = |place: &str| names(&folder.join(place));
    let daemon = world.start();
    rename_in(&world, "sales.txt", tagged("one"));
    arrived_once(&world, "sales.txt");
    world.wait("it to be filed", || lie_in("done") == ["sales.txt"]);
    rename_in(&world, "sales.txt", tagged("two"));
    world.wait("the second to be filed under a name that is free", || lie_in("done").len() == 2);

    rename_in(&world, "sales.txt", tagged("one"));
    let held = world.wait_for("sales.txt", "held");
    world.wait("the duplicate to be held", || lie_in("held") == ["sales.txt", "sales.txt.why"]);
    let cancelled = world.run(&["jobs", "cancel", &held.id.to_string()]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    world.wait("the duplicate to be filed", || lie_in("failed") == ["sales.txt", "sales.txt.why"]);
    assert!(lie_in("held").is_empty(), "{:?}", lie_in("held"));
    assert_eq!(daemon.stop().code(), Some(0));

    let daemon = world.start();
    rename_in(&world, "costs.txt", tagged("three"));
    arrived_once(&world, "costs.txt");
    world.wait("the last to be filed", || lie_in("done").len() == 3);
    // If datadrop took a moved file for another one, it would come back with each scan.
    for round in 1..=5 {
        daemon.signal("USR1");
        let name = format!("after-scan-{round}.txt");
        rename_in(&world, &name, tagged(&name));
        arrived_once(&world, &name);
    }
    world.wait("all to be filed", || lie_in("done").len() == 8);
    assert_eq!(names(&folder), ["done", "failed", "held", "sent"], "nothing came back");
    assert_eq!(world.accepted()[..3], ["sales.txt", "sales.txt", "costs.txt"]);
    assert_eq!(world.accepted().len(), 8);
    assert_eq!(world.jobs().len(), 9, "{:?}", world.jobs());
    assert_eq!(fs::read(folder.join("done/sales.txt")).unwrap(), tagged("one"));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f2_where_each_path_has_an_inode_of_its_own_a_file_is_delivered_once() {
    each_is_delivered_once(|at| HangingShare::mount_with(at, Quirks { inode_by_path: true, refuses_links: None }));
}

#[test]
fn f5_without_hard_links_and_renames_that_never_overwrite_a_file_is_delivered_once() {
    refusing_links_with(Errno::NOTSUP);
}

/// The kernel returns this error for files of other users under `fs.protected_hardlinks`.
#[test]
fn f5_where_a_file_may_have_no_second_name_it_is_delivered_once() {
    refusing_links_with(Errno::PERM);
}

fn refusing_links_with(why: Errno) {
    each_is_delivered_once(|at| HangingShare::mount_with(at, Quirks { inode_by_path: true, refuses_links: Some(why) }));
}

#[test]
fn f2_on_sshfs_a_file_is_delivered_once() {
    each_is_delivered_once(Mounted::sshfs);
}

#[test]
fn f2_on_mergerfs_a_file_is_delivered_once() {
    each_is_delivered_once(Mounted::mergerfs);
}

/// The default configuration: there are no events, so each file takes the minute of R4. Both file systems run at once,
/// so no file waits for the other.
#[test]
fn f2_with_the_mode_auto_a_file_on_sshfs_and_one_on_mergerfs_is_delivered_once() {
    let mut world = World::new();
    world.account("b", "").set("[watch]\n", "[watch]\nmode = \"auto\"\n");
    let mounted = [Mounted::sshfs(&world.folder("a")), Mounted::mergerfs(&world.folder("b"))];
    let accounts: Vec<_> =
        ["a", "b"].into_iter().zip(&mounted).filter(|(_, at)| at.is_some()).map(|(name, _)| name).collect();
    if accounts.is_empty() {
        return;
    }
    let daemon = world.start();
    for account in &accounts {
        world.wait("it to be scanned", || {
            world.log().contains(&format!("watching {} by scanning", world.folder(account).display()))
        });
        rename_into(&world.folder(account), &format!("renamed-{account}.txt"), tagged(account));
        fs::write(world.folder(account).join(format!("written-{account}.txt")), large(account, 3_000)).unwrap();
    }
    let files = |prefix: &str| accounts.iter().map(|account| format!("{prefix}-{account}.txt")).collect::<Vec<_>>();
    for name in [files("renamed"), files("written")].concat() {
        world.wait_long("it to be delivered", || {
            world.count(&format!("file_name = '{name}' AND state = 'success'")) == 1
        });
    }
    let done = |account: &str| names(&world.folder(account).join("done"));
    for account in &accounts {
        let both = ["renamed", "written"].map(|prefix| format!("{prefix}-{account}.txt"));
        world.wait("both to be filed", || done(account) == both);
    }
    // If datadrop took a moved file for another one, it would come back with a scan. Each scan has one more name to
    // count.
    for round in 1..=5 {
        for account in &accounts {
            fs::write(world.folder(account).join(format!("{round}.md")), "ignored").unwrap();
        }
        daemon.signal("USR1");
        let scanned = format!("SELECT count(*) FROM account WHERE ignored = {round}");
        world.wait("a scan", || {
            let log = connect(&world.state_dir()).unwrap();
            log.query_row(&scanned, [], |row| row.get::<_, i64>(0)).unwrap() == i64::try_from(accounts.len()).unwrap()
        });
    }
    for account in &accounts {
        let ours = ["1.md", "2.md", "3.md", "4.md", "5.md", "done", "failed", "held", "sent"];
        assert_eq!(names(&world.folder(account)), ours, "nothing came back");
    }
    assert_eq!(
        (world.accepted().len(), world.jobs().len()),
        (2 * accounts.len(), 2 * accounts.len()),
        "{:?}",
        world.jobs()
    );
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f2_on_an_overlay_over_fuse_a_file_is_delivered_once() {
    each_is_delivered_once(Mounted::overlay);
}

/// There the file goes back by a rename, which gives it another inode.
#[test]
fn f2_without_hard_links_a_return_from_a_sub_folder_does_not_make_a_file_complete() {
    let quirks = Quirks { inode_by_path: true, refuses_links: Some(Errno::NOTSUP) };
    let Some((world, _share)) = world_on(|at| HangingShare::mount_with(at, quirks)) else { return };
    let folder = world.folder("a");
    let _daemon = world.start();
    rename_in(&world, "first.txt", tagged("first"));
    arrived_once(&world, "first.txt");
    // The file stays in `sent/` until the test replaces it there.
    world.fault("list:500");
    rename_in(&world, "sales.txt", tagged("sent"));
    world.wait("it to be filed", || folder.join("sent/sales.txt").exists());
    let whole = large("again", 3_000);
    let half = whole.iter().take(1_500).rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut file = File::create(folder.join("sent/.new")).unwrap();
    file.write_all(&whole[..half]).unwrap();
    fs::rename(folder.join("sent/.new"), folder.join("sent/sales.txt")).unwrap();
    world.emulator().clear_faults();
    world.wait("it to come back", || names(&folder).contains(&"sales.txt".to_owned()));
    for name in ["other.txt", "another.txt"] {
        rename_in(&world, name, tagged(name));
        arrived_once(&world, name);
    }
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "other.txt", "another.txt"], "half of it was sent");
    // No event reports writes through a descriptor of the old name, and R4 would take a minute.
    drop(file);
    let mut file = File::options().append(true).open(folder.join("sales.txt")).unwrap();
    file.write_all(&whole[half..]).unwrap();
    drop(file);
    world.wait("it to be sent", || world.ledger().iter().any(|entry| entry.size == whole.len() as u64));
    assert_eq!(world.accepted().len(), 5, "{:?}", world.ledger());
    // From here on, a rename to its name proves completeness as usual.
    world.wait_for("sales.txt", "success");
    rename_in(&world, "sales.txt", tagged("third"));
    world.wait("the third to be sent", || world.accepted().len() == 6);
}
