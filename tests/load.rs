//! Many files at once, dropped in several ways. The test counts them at the server, and compares every byte.
//!
//! `DATADROP_TEST_FILES=10000` sets the number of files. The default is 1,000.

use crate::harness::{World, data, names};
use datadrop::job::Sha256;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn crowd() -> usize {
    std::env::var("DATADROP_TEST_FILES").ok().and_then(|count| count.parse().ok()).unwrap_or(1000)
}

fn hash(content: &[u8]) -> String {
    Sha256::new(sha2::Sha256::digest(content).into()).to_string()
}

/// Copies like `cp -p`: writes in place, then sets the old date.
fn copy_with_its_date(path: &Path, content: &[u8]) {
    let mut file = File::create(path).unwrap();
    let (first, second) = content.split_at(content.len() / 2);
    file.write_all(first).unwrap();
    file.write_all(second).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(90 * 24 * 3600)).unwrap();
}

fn write_slowly(path: &Path, content: &[u8]) {
    let mut file = File::create(path).unwrap();
    for chunk in content.chunks(content.len().div_ceil(10)) {
        file.write_all(chunk).unwrap();
        file.flush().unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// P1 to P4 for many files of two accounts. Some are dropped before the start, some while the daemon runs. They come by
/// rename, by copies with an old date and by slow writing, with and without markers.
#[test]
fn every_file_of_a_mixed_crowd_is_accepted_once_byte_for_byte_and_filed() {
    let mut world = World::new();
    world.account("b", "").set("first = \"150ms\"", "first = \"2s\"").set("max = \"500ms\"", "max = \"5s\"");
    let mut written: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut put = |world: &World, index: usize| {
        let account = ["a", "b"][index % 2];
        let name = format!("{}-{index:05}.txt", ["sales", "ret urns", "日本", "50%"][index % 4]);
        let content = data(index % 40 + 1) + &format!("11/20/2026\tunique {account} {index}\t1\n");
        written.insert((account.to_owned(), name.clone()), hash(content.as_bytes()));
        let path = world.folder(account).join(&name);
        match index % 5 {
            0 => copy_with_its_date(&path, content.as_bytes()),
            1 => fs::write(&path, &content).unwrap(),
            _ => {
                world.drop_file(account, &name, &content);
            }
        }
        if index.is_multiple_of(3) {
            let marker = name.replace(".txt", ".fin");
            written.insert((account.to_owned(), marker.clone()), hash(b""));
            fs::write(world.folder(account).join(marker), "").unwrap();
        }
    };
    let files = crowd();
    for index in 0..files / 2 {
        put(&world, index);
    }
    let daemon = world.start();
    for index in files / 2..files {
        put(&world, index);
    }
    let slow: Vec<_> = (0..8)
        .map(|index| {
            let name = format!("slow-{index}.txt");
            let content = data(30_000 + index);
            assert!(content.len() > 600_000);
            written.insert(("a".to_owned(), name.clone()), hash(content.as_bytes()));
            let path = world.folder("a").join(name);
            std::thread::spawn(move || write_slowly(&path, content.as_bytes()))
        })
        .collect();
    for writer in slow {
        writer.join().unwrap();
    }

    world.wait_long("every file to be done", || {
        world.count("state <> 'success'") == 0 && world.count("1") == i64::try_from(written.len()).unwrap()
    });
    let mut accepted: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut order: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in world.ledger() {
        let account = entry.report_suite_id.trim_start_matches("suite").to_owned();
        order.insert((account.clone(), entry.name.clone()), entry.order);
        accepted.entry((account, entry.name)).or_default().push(entry.sha256);
    }
    let expected: BTreeMap<_, _> = written.iter().map(|(file, hash)| (file.clone(), vec![hash.clone()])).collect();
    assert_eq!(accepted, expected, "each file once, byte for byte");
    for (account, marker) in written.keys().filter(|(_, name)| name.contains(".fin")) {
        let of = |name: &str| order[&(account.clone(), name.to_owned())];
        assert!(of(&marker.replace(".fin", ".txt")) < of(marker), "{marker} was sent before its data file");
    }
    for account in ["a", "b"] {
        let mut expected: Vec<String> =
            written.keys().filter(|(of, _)| of == account).map(|(_, name)| name.clone()).collect();
        expected.sort();
        world.wait("all to be filed", || names(&world.folder(account).join("done")).len() == expected.len());
        assert_eq!(names(&world.folder(account).join("done")), expected);
        assert_eq!(names(&world.folder(account)), ["done", "failed", "held", "sent"], "nothing is left in the inbox");
    }
    eprintln!("{} files accepted once each, requests: {:?}", written.len(), world.emulator().requests());
    assert_eq!(daemon.stop().code(), Some(0));
}

/// DESIGN §11: at most 1.05 requests per file up to the last terminal state, including sweeps.
#[test]
fn a_backlog_costs_at_most_one_request_in_twenty_beyond_its_files() {
    let mut world = World::new();
    world.set("first = \"150ms\"", "first = \"15s\"").set("max = \"500ms\"", "max = \"5m\"");
    for index in 0..1000 {
        world.drop_file("a", &format!("sales-{index:04}.txt"), data(5) + &format!("11/20/2026\t{index}\t1\n"));
    }
    let _daemon = world.start();
    world.wait_long("every file to be done", || world.count("state = 'success'") == 1000);
    let requests = world.emulator().requests();
    eprintln!("requests for 1,000 files: {requests:?}");
    assert_eq!(requests.uploads, 1000);
    assert!(requests.total - requests.tokens <= 1050, "{requests:?}");
}
