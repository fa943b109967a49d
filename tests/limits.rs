//! Adobe's documented limits for one data source: 90 different data days per calendar day over all files, and 50 MB
//! waiting. datadrop sends files beyond these limits with a warning. If the account is configured so, the files wait.

use crate::harness::{World, connect_to_write, quick, stdout};
use datadrop::emulator::EmulatorOptions;
use std::time::Duration;

/// A file with rows on `days` days, of which the first is `back` days ago.
fn of_days(back: i64, days: i64) -> String {
    let first = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let row = |day: i64| {
        let date = first.checked_sub(jiff::Span::new().days(back - day)).unwrap();
        format!("{}\tx\t1\n", date.strftime("%m/%d/%Y"))
    };
    "Date\tEvar 1\tEvent 1\n".to_owned() + &(0..days).map(row).collect::<String>()
}

#[test]
fn days_over_files_are_warned_of_before_the_second_is_sent() {
    let mut world = World::new();
    world.account("a", "check = \"warn\"");
    world.drop_file("a", "first.txt", of_days(200, 60));
    world.drop_file("a", "second.txt", of_days(140, 60));
    world.wait("the plan to count both", || {
        stdout(&world.run(&["run", "--dry-run"])).contains("120 different data days would be sent today")
    });
    let daemon = world.start();
    world.wait_for("first.txt", "success");
    let second = world.wait_for("second.txt", "success");
    let first = world.wait_for("first.txt", "success");
    let warned = |id: i64| {
        let shown = world.run(&["jobs", "show", &id.to_string(), "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&stdout(&shown)).unwrap();
        let events: Vec<(String, String)> = shown["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (event["event"].as_str().unwrap().to_owned(), event["detail"].to_string()))
            .collect();
        let warned = events.iter().position(|(event, _)| event == "warned");
        warned.map(|warned| {
            (warned, events.iter().position(|(event, _)| event == "started").unwrap(), events[warned].1.clone())
        })
    };
    assert_eq!(warned(first.id), None);
    let (warned, started, detail) = warned(second.id).unwrap();
    assert!(warned < started, "warned of before it is sent");
    assert!(
        detail.contains("120 different data days are sent on ") && detail.contains("of 90 that Adobe documents"),
        "{detail}"
    );
    let status = world.status("a");
    assert_eq!(status["data_days_today"], 120, "{status}");
    let log = world.log();
    assert_eq!(log.matches("120 different data days").count(), 1, "{log}");
    // The same days again do not exceed the limit.
    world.drop_file("a", "third.txt", of_days(140, 60) + "\n# again\n");
    world.wait_for("third.txt", "success");
    assert_eq!(world.status("a")["data_days_today"], 120);
    daemon.stop();
}

#[test]
fn with_a_limit_files_wait_for_the_next_day_and_other_accounts_send() {
    let mut world = World::new();
    world.account("a", "check = \"warn\"\nmax_data_days = 90\ntime_zone = \"Pacific/Niue\"");
    let daemon = world.start();
    world.drop_file("a", "first.txt", of_days(200, 60));
    world.wait_for("first.txt", "success");
    world.drop_file("a", "second.txt", of_days(140, 60));
    world.drop_file("a", "small.txt", of_days(140, 30));
    world.wait_for("small.txt", "success");
    world.wait("the second to wait", || {
        world.jobs().iter().any(|job| job.file_name == "second.txt" && job.why().starts_with("waits for tomorrow: "))
    });
    let second = world.wait_for("second.txt", "queued");
    assert!(second.why().contains("120 different data days are sent on "), "{}", second.why());
    let explained = stdout(&world.run(&["explain", world.folder("a").join("second.txt").to_str().unwrap()]));
    assert!(explained.contains("waits for tomorrow"), "{explained}");
    // Also after a restart.
    daemon.stop();
    let _daemon = world.start();
    world.drop_file("a", "last.txt", of_days(200, 60) + "\n# again\n");
    world.wait_for("last.txt", "success");
    assert_eq!(world.accepted(), ["first.txt", "small.txt", "last.txt"]);
}

#[test]
fn with_a_limit_files_wait_until_adobe_has_processed_earlier_ones() {
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(3), ..quick() });
    world.account("a", "check = \"off\"\nmax_at_adobe = \"1500\"");
    let _daemon = world.start();
    let file = |tag: &str| format!("Date\tEvar 1\tEvent 1\n{}", format!("11/20/2026\t{tag}\t1\n").repeat(60));
    world.drop_file("a", "1.txt", file("one"));
    world.wait_for("1.txt", "uploaded");
    world.drop_file("a", "2.txt", file("two"));
    world.wait("the second to wait", || {
        world.jobs().iter().any(|job| job.file_name == "2.txt" && job.why().starts_with("waits for Adobe: "))
    });
    assert_eq!(world.accepted(), ["1.txt"]);
    let status = world.status("a");
    assert!(status["bytes_at_adobe"].as_u64().unwrap() > 1000, "{status}");
    world.wait_for("1.txt", "success");
    world.wait_long("the second", || world.jobs().iter().any(|job| job.file_name == "2.txt" && job.state == "success"));
    assert_eq!(world.status("a")["bytes_at_adobe"], 0);
}

/// What the daemon then does with them: one goes, and the next waits.
#[test]
fn a_dry_run_says_which_files_wait_for_what_an_account_allows() {
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let tomorrow = today.tomorrow().unwrap().strftime("%m/%d/%Y").to_string();
    let file = |tag: &str| format!("Date\tEvar 1\tEvent 1\n{}", format!("11/20/2026\t{tag}\t1\n").repeat(60));
    let to_come = format!("Date\tEvar 1\tEvent 1\n{tomorrow}\tx\t1\n");
    for (keys, first, second, waits) in [
        ("max_data_days = 90", of_days(200, 60), of_days(140, 60), "waits for tomorrow: "),
        ("check = \"off\"\nmax_at_adobe = \"1500\"", file("one"), file("two"), "waits for Adobe: "),
        ("check = \"reject\"\ntime_zone = \"Pacific/Niue\"", of_days(5, 1), to_come, "waits for its latest day: "),
    ] {
        let mut world = World::new();
        world.account("a", keys);
        world.write_file("a", "1.txt", first);
        world.write_file("a", "2.txt", second);
        let mut page = String::new();
        world.wait("the files to be quiet", || {
            page = stdout(&world.run(&["run", "--dry-run"]));
            !page.contains("quiet for long enough")
        });
        let line =
            |name: &str| page.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_default();
        assert!(line("1.txt").trim_start().starts_with("send"), "{page}");
        assert!(line("2.txt").trim_start().starts_with("wait") && line("2.txt").contains(waits), "{page}");
        assert!(page.contains("1 file would be sent") && page.contains("1 file would wait"), "{page}");
    }
}

/// A file that waits at Adobe may need its marker, so markers are always sent.
#[test]
fn with_a_limit_markers_are_still_sent() {
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(600), ..quick() });
    world.account("a", "check = \"off\"\nmax_at_adobe = \"1500\"\nfin = \"upload\"");
    let _daemon = world.start();
    let file = |tag: &str| format!("Date\tEvar 1\tEvent 1\n{}", format!("11/20/2026\t{tag}\t1\n").repeat(60));
    world.drop_file("a", "b.txt", file("b"));
    world.wait_for("b.txt", "uploaded");
    world.drop_file("a", "a.txt", file("a"));
    world.wait("the second to wait", || {
        world.jobs().iter().any(|job| job.file_name == "a.txt" && job.why().starts_with("waits for Adobe: "))
    });
    world.drop_file("a", "b.fin", "");
    world.wait_for("b.fin", "uploaded");
    assert_eq!(world.accepted(), ["b.txt", "b.fin"]);
}

/// A refused file was not sent, so its days remain free.
#[test]
fn the_days_of_a_refused_file_do_not_count() {
    let mut world = World::new();
    world.account("a", "check = \"warn\"\nmax_data_days = 1\ntime_zone = \"Pacific/Niue\"");
    let _daemon = world.start();
    world.drop_file("a", "proof.txt", of_days(200, 1));
    world.wait_for("proof.txt", "success");
    assert_eq!(world.status("a")["data_days_today"], 1);
    let day = "UPDATE day_sent SET sent_on = '2000-01-01'";
    connect_to_write(&world.state_dir()).execute(day, []).unwrap();
    world.fault("upload:refuse=413:name=refused.txt");
    world.drop_file("a", "refused.txt", of_days(100, 1));
    world.wait_for("refused.txt", "rejected");
    assert_eq!(world.status("a")["data_days_today"], 0);
    world.drop_file("a", "other.txt", of_days(90, 1));
    world.wait_for("other.txt", "success");
}
