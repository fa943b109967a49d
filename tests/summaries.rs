//! The daily summary of an account: once per day, over restarts, kills and clock changes, and only for receivers that
//! ask for it.

use crate::alerts::{about, add, to_file, told, world};
use crate::harness::{World, connect_to_write, primed, stdout, tagged};
use jiff::{Timestamp, tz::TimeZone};
use std::fs;

/// A file that the check rejects. Its alert shows that the alert stage has made a turn.
const BAD: &str = "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n";

fn sql(world: &World, statement: &str) -> usize {
    connect_to_write(&world.state_dir()).execute(statement, []).unwrap()
}

fn text(world: &World, query: &str) -> String {
    connect_to_write(&world.state_dir()).query_row(query, [], |row| row.get(0)).unwrap()
}

/// A zone in which it is about noon, so that no day begins or ends during a test.
fn zone_of_noon() -> String {
    let west = Timestamp::now().to_zoned_datetime(TimeZone::UTC).hour() - 12;
    format!("Etc/GMT{}{}", if west < 0 { "-" } else { "+" }, west.abs())
}

fn today() -> jiff::civil::Date {
    Timestamp::now().to_zoned_datetime(TimeZone::get(&zone_of_noon()).unwrap()).date()
}

/// A world whose account gets a summary at this time of day.
fn summed_up(at: &str) -> (World, std::path::PathBuf) {
    let mut world = world("");
    world.account("a", &format!("check = \"reject\"\ntime_zone = {:?}", zone_of_noon()));
    let (rule, heard) = to_file(&world, "[\"summary\", \"rejected\"]", "heard");
    add(&mut world, &format!("{rule}\nsummary_at = {at:?}"));
    (world, heard)
}

/// Waits until the alert stage has made a turn.
fn turn(world: &World, heard: &std::path::PathBuf, name: &str) {
    sql(world, "UPDATE alert_told SET told_at = told_at - 3600000 WHERE topic = 'rejected'");
    world.drop_file("a", name, BAD);
    world.wait("another alert", || {
        told(heard).iter().any(|alert| alert["event"] == "rejected" && alert["jobs"][0]["file_name"] == name)
    });
}

const RECORDED: &str = "SELECT coalesce((SELECT day FROM alert_summary WHERE account = 'a'), '')";

#[test]
fn a_summary_is_sent_once_a_day_over_restarts_kills_and_clocks() {
    let (mut world, heard) = summed_up("23:59");
    let daemon = primed(&world);
    world.wait("the first sight", || text(&world, RECORDED) == today().to_string());
    world.drop_file("a", "sales.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tx\t12.5\n11/21/2026\tx\t1\n");
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tx\t12.5\n11/21/2026\tx\t1\n");
    let held = world.wait_for("sales.txt", "held").id;
    daemon.kill();
    // A day later.
    let (yesterday, days_ago) = (today().yesterday().unwrap(), "UPDATE alert_summary SET day = date(day, '-1 day')");
    sql(&world, "UPDATE job SET uploaded_at = uploaded_at - 86400000");
    sql(&world, days_ago);
    let daemon = world.start();
    turn(&world, &heard, "early.txt");
    assert!(about(&told(&heard), "summary").is_empty(), "its time has not come");
    world.set("23:59", "00:00").write_config();
    daemon.signal("HUP");
    world.wait("the summary", || about(&told(&heard), "summary").len() == 1);
    daemon.kill();
    let alerts = told(&heard);
    let summary = about(&alerts, "summary")[0];
    let message = summary["message"].as_str().unwrap();
    let says = format!("account a: 2 files with 3 rows accepted on {yesterday} (2 success); sums: Event 1 13.5; ");
    assert!(message.starts_with(&says), "{message}");
    let people = format!("2 files need a person: early.txt (job {}, rejected), sales.txt (job {held}, held)", held + 1);
    assert!(message.ends_with(&people), "{message}");
    assert_eq!((&summary["account"], &summary["count"]), (&"a".into(), &1.into()), "{summary}");
    assert_eq!(summary["jobs"][1]["file_name"], "sales.txt", "{summary}");

    let daemon = world.start();
    turn(&world, &heard, "late.txt");
    daemon.stop();
    // The clock was years ahead, and is right again.
    sql(&world, "UPDATE alert_summary SET day = '2999-01-01'");
    let daemon = world.start();
    world.wait("it to begin anew", || text(&world, RECORDED) == today().to_string());
    turn(&world, &heard, "later.txt");
    // The service is down for a week. Only one summary follows.
    daemon.kill();
    sql(&world, "UPDATE alert_told SET told_at = told_at - 3600000");
    sql(&world, "UPDATE alert_summary SET day = date(day, '-7 days')");
    let daemon = world.start();
    world.wait("the next", || {
        about(&told(&heard), "summary").iter().any(|alert| alert["alert_id"] != summary["alert_id"])
    });
    turn(&world, &heard, "last.txt");
    daemon.stop();
    let mut ids: Vec<String> =
        about(&told(&heard), "summary").iter().map(|alert| alert["alert_id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 2, "once each, but for a repeat after a kill: {ids:?}");
    assert_eq!(text(&world, RECORDED), today().to_string());
}

#[test]
fn a_mute_keeps_summaries_back_and_a_removed_receiver_starts_over() {
    let (mut world, heard) = summed_up("00:00");
    let daemon = primed(&world);
    world.wait("the first sight", || text(&world, RECORDED) == today().to_string());
    assert_eq!(world.run(&["alerts", "mute", "a", "4h"]).status.code(), Some(0));
    world.wait("the mute", || text(&world, "SELECT count(muted_until) || '' FROM account") == "1");
    sql(&world, "UPDATE alert_summary SET day = date(day, '-1 day')");
    world.drop_file("a", "one.txt", tagged("one"));
    let kept = "SELECT coalesce(sum(count), 0) || '' FROM alert WHERE topic = 'muted' AND NOT sealed";
    world.wait("it to be kept", || text(&world, kept) == "1");
    assert_eq!(fs::read_to_string(&heard).unwrap_or_default(), "");
    assert!(stdout(&world.run(&["alerts", "unmute", "a"])).contains("are sent again"));
    world.wait("what was kept back", || about(&told(&heard), "muted").len() == 1);
    let alerts = told(&heard);
    let message = about(&alerts, "muted")[0]["message"].as_str().unwrap();
    assert!(message.contains("were muted: 1 summary; the newest is summary: no file was accepted on "), "{message}");

    world.set("\"summary\", ", "").set("summary_at = \"00:00\"", "").write_config();
    daemon.signal("HUP");
    world.wait("it to be forgotten", || text(&world, RECORDED).is_empty());
    daemon.stop();
    assert!(about(&told(&heard), "summary").is_empty(), "{:?}", told(&heard));
}
