//! Every upload style with every `fin` mode, counted in the ledger.
//!
//! `DATADROP_TEST_FILES=200` sets the number of files for each combination. The default is 20.

use crate::harness::{World, quick, sha256, tagged};
use datadrop::emulator::EmulatorOptions;
use datadrop::job::UploadStyle;
use std::collections::BTreeMap;

const STYLES: [(&str, UploadStyle); 3] = [
    ("put-json", UploadStyle::PutJson),
    ("put-multipart", UploadStyle::PutMultipart),
    ("post-multipart", UploadStyle::PostMultipart),
];
const FIN_MODES: [&str; 4] = ["auto", "upload", "local", "generate"];

fn files() -> usize {
    std::env::var("DATADROP_TEST_FILES").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// Every third file has no marker.
fn has_marker(number: usize) -> bool {
    !number.is_multiple_of(3)
}

#[test]
fn every_style_and_fin_mode_sends_each_file_once_and_the_markers_that_it_must() {
    let files = files();
    let mut world = World::with_emulator(EmulatorOptions { processing: std::time::Duration::ZERO, ..quick() });
    world.remove_account("a");
    let mut accounts = Vec::new();
    for (style, sent_as) in STYLES {
        for fin in FIN_MODES {
            let name = format!("{style}-{fin}");
            world.account(&name, &format!("style = \"{style}\"\nfin = \"{fin}\""));
            accounts.push((name, fin, sent_as));
        }
    }
    let daemon = world.start();
    for number in 0..files {
        for (account, ..) in &accounts {
            world.drop_file(account, &format!("{number:03}.txt"), tagged(number));
            if has_marker(number) {
                world.drop_file(account, &format!("{number:03}.fin"), "");
            }
        }
    }
    let mut wanted: BTreeMap<(String, String), (String, UploadStyle)> = BTreeMap::new();
    for (account, fin, sent_as) in &accounts {
        let by_put = *sent_as != UploadStyle::PostMultipart;
        for number in 0..files {
            let mut expect = |name: String, content: &[u8]| {
                wanted.insert((format!("suite{account}"), name), (sha256(content), *sent_as));
            };
            expect(format!("{number:03}.txt"), &tagged(number));
            let marker_is_sent = match *fin {
                "auto" => by_put && has_marker(number),
                "upload" => has_marker(number),
                "local" => false,
                "generate" => true,
                other => panic!("{other}"),
            };
            if marker_is_sent {
                expect(format!("{number:03}.fin"), b"");
            }
        }
    }
    world.wait_long("everything to be accepted", || world.accepted().len() >= wanted.len());
    world.wait_long("every job to be at its end", || world.count("state <> 'success'") == 0);
    daemon.stop();
    let ledger = world.ledger();
    assert_eq!(ledger.len(), wanted.len(), "something was accepted twice, or was not to be sent");
    let mut order = BTreeMap::new();
    for entry in &ledger {
        let key = (entry.report_suite_id.clone(), entry.name.clone());
        let (hash, style) = &wanted[&key];
        assert_eq!((&entry.sha256, &entry.style), (hash, style), "{key:?}");
        order.insert(key, entry.order);
    }
    for ((suite, name), at) in &order {
        if let Some(stem) = name.strip_suffix(".fin") {
            assert!(order[&(suite.clone(), format!("{stem}.txt"))] < *at, "{suite}: {name} went before its data file");
        }
    }
    // Markers that are not sent are `success` too, without an attempt.
    let kept = world.count("kind = 'fin' AND reason = 'local' AND attempts = 0");
    let with_marker = (0..files).filter(|&number| has_marker(number)).count();
    assert_eq!(usize::try_from(kept).unwrap(), with_marker * 4, "three times `local`, and `auto` by POST");
    eprintln!("{} files through {} pairs of style and fin mode: {} uploads", files, accounts.len(), ledger.len());
}
