//! `alerts mute`: an account sends no alerts for a time. None of them is lost, because one alert sums them up.

use crate::alerts::{about, add, to_file, told, world};
use crate::harness::{World, connect_to_write, primed, stderr, stdout, tagged};
use serde_json::Value;
use std::fs;

/// A file that the check rejects.
const BAD: &str = "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n";

fn sql(world: &World, statement: &str) -> usize {
    connect_to_write(&world.state_dir()).execute(statement, []).unwrap()
}

fn number(world: &World, query: &str) -> i64 {
    connect_to_write(&world.state_dir()).query_row(query, [], |row| row.get(0)).unwrap()
}

fn kept_back(world: &World) -> i64 {
    number(world, "SELECT coalesce(sum(count), 0) FROM alert WHERE topic = 'muted' AND NOT sealed")
}

/// Covers `kill -9`, a restart and a time without the daemon. The job log and the log record the events all the same.
#[test]
fn muted_alerts_survive_a_kill_and_are_summed_up_once() {
    let mut world = world("");
    world.account("b", "check = \"reject\"");
    let (one, heard) = to_file(&world, "[\"rejected\", \"blocked\", \"failure\"]", "heard");
    let (two, other) = to_file(&world, "\"held\"", "other");
    add(&mut world, &format!("{one}\n{two}"));
    let daemon = primed(&world);
    let muted = world.run(&["alerts", "mute", "b", "4h"]);
    assert_eq!(muted.status.code(), Some(0), "{muted:?}");
    assert!(stdout(&muted).starts_with("the alerts of account b are muted until 2"), "{muted:?}");
    let again = world.run(&["alerts", "mute", "b", "1h"]);
    assert!(stdout(&again).contains("are muted already, until"), "{again:?}");
    let status = world.status("b");
    assert!(status["muted_until"].as_str().unwrap().ends_with('Z') && status["muted_by"].is_string(), "{status}");
    assert_eq!((&world.status("a")["muted_until"], &world.status("a")["muted_by"]), (&Value::Null, &Value::Null));
    assert!(stdout(&world.run(&["status"])).contains("ALERTS MUTED by "), "{:?}", world.run(&["status"]));

    let (folder, away) = (world.folder("b"), world.dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    daemon.signal("USR1");
    world.wait_blocked("b");
    fs::rename(&away, &folder).unwrap();
    daemon.signal("USR1");
    world.wait("b to work again", || world.blocked("b").is_empty());
    world.drop_file("b", "bad.txt", BAD);
    world.drop_file("a", "loud.txt", BAD);
    world.wait("the other account's", || about(&told(&heard), "rejected").len() == 1);
    world.wait("it to be kept", || kept_back(&world) == 3);
    daemon.kill();
    assert!(world.log().contains("account b is blocked"), "the log says it");
    assert_eq!(world.count("account = 'b' AND state = 'rejected'"), 1, "so does the job log");
    // An event happens after the mute has expired and before the next start, so the daemon could not report it yet.
    let daemon = world.start();
    world.drop_file("b", "worse.txt", BAD);
    world.wait("more to be kept", || kept_back(&world) == 4);
    daemon.kill();
    let ended = world.run(&["alerts", "unmute", "b"]);
    assert_eq!(stdout(&ended), "the alerts of account b are sent again\n", "{ended:?}");
    assert_eq!(world.status("b")["muted_until"], Value::Null);
    let daemon = world.start();
    world.wait("the summary", || !about(&told(&heard), "muted").is_empty());
    world.drop_file("b", "last.txt", BAD);
    world.wait("alerts as before", || about(&told(&heard), "rejected").len() == 2);
    daemon.stop();
    let alerts = told(&heard);
    let summaries = about(&alerts, "muted");
    let [summary] = summaries.as_slice() else { panic!("one summary: {alerts:?}") };
    assert_eq!((&summary["account"], &summary["count"]), (&"b".into(), &4.into()), "{summary}");
    let message = summary["message"].as_str().unwrap();
    assert!(
        message.contains("1 blocked (cleared since), 2 rejected; the newest is rejected worse.txt (job "),
        "{message}"
    );
    assert_eq!(summary["jobs"].as_array().unwrap().len(), 2, "{summary}");
    assert!(about(&alerts, "blocked").is_empty() && about(&alerts, "cleared").is_empty(), "{alerts:?}");
    assert!(told(&other).is_empty(), "it would have got nothing");
    let events = "SELECT group_concat(event || ' ' || detail, '; ') FROM account_event WHERE event LIKE '%muted'";
    let events: String = connect_to_write(&world.state_dir()).query_row(events, [], |row| row.get(0)).unwrap();
    assert!(events.starts_with("muted until ") && events.contains("unmuted by "), "{events}");
}

#[test]
fn a_mute_ends_when_its_time_is_over_or_the_clock_was_set_back_to_before_it() {
    let mut world = world("");
    let (rule, heard) = to_file(&world, "\"rejected\"", "heard");
    add(&mut world, &rule);
    let daemon = primed(&world);
    for (name, end) in [("one.txt", "muted_until = muted_at + 1"), ("two.txt", "muted_at = muted_at + 86400000")] {
        assert_eq!(world.run(&["alerts", "mute", "a", "30d"]).status.code(), Some(0));
        world.drop_file("a", name, BAD);
        world.wait("it to be kept", || kept_back(&world) == 1);
        sql(&world, &format!("UPDATE account SET {end} WHERE name = 'a'"));
        let mut looks = 0_u32;
        // The stage checks the clock every 15 s. This loop writes only at every 50th look, because each write blocks
        // the daemon's own writes.
        world.wait_long("the end", || {
            if looks.is_multiple_of(50) {
                sql(&world, "UPDATE alert_told SET told_at = told_at - 3600000");
            }
            looks += 1;
            about(&told(&heard), "muted").last().is_some_and(|alert| alert["jobs"][0]["file_name"] == name)
        });
        world.wait("it to be written down", || number(&world, "SELECT count(muted_until) FROM account") == 0);
    }
    // Nothing happened during this mute, so there is no summary.
    world.run(&["alerts", "mute", "a", "1h"]);
    world.run(&["alerts", "unmute", "a"]);
    world.wait("its end", || number(&world, "SELECT count(muted_until) FROM account") == 0);
    daemon.stop();
    assert_eq!(told(&heard).len(), 2, "{:?}", told(&heard));
}

/// After a reload without the account, its mute stays and can still be ended.
#[test]
fn an_account_that_is_gone_can_still_be_unmuted_and_an_unknown_one_is_not_known() {
    let mut world = world("");
    world.account("b", "");
    let (rule, heard) = to_file(&world, "\"held\"", "heard");
    add(&mut world, &rule);
    let daemon = primed(&world);
    world.drop_file("b", "same.txt", tagged("same"));
    world.wait_for("same.txt", "success");
    assert_eq!(world.run(&["alerts", "mute", "b", "2h"]).status.code(), Some(0));
    world.drop_file("b", "same.txt", tagged("same"));
    world.wait("it to be kept", || kept_back(&world) == 1);
    world.remove_account("b");
    world.write_config();
    daemon.signal("HUP");
    world.wait("the reload", || world.log().contains("reloaded"));
    assert!(world.status("b")["muted_until"].is_string());
    assert_eq!(world.run(&["alerts", "unmute", "b"]).status.code(), Some(0));
    world.wait("the summary", || about(&told(&heard), "muted").len() == 1);
    daemon.stop();

    let unknown = world.run(&["alerts", "mute", "c", "2h"]);
    assert_eq!(unknown.status.code(), Some(4), "{unknown:?}");
    assert_eq!(world.run(&["alerts", "unmute", "c"]).status.code(), Some(4));
    for (time, says) in [("31d", "at most 30d"), ("0s", "mutes nothing"), ("soon", "soon"), ("4", "4")] {
        let wrong = world.run(&["alerts", "mute", "a", time]);
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
        assert!(stderr(&wrong).contains(says), "{wrong:?}");
    }
    assert_eq!(world.status("a")["muted_until"], Value::Null);
    let not = world.run(&["alerts", "unmute", "a"]);
    assert_eq!((not.status.code(), stdout(&not).as_str()), (Some(0), "the alerts of account a are not muted\n"));
}
