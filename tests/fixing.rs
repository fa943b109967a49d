//! `datadrop check --fix`: a corrected copy that passes the check, and an unchanged input.

use crate::harness::{World, stderr, stdout};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A file with only certain mends.
const ODD: &[u8] = b"\xef\xbb\xbf# from the shop\r\nDate\teVar1\tEvent 1\tPrice\tProduct\r\n\
2025-11-20\t\"red\"\t1\t1,234.50\tshoes\r\n11/21/2025\tblue\t 2\t5,678.00\t\"5\"\" disk\"\r\n";

const MENDED: &str = "# from the shop\r\nDate\tEvar 1\tEvent 1\tPrice\tProduct\r\n\
11/20/2025\tred\t1\t1234.50\tshoes\r\n11/21/2025\tblue\t2\t5678.00\t5\" disk\r\n";

/// Runs the command without a configuration in this folder.
fn fix_in(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.current_dir(dir).env("DATADROP_CONFIG", "/nowhere/datadrop.toml");
    command.args(["check", "--fix"]).args(arguments).output().unwrap()
}

fn folder_with(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// Every file of a folder, including hidden ones.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", stderr(output)))
}

#[test]
fn a_copy_next_to_the_file_is_right_and_passes_the_check() {
    let dir = folder_with(&[("sales.txt", ODD)]);
    let output = fix_in(dir.path(), &["sales.txt"]);
    let text = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{text}");
    let all = files(dir.path());
    assert_eq!(all.keys().collect::<Vec<_>>(), ["sales.fixed.txt", "sales.txt"]);
    assert_eq!((all["sales.txt"].as_slice(), String::from_utf8_lossy(&all["sales.fixed.txt"]).as_ref()), (ODD, MENDED));
    for words in [
        "sales.txt became sales.fixed.txt:\n",
        "the byte order mark goes\n",
        "line 2: the column `eVar1` becomes `Evar 1`\n",
        "line 3: Date: `2025-11-20` becomes `11/20/2025`\n",
        "2 rows, lines 3 and 4: Price: `1,234.50` becomes `1234.50`\n",
        "sales.fixed.txt: nothing found, 2 rows\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (mode, umask) = (fs::metadata(dir.path().join("sales.fixed.txt")).unwrap().mode() & 0o777, 0o660);
    assert_eq!(mode & !umask, 0, "others are kept out: {mode:o}");

    // A second run finds nothing to mend, and overwrites nothing.
    let again = fix_in(dir.path(), &["sales.fixed.txt"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(stdout(&again).contains("nothing to mend with certainty, no copy written"), "{}", stdout(&again));
    let taken = fix_in(dir.path(), &["sales.txt"]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(stderr(&taken).contains("nothing was overwritten"), "{}", stderr(&taken));
    assert_eq!(files(dir.path()), all);
}

#[test]
fn a_diff_shows_what_would_change_and_writes_nothing() {
    let dir = folder_with(&[("sales.txt", ODD)]);
    let output = fix_in(dir.path(), &["sales.txt", "--diff"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "--- sales.txt\n+++ sales.fixed.txt\n@@ -1,4 +1,4 @@\n # from the shop\n-Date\teVar1\tEvent 1\tPrice\tProduct\n\
         +Date\tEvar 1\tEvent 1\tPrice\tProduct\n-2025-11-20\t\"red\"\t1\t1,234.50\tshoes\n\
         +11/20/2025\tred\t1\t1234.50\tshoes\n-11/21/2025\tblue\t 2\t5,678.00\t\"5\"\" disk\"\n\
         +11/21/2025\tblue\t2\t5678.00\t5\" disk\n"
    );
    assert!(stderr(&output).contains("sales.txt would become sales.fixed.txt:\n"), "{}", stderr(&output));
    assert_eq!(files(dir.path()).len(), 1);
    for wrong in
        [&["sales.txt", "--diff", "--out", "."][..], &["sales.txt", "--diff", "--json"], &["sales.txt", "--totals"]]
    {
        assert_eq!(fix_in(dir.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
    let mut bare = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    assert_eq!(bare.args(["check", "sales.txt", "--diff"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn an_uncertain_mend_is_named_and_made_only_on_request() {
    let rows = "20/11/2025\tred\t1,234\n05/11/2025\tblue\t$7\n05/11/2025\tblue\t1%\n";
    let dir = folder_with(&[("sales.txt", format!("Date\tEvar 1\tEvent 1\n{rows}").as_bytes())]);
    let safe = fix_in(dir.path(), &["sales.txt"]);
    let text = stdout(&safe);
    assert_eq!((safe.status.code(), files(dir.path()).len()), (Some(3), 1), "{text}");
    for words in [
        "sales.txt: nothing to mend with certainty, no copy written\n",
        "Not certain, and left. If this is what the file means, use --unsafe:\n",
        "  line 2: Event 1: `1,234` becomes `1234`\n",
        "[date-day-first]",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = fix_in(dir.path(), &["sales.txt", "--unsafe"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for words in [
        "Not certain, done because of --unsafe. Please look at each:\n",
        "  line 2: Date: `20/11/2025` becomes `11/20/2025`\n",
        "  2 rows, lines 3 and 4: Date: `05/11/2025` becomes `11/05/2025`\n",
        "  line 3: Event 1: `$7` becomes `7`\n",
        "sales.fixed.txt:4:17: doubtful: `1%` is not a plain number",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let copy = String::from_utf8(files(dir.path())["sales.fixed.txt"].clone()).unwrap();
    assert_eq!(copy, "Date\tEvar 1\tEvent 1\n11/20/2025\tred\t1234\n11/05/2025\tblue\t7\n11/05/2025\tblue\t1%\n");
}

#[test]
fn json_has_an_object_for_each_file_with_every_key() {
    let dir = folder_with(&[
        ("sales.txt", b"Date\teVar1\tEvent 1\n2025-11-20\tred\t1\n2025-11-21\tred;\t$1\n"),
        ("fine.txt", b"Date\tEvar 1\tEvent 1\n11/20/2025\tred\t1\n"),
        ("done.fin", b""),
    ]);
    let output = fix_in(dir.path(), &["sales.txt", "fine.txt", "done.fin", "--json"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(3), ""));
    let told = parsed(&output);
    assert_eq!(told[0]["copy"], "sales.fixed.txt");
    assert_eq!(
        told[0]["changes"],
        json!([
            { "mend": "column", "certain": true, "done": true, "column": null, "line": 1, "rows": 1, "before": "eVar1", "after": "Evar 1" },
            { "mend": "date", "certain": true, "done": true, "column": "Date", "line": 2, "rows": 2, "before": "2025-11-20", "after": "11/20/2025" },
            { "mend": "number", "certain": false, "done": false, "column": "Event 1", "line": 3, "rows": 1, "before": "$1", "after": "1" },
        ])
    );
    let codes: Vec<&str> =
        told[0]["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["semicolon", "number-format"]);
    assert_eq!(told[0]["findings"][0]["file"], "sales.fixed.txt");
    assert_eq!(told[1], json!({ "file": "fine.txt", "copy": null, "changes": [], "findings": [] }));
    assert_eq!(told[2], json!({ "file": "done.fin", "copy": null, "changes": [], "findings": [] }));
}

#[test]
fn links_pipes_and_taken_names_are_refused_and_the_other_files_are_mended() {
    let dir = folder_with(&[("sales.txt", ODD), ("costs.txt", ODD)]);
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    symlink("sales.txt", dir.path().join("link.txt")).unwrap();
    symlink("/nowhere/else", out.join("costs.txt")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe.txt")).status().unwrap().success());
    let output = fix_in(dir.path(), &["link.txt", "pipe.txt", "none.txt", "costs.txt", "sales.txt", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    for words in [
        "link.txt: not a plain file",
        "pipe.txt: not a plain file",
        "none.txt: cannot be read",
        "out/costs.txt: there is a file of this name already; nothing was overwritten",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(files(&out).into_iter().collect::<Vec<_>>(), [("sales.txt".to_owned(), MENDED.as_bytes().to_vec())]);
    assert!(fs::symlink_metadata(out.join("costs.txt")).unwrap().is_symlink());
    let same = fix_in(dir.path(), &["sales.txt", "--out", "."]);
    assert_eq!((same.status.code(), files(dir.path())["sales.txt"].as_slice()), (Some(1), ODD));
    let none = fix_in(dir.path(), &["sales.txt", "--out", "nowhere"]);
    assert!(none.status.code() == Some(1) && stderr(&none).contains("nowhere: the folder cannot be opened"));
}

/// P3: in the inbox, the copy would be sent in addition to the file. In `done/`, it would be an unknown file.
#[test]
fn a_copy_gets_into_an_accounts_folder_only_if_that_is_asked_for() {
    let world = World::new();
    let daemon = world.start();
    world.wait("the folder to be marked", || {
        world.folder("a").join(".datadrop").exists() && world.folder("a").join("done").exists()
    });
    assert!(daemon.stop().success());
    for place in ["", "done"] {
        let dir = world.folder("a").join(place);
        let file = dir.join("sales.txt");
        fs::write(&file, ODD).unwrap();
        let output = world.run(&["check", "--fix", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("is a folder of an account"), "{}", stderr(&output));
        fs::remove_file(&file).unwrap();
        assert!(files(&dir).keys().all(|name| !name.contains("sales")), "{:?}", files(&dir));
    }
    let file = world.dir.path().join("sales.txt");
    fs::write(&file, ODD).unwrap();
    let (file, inbox) = (file.to_str().unwrap(), world.folder("a"));
    let into_done = world.run(&["check", "--fix", file, "--out", inbox.join("done").to_str().unwrap()]);
    assert_eq!(into_done.status.code(), Some(1));
    let daemon = world.start();
    let output = world.run(&["check", "--fix", file, "--out", inbox.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    world.wait("the copy to be sent", || world.count("state = 'success' AND file_name = 'sales.txt'") == 1);
    assert_eq!(world.times_accepted("sales.txt"), 1);
    drop(daemon);
}

/// P3: what is beside the file when the service starts for the first time is sent.
#[test]
fn a_folder_that_the_configuration_names_is_an_accounts_before_its_first_start_too() {
    let world = World::new();
    fs::create_dir_all(world.folder("a").join("done")).unwrap();
    for place in ["", "done"] {
        let dir = world.folder("a").join(place);
        let file = dir.join("sales.txt");
        fs::write(&file, ODD).unwrap();
        let output = world.run(&["check", "--fix", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{place}: {}", stdout(&output));
        assert!(stderr(&output).contains("is a folder of an account"), "{}", stderr(&output));
        fs::remove_file(&file).unwrap();
        assert!(files(&dir).keys().all(|name| !name.contains("sales")), "{:?}", files(&dir));
    }
    let file = world.dir.path().join("sales.txt");
    fs::write(&file, ODD).unwrap();
    let output = world.run(&["check", "--fix", file.to_str().unwrap(), "--out", world.folder("a").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn texts_that_cannot_be_mended_are_named_and_left() {
    let long = format!("Date\tEvar 1\tEvent 1\n2025-11-20\t{}\t1\n", "x".repeat(70_000));
    let dir = folder_with(&[
        ("long.txt", long.as_bytes()),
        ("empty.txt", b""),
        ("comma.txt", b"Date,Evar 1,Event 1\n2025-11-20,\"a, b\",1\n"),
    ]);
    let output = fix_in(dir.path(), &["long.txt"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).starts_with("long.txt: line 2 is longer than 64 KiB"), "{}", stdout(&output));
    assert_eq!(fix_in(dir.path(), &["empty.txt"]).status.code(), Some(3));
    let comma = fix_in(dir.path(), &["comma.txt"]);
    assert!(
        stdout(&comma).contains("2 rows, lines 1 and 2: `,` between the columns becomes a tab"),
        "{}",
        stdout(&comma)
    );
    assert_eq!((comma.status.code(), files(dir.path()).len()), (Some(3), 3));
    let done = fix_in(dir.path(), &["comma.txt", "--unsafe"]);
    assert_eq!(done.status.code(), Some(0), "{}", stdout(&done));
    assert_eq!(files(dir.path())["comma.fixed.txt"], b"Date\tEvar 1\tEvent 1\n11/20/2025\ta, b\t1\n");
}

#[test]
fn every_encoding_ends_as_utf_8_where_it_is_certain() {
    let content = "Date\tEvar 1\tEvent 1\n11/20/2025\tKöln\t1\n";
    let low: Vec<u8> = content.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let high: Vec<u8> = content.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin: Vec<u8> = content.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for before in [low.clone(), [b"\xff\xfe".as_slice(), &low].concat(), high, latin.clone()] {
        let dir = folder_with(&[("sales.txt", &before)]);
        let output = fix_in(dir.path(), &["sales.txt"]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{}", stdout(&output));
        assert_eq!(String::from_utf8_lossy(&files(dir.path())["sales.fixed.txt"]), content);
    }
    // This byte is `è` here, and `č` in another encoding.
    let dir =
        folder_with(&[("sales.txt", &latin.iter().map(|b| if *b == 0xf6 { 0xe8 } else { *b }).collect::<Vec<u8>>())]);
    let left = fix_in(dir.path(), &["sales.txt"]);
    assert!(stdout(&left).contains("Windows-1252 becomes UTF-8, such as `Kèln`"), "{}", stdout(&left));
    assert_eq!((left.status.code(), files(dir.path()).len()), (Some(3), 1));
}

/// While a copy is being written, it never has a name that a daemon takes. A failure leaves no part of it.
#[test]
fn a_disk_that_is_full_leaves_no_part_of_a_copy() {
    let rows = "2025-11-20\tred\t1\n".repeat(200_000);
    let dir = folder_with(&[("sales.txt", format!("Date\tEvar 1\tEvent 1\n{rows}").as_bytes())]);
    let mut command = Command::new("sh");
    command.current_dir(dir.path()).env("BINARY", env!("CARGO_BIN_EXE_datadrop"));
    let limited =
        command.args(["-c", "ulimit -f 1000; trap '' XFSZ; exec \"$BINARY\" check --fix sales.txt"]).output().unwrap();
    assert_eq!(limited.status.code(), Some(1), "{}", stderr(&limited));
    assert!(stderr(&limited).contains("cannot be written"), "{}", stderr(&limited));
    assert_eq!(files(dir.path()).keys().collect::<Vec<_>>(), ["sales.txt"]);
}

/// A few long rows, so that a debug build is not slow.
#[test]
fn large_files_are_mended_in_bounded_memory() {
    let value = "x".repeat(2_000);
    let row = format!("2025-11-20\t{value}\t1,234.50\n");
    let count = 50_000_000 / row.len() - 1;
    let header = "Date\tMarketing Channel\tEvent 1\n";
    let dir = folder_with(&[("sales.txt", format!("{header}{}", row.repeat(count)).as_bytes())]);
    let mut command = Command::new("sh");
    command.current_dir(dir.path()).env("BINARY", env!("CARGO_BIN_EXE_datadrop"));
    // The limit covers the program, its libraries and its stacks, and leaves no room for the whole file.
    let script =
        "ulimit -v 100000; \"$BINARY\" check --fix sales.txt && \"$BINARY\" check --fix --diff sales.txt | wc -l";
    let output = command.args(["-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{} {}", stdout(&output), stderr(&output));
    let mended = fs::read_to_string(dir.path().join("sales.fixed.txt")).unwrap();
    assert_eq!(mended.lines().count(), count + 1);
    let expected = format!("11/20/2025\t{value}\t1234.50");
    assert!(mended.lines().skip(1).all(|line| line == expected));
}
