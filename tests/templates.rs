//! `datadrop template`: headers that Adobe accepts, with the job log's facts about the report suite.

use crate::harness::{World, connect, stderr, stdout};
use serde_json::{Value, json};
use std::fs;

fn knows(world: &World) -> bool {
    let known = connect(&world.state_dir()).and_then(|log| {
        log.query_row("SELECT count(*) FROM report_suite WHERE unread IS NULL", [], |row| row.get::<_, i64>(0)).ok()
    });
    known == Some(1)
}

fn world_that_knows() -> World {
    let world = World::new();
    let metric = |id: &str, name: &str, kind: &str| json!({ "id": id, "name": name, "title": name, "type": kind });
    let change = json!({
        "metrics": [
            metric("metrics/event41", "Calls", "INT"), metric("metrics/event42", "Order value", "CURRENCY"),
            metric("metrics/visits", "Visits", "INT"),
        ],
        "dimensions": [metric("variables/evar12", "Store", "STRING"), metric("variables/evar3", "", "STRING")],
    });
    world.emulator().change_suite("suitea", &change);
    let daemon = world.start();
    world.wait("the report suite to be read", || knows(&world));
    assert!(daemon.stop().success());
    world
}

#[test]
fn a_template_has_adobes_names_the_friendly_names_and_passes_the_check() {
    let world = world_that_knows();
    let all = world.run(&["template", "--account", "a"]);
    assert_eq!((all.status.code(), stderr(&all).as_str()), (Some(0), ""));
    let text = stdout(&all);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# ") && lines[0].contains("ds_id: "), "{text}");
    assert!(lines[1].starts_with("# Date\t") && lines[1].contains("\tStore\t") && lines[1].ends_with("\tOrder value"));
    assert!(lines[2].contains("\tEvar 3\tEvar 12\t") && lines[2].ends_with("\tEvent 41\tEvent 42"), "{text}");
    assert!(!text.contains("Visits") && lines.len() == 3, "{text}");

    let chosen = world.run(&["template", "--account", "a", "--columns", "order value,EVAR3,event41, tracking code"]);
    let text = stdout(&chosen);
    assert!(
        text.ends_with(
            "\n# Date\tOrder value\tEvar 3\tCalls\tTracking Code\nDate\tEvent 42\tEvar 3\tEvent 41\tTracking Code\n"
        ),
        "{text}"
    );
    let file = world.dir.path().join("sales.txt");
    fs::write(&file, format!("{text}01/02/2026\t9.50\tred\t1\tads\n")).unwrap();
    let checked = world.run(&["check", file.to_str().unwrap(), "--account", "a", "--json"]);
    let findings: Value = serde_json::from_str(&stdout(&checked)).unwrap();
    assert_eq!((checked.status.code(), findings), (Some(0), json!([])), "{text}");
}

#[test]
fn an_unknown_column_is_an_error_that_names_what_it_is_like() {
    let world = world_that_knows();
    let output = world.run(&["template", "--account", "a", "--columns", "Sotre,evnt41,event5000"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    let told = stderr(&output);
    for words in ["`Sotre` is no column", "`Evar 12` (Store)?", "did you mean `Event 41` (Calls)?", "no `event5000`"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let unlisted = world.run(&["template", "--account", "a", "--columns", "event7"]);
    assert_eq!(unlisted.status.code(), Some(0));
    assert!(stderr(&unlisted).contains("`Event 7` is unknown or not enabled"), "{}", stderr(&unlisted));
    assert_eq!(world.run(&["template", "--account", "nobody"]).status.code(), Some(4));
}

#[test]
fn without_the_facts_the_general_columns_are_printed_and_the_gap_is_named() {
    let world = World::new();
    let output = world.run(&["template", "--account", "a"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.ends_with("\nDate\tCategory\tMarketing Channel\tMarketing Channel Detail\tProduct\tTracking Code\ttransactionID\tZip\tCart Adds\tCart Removes\tCart Views\tCart Opens\tCheckouts\tOrders\tPrice\tQuantity\n"), "{text}");
    let told = stderr(&output);
    assert!(told.contains("does not know the eVars, events and friendly names of report suite suitea"), "{told}");

    world.fault("metrics:403");
    let daemon = world.start();
    world.wait("it to be noted", || {
        let log = connect(&world.state_dir());
        let noted = log
            .and_then(|log| log.query_row("SELECT unread FROM report_suite", [], |row| row.get::<_, String>(0)).ok());
        noted.is_some_and(|unread| !unread.is_empty())
    });
    assert!(daemon.stop().success());
    let told = stderr(&world.run(&["template", "--account", "a", "--columns", "event3"]));
    assert!(told.contains("does not know the events of report suite suitea: ") && told.contains(" doctor`"), "{told}");
}
