//! The remedy of each block works: a person does exactly what the block says, and then a file is delivered once. A
//! restart is not needed, unless the block asks for one (DESIGN F4, F5, F9, F10, A5). Blocks that need no other folder
//! are in `identity.rs`.

use crate::harness::{
    Act, Answer, Daemon, Manner, NOBODY, World, arrived_once, as_nobody, command, data, primed, stdout, tagged,
};
use crate::identity::{goes_on, recover, run_what_it_says};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Changes the configuration, and waits until the daemon has loaded it.
#[track_caller]
fn reload_with(world: &World, daemon: &Daemon, from: &str, to: &str) {
    let config = fs::read_to_string(world.write_config()).unwrap();
    assert!(config.contains(from), "{from:?} is not in:\n{config}");
    fs::write(world.config_file(), config.replace(from, to)).unwrap();
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1");
}

/// Does what a block means by another folder: creates one, names it in the configuration, and reloads.
#[track_caller]
fn name_another_folder(world: &World, daemon: &Daemon, account: &str, folder: &Path) {
    reload_with(world, daemon, &format!("folder = {:?}", world.folder(account)), &format!("folder = {folder:?}"));
}

#[track_caller]
fn wait_blocked(world: &World, account: &str, words: &[&str]) {
    world.wait(&format!("{account} to be blocked: {words:?}"), || {
        let why = world.blocked(account);
        words.iter().all(|words| why.contains(words))
    });
}

/// Asserts that the formerly blocked account sends a file from this folder.
#[track_caller]
fn goes_on_in(world: &World, account: &str, folder: &Path, tag: &str) {
    world.wait(&format!("{tag}: {account} to go on"), || world.blocked(account).is_empty());
    let name = format!("{tag}.txt");
    let hidden = world.dir.path().join("hidden");
    fs::write(&hidden, tagged(tag)).unwrap();
    fs::rename(hidden, folder.join(&name)).unwrap();
    arrived_once(world, &name);
    let suites: Vec<_> = world.ledger().into_iter().filter(|entry| entry.name == name).collect();
    assert_eq!(suites[0].report_suite_id, format!("suite{account}"), "{tag}");
}

fn made(world: &World, name: &str) -> PathBuf {
    let path = world.dir.path().join(name);
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn f9_a_mark_that_is_a_hard_link_or_no_file_blocks_until_it_is_a_file_of_its_own() {
    let world = World::new();
    let (mark, linked) = (world.folder("a").join(".datadrop"), world.dir.path().join("linked"));
    let daemon = primed(&world);
    // A second name is harmless, because the mark is locked and known.
    fs::hard_link(&mark, &linked).unwrap();
    daemon.signal("USR1");
    goes_on(&world, "linked-while-at-work");
    daemon.stop();
    let daemon = world.start();
    run_what_it_says(&world, "it is a hard link");
    goes_on(&world, "a-file-of-its-own");

    let aside = world.dir.path().join("aside");
    fs::rename(&mark, &aside).unwrap();
    command("mkfifo", &[], &mark);
    wait_blocked(&world, "a", &["it is a named pipe", "; remove it, or put the mark back"]);
    fs::rename(&aside, &mark).unwrap();
    goes_on(&world, "put-back");
    drop(daemon);
}

#[test]
fn f9_a_sub_folder_that_more_people_may_write_to_blocks_until_it_is_as_the_folder() {
    let world = World::new();
    let sent = world.folder("a").join("sent");
    // The service's user may not change a directory that root made.
    let Some(daemon) = as_nobody(&world, |folder| {
        command("chown", &["0:0"], &folder.join("sent"));
        command("chmod", &["777"], &folder.join("sent"));
    }) else {
        return;
    };
    run_what_it_says(&world, "people may write to it who may not write to the account's folder");
    goes_on(&world, "as-the-folder");
    let metadata = fs::metadata(&sent).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata) & 0o022, 0, "{metadata:?}");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&metadata).to_string(), NOBODY);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f5_a_missing_sub_folder_is_made_and_a_replaced_one_accepted_automatically() {
    let world = World::new();
    let daemon = primed(&world);
    let (held, aside) = (world.folder("a").join("held"), world.dir.path().join("aside"));
    for replaced in [false, true] {
        fs::rename(&held, &aside).unwrap();
        if replaced {
            fs::create_dir(&held).unwrap();
        }
        daemon.signal("USR1");
        goes_on(&world, &format!("held-replaced-{replaced}"));
        assert!(held.is_dir());
        fs::remove_dir(&aside).unwrap();
    }
}

#[test]
fn f10_the_folder_of_another_account_blocks_until_another_is_named() {
    let mut world = World::new();
    world.account("b", "").account("c", "");
    for (account, at) in [("b", world.folder("a")), ("c", world.state_dir())] {
        fs::remove_dir(world.folder(account)).unwrap();
        symlink(at, world.folder(account)).unwrap();
    }
    let daemon = primed(&world);
    wait_blocked(&world, "b", &["this is also the folder of account \"a\"", "choose a folder beside it"]);
    wait_blocked(&world, "c", &["this is also state_dir", "choose a folder beside it"]);
    for account in ["b", "c"] {
        let folder = made(&world, &format!("beside-{account}"));
        name_another_folder(&world, &daemon, account, &folder);
        goes_on_in(&world, account, &folder, &format!("{account}-beside"));
        // The next change starts from the current state.
        fs::remove_file(world.folder(account)).unwrap();
        symlink(&folder, world.folder(account)).unwrap();
    }
    // A rename and a link, while all accounts work.
    let aside = world.dir.path().join("aside");
    fs::rename(world.dir.path().join("beside-b"), &aside).unwrap();
    symlink(world.folder("a"), world.dir.path().join("beside-b")).unwrap();
    wait_blocked(&world, "b", &["; "]);
    fs::remove_file(world.dir.path().join("beside-b")).unwrap();
    fs::rename(&aside, world.dir.path().join("beside-b")).unwrap();
    goes_on_in(&world, "b", &world.dir.path().join("beside-b"), "b-back");
    goes_on(&world, "a-all-the-while");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f4_a_folder_with_the_mark_of_another_account_blocks_until_another_is_named_or_the_mark_removed() {
    let mut world = World::new();
    let folder = world.folder("a");
    primed(&world).stop();
    // The account was renamed in the configuration, or it is gone and another has its folder.
    world.remove_account("a").account("b", "");
    fs::remove_dir(world.folder("b")).unwrap();
    fs::rename(&folder, world.folder("b")).unwrap();
    let blocked = ["it belongs to `a`, not to `b`", "name another folder, or remove .datadrop if that account is gone"];
    let daemon = world.start();
    wait_blocked(&world, "b", &blocked);
    let another = made(&world, "another");
    name_another_folder(&world, &daemon, "b", &another);
    goes_on_in(&world, "b", &another, "in-another");
    daemon.stop();

    fs::remove_dir_all(world.state_dir()).unwrap();
    let daemon = world.start();
    wait_blocked(&world, "b", &blocked);
    fs::remove_file(world.folder("b").join(".datadrop")).unwrap();
    // The folder holds files that the other account sent, which this one might send again.
    wait_blocked(&world, "b", &["done/ holds files that were sent", "`datadrop recover`"]);
    daemon.stop();
    let recovered = world.run(&["recover", "--account", "b"]);
    assert!(recovered.status.success(), "{recovered:?}");
    let _daemon = world.start();
    goes_on_in(&world, "b", &world.folder("b"), "mark-removed");
}

#[test]
fn f9_a_folder_inside_that_of_an_account_that_is_gone_blocks_until_that_ones_mark_is_removed() {
    let mut world = World::new();
    let outer = world.folder("a");
    primed(&world).stop();
    world.remove_account("a").account("b", "").account("c", "");
    for account in ["b", "c"] {
        fs::remove_dir(world.folder(account)).unwrap();
        fs::create_dir(outer.join(account)).unwrap();
        symlink(outer.join(account), world.folder(account)).unwrap();
    }
    let daemon = world.start();
    for account in ["b", "c"] {
        wait_blocked(&world, account, &["lies inside the folder of account \"a\"", "choose a folder beside it, or"]);
    }
    let beside = made(&world, "beside");
    name_another_folder(&world, &daemon, "b", &beside);
    goes_on_in(&world, "b", &beside, "beside");
    wait_blocked(&world, "c", &["or remove .datadrop from that folder if that account is gone"]);
    fs::remove_file(outer.join(".datadrop")).unwrap();
    goes_on_in(&world, "c", &world.folder("c"), "mark-removed");
}

#[test]
fn f4_a_path_that_is_no_folder_or_used_by_another_datadrop_blocks_until_another_is_named() {
    let mut world = World::new();
    world.account("b", "").account("c", "");
    fs::remove_dir(world.folder("b")).unwrap();
    fs::write(world.folder("b"), "no folder").unwrap();
    let another = fs::File::open(world.folder("c")).unwrap();
    another.try_lock().unwrap();
    let daemon = world.start();
    let blocks = [
        ("b", ["not a folder", "name a folder in the account's `folder`"]),
        ("c", ["another datadrop is at work", "or name another folder"]),
    ];
    for (account, block) in blocks {
        wait_blocked(&world, account, &block);
        let folder = made(&world, &format!("named-{account}"));
        name_another_folder(&world, &daemon, account, &folder);
        goes_on_in(&world, account, &folder, &format!("{account}-named"));
    }
}

#[test]
fn an_account_of_a_virtual_report_suite_sends_once_another_is_named() {
    let world = World::new();
    world.emulator().change_suite("suitea", &serde_json::json!({ "suite": { "parentRsid": "whole" } }));
    let daemon = world.start();
    wait_blocked(
        &world,
        "a",
        &["report suite suitea is virtual", "report_suite_id = \"whole\"", "a data source of its own"],
    );
    world.drop_file("a", "sales.txt", data(3));
    reload_with(
        &world,
        &daemon,
        "report_suite_id = \"suitea\"\ndata_source_id = 1",
        "report_suite_id = \"whole\"\ndata_source_id = 2",
    );
    arrived_once(&world, "sales.txt");
    let went: Vec<_> = world.ledger().into_iter().map(|entry| (entry.report_suite_id, entry.data_source_id)).collect();
    assert_eq!(went, [("whole".to_owned(), 2)]);
    assert_eq!(world.blocked("a"), "");
}

/// The block names two keys. datadrop refuses their correction because of a job that was tried, and that block names
/// the next step.
#[test]
fn a5_an_account_whose_first_files_are_refused_alike_sends_once_its_data_source_is_corrected() {
    let mut world = World::new();
    let _relay = world.relay("http", Manner::default(), |head| {
        if head.is_upload() && head.path().ends_with("/suitea/1") {
            return Act::Say(Answer::new(422, r#"{"errorCode":"no_such_source","errorDescription":"not this one"}"#));
        }
        Act::Pass
    });
    let daemon = world.start();
    let names = ["one.txt", "two.txt", "three.txt"];
    for name in names {
        world.drop_file("a", name, tagged(name));
    }
    wait_blocked(&world, "a", &["refused alike", "check data_source_id and report_suite_id"]);
    let left = world.jobs().into_iter().find(|job| job.state != "rejected").unwrap();
    reload_with(&world, &daemon, "data_source_id = 1", "data_source_id = 77");
    wait_blocked(&world, "a", &[&format!("job {}", left.id), "`datadrop jobs cancel ID`", "retry them then"]);
    let cancelled = world.run(&["jobs", "cancel", &left.id.to_string()]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    world.wait("the account to go on", || world.blocked("a").is_empty());
    for job in world.jobs() {
        let retried = world.run(&["jobs", "retry", &job.id.to_string()]);
        assert!(retried.status.success(), "{}: {retried:?}", stdout(&retried));
    }
    for name in names {
        arrived_once(&world, name);
    }
    assert!(world.ledger().iter().all(|entry| entry.data_source_id == 77), "{:?}", world.ledger());
}

#[test]
fn a_row_that_makes_no_sense_blocks_until_it_is_corrected() {
    let world = World::new();
    let daemon = primed(&world);
    world.fault("upload:before-body:reset:name=bad.txt");
    world.drop_file("a", "bad.txt", tagged("bad"));
    let bad = world.wait_for("bad.txt", "queued");
    let set = |kind: &str| {
        let connection = crate::harness::connect_to_write(&world.state_dir());
        connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
        connection.execute("UPDATE job SET kind = ?1 WHERE id = ?2", (kind, bad.id)).unwrap();
    };
    set("date");
    wait_blocked(&world, "a", &[&format!("job {}", bad.id), "Stop the service", "correct that row"]);
    daemon.stop();
    set("data");
    world.emulator().clear_faults();
    let _daemon = world.start();
    arrived_once(&world, "bad.txt");
    goes_on(&world, "corrected");
}

#[test]
fn f4_the_right_mark_is_put_back_after_a_start_with_a_wrong_one() {
    let world = World::new();
    primed(&world).stop();
    let mark = world.folder("a").join(".datadrop");
    let text = fs::read(&mark).unwrap();
    fs::write(&mark, "account a\nid 0000000000000001\n").unwrap();
    let daemon = world.start();
    wait_blocked(&world, "a", &["not the one that the job log remembers", "put the right one back"]);
    fs::write(&mark, text).unwrap();
    goes_on(&world, "right-mark");
    // The other way round: the job log belongs to another, so the service is stopped.
    daemon.stop();
    fs::write(&mark, "account a\nid 0000000000000002\n").unwrap();
    recover(&world);
    let _daemon = world.start();
    goes_on(&world, "recovered");
}
