//! The data days: accepted, missing and double.

use crate::harness::{World, connect, connect_to_write, stdout};
use serde_json::{Value, json};

/// A file with these rows: day of November 2026, and amount.
fn sales(rows: &[(u8, &str)]) -> String {
    let head = "Date\tEvar 1\tEvent 1\n".to_owned();
    rows.iter().fold(head, |text, (day, amount)| text + &format!("11/{day:02}/2026\tred\t{amount}\n"))
}

fn coverage(world: &World, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["coverage", "--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&stdout(&world.run(&arguments))).unwrap()
}

/// Day, files, rows, sum and status of each day.
fn days(coverage: &Value) -> Vec<(String, i64, i64, Value, String)> {
    let text = |day: &Value, key: &str| day[key].as_str().unwrap().to_owned();
    let all = coverage.as_array().unwrap().iter();
    all.map(|day| {
        let number = |key: &str| day[key].as_i64().unwrap();
        (text(day, "day"), number("files"), number("rows"), day["totals"]["Event 1"].clone(), text(day, "status"))
    })
    .collect()
}

fn day(day: &str, files: i64, rows: i64, sum: &str, status: &str) -> (String, i64, i64, Value, String) {
    (day.to_owned(), files, rows, json!(sum), status.to_owned())
}

#[test]
fn each_data_day_has_its_files_rows_and_sums_and_only_accepted_files_count() {
    let world = World::new();
    world.fault("job:fail:name=bad*");
    let daemon = world.start();
    world.drop_file("a", "first.txt", sales(&[(1, "1.50"), (1, "0.25"), (2, "-7")]));
    world.drop_file("a", "bad.txt", sales(&[(3, "9")]));
    let first = world.wait_for("first.txt", "success").id;
    world.wait_for("bad.txt", "failure");
    world.drop_file("a", "second.txt", "Date\tEvent 2\tEvent 1\tEvar 1\n11/02/2026\t1\t10\tx\n");
    let second = world.wait_for("second.txt", "success").id;
    let all = coverage(&world, &[]);
    assert_eq!(
        days(&all),
        [day("2026-11-01", 1, 2, "1.75", "covered"), day("2026-11-02", 2, 2, "3", "covered")],
        "a failure counts nowhere, and other columns are no repetition"
    );
    assert_eq!(all[1]["job_ids"], json!([first, second]));
    assert_eq!(all[1]["totals"]["Event 2"], "1");
    assert_eq!(coverage(&world, &["--from", "2026-11-02", "--account", "a"]).as_array().unwrap().len(), 1);
    let row: (String, String, i64) = connect(&world.state_dir())
        .unwrap()
        .query_row("SELECT first_day, last_day, days FROM job_log WHERE id = ?1", [first], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("2026-11-01".to_owned(), "2026-11-02".to_owned(), 2));
    assert!(stdout(&world.run(&["jobs", "show", &first.to_string()])).contains("2026-11-01 to 2026-11-02 (2 days)"));
    let csv = stdout(&world.run(&["coverage", "--csv"]));
    assert!(csv.starts_with("account,day,files,rows,totals,job_ids,status\na,2026-11-01,1,2,"), "{csv}");
    assert_eq!(world.run(&["coverage", "--account", "nobody"]).status.code(), Some(4));
    assert_eq!(world.run(&["coverage", "--from", "yesterday"]).status.code(), Some(2));
    daemon.stop();
}

#[test]
fn a_double_day_is_always_reported_and_held_if_the_account_says_so() {
    let mut world = World::new();
    world.account("a", "").account("b", "duplicates = \"hold-days\"");
    let daemon = world.start();
    for account in ["a", "b"] {
        world.drop_file(account, &format!("{account}1.txt"), sales(&[(1, "1.5"), (2, "2")]));
        world.wait_for(&format!("{account}1.txt"), "success");
        // The columns in another order, and one more amount.
        let again = "Date\tEvent 1\tEvar 1\n11/02/2026\t2\tred\n11/02/2026\t40\tblue\n11/03/2026\t1\tred\n";
        world.drop_file(account, &format!("{account}2.txt"), again);
    }
    let second = world.wait_for("a2.txt", "success").id;
    let double = |coverage: &Value| -> Vec<String> {
        days(coverage).into_iter().filter(|day| day.4 == "double").map(|day| day.0).collect()
    };
    assert_eq!(double(&coverage(&world, &["--account", "a"])), ["2026-11-02"]);
    let events: Vec<(String, String)> = connect(&world.state_dir())
        .unwrap()
        .prepare(
            "SELECT event, detail FROM job_event WHERE job_id = ?1 AND event IN ('accepted', 'double') ORDER BY id",
        )
        .unwrap()
        .query_map([second], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default())))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let told = "2026-11-02 is covered twice, with the same columns: a1.txt (job ";
    assert!(events.len() == 2 && events[0].0 == "accepted" && events[1].1.starts_with(told), "{events:?}");
    assert!(events[1].1.contains("1 row, Event 1 2; this file has 2 rows, Event 1 42"), "{events:?}");
    world.wait("the log to say so", || world.log().contains(told));

    let held = world.wait_for("b2.txt", "held");
    let reason = held.reason.clone().unwrap();
    assert!(reason.starts_with("2026-11-02 was reported before, with the same columns: b1.txt (job "), "{reason}");
    assert!(reason.contains("was accepted with 1 row, Event 1 2; this file has 2 rows, Event 1 42"), "{reason}");
    assert_eq!(double(&coverage(&world, &["--account", "b"])), Vec::<String>::new());
    // A person decides that the rows are an addition.
    let released = world.run(&["jobs", "release", &held.id.to_string()]);
    assert!(released.status.success(), "{released:?}");
    world.wait_for("b2.txt", "success");
    assert_eq!(double(&coverage(&world, &["--account", "b"])), ["2026-11-02"]);
    // A release for another reason does not concern the days.
    world.drop_file("b", "b3 (1).txt", "Date\tEvar 1\tEvent 1\n11/04/2026\tgreen\t5\n");
    let copy = world.wait_for("b3 (1).txt", "held");
    assert!(copy.reason.as_ref().is_some_and(|reason| reason.contains("named like a copy")), "{copy:?}");
    world.drop_file("b", "b3.txt", "Date\tEvar 1\tEvent 1\n11/04/2026\tgreen\t6\n");
    world.wait_for("b3.txt", "success");
    assert!(world.run(&["jobs", "release", &copy.id.to_string()]).status.success());
    world.wait("its days to be asked of", || {
        let copy = world.wait_for("b3 (1).txt", "held");
        copy.reason.as_ref().is_some_and(|reason| reason.starts_with("2026-11-04 was reported before"))
    });
    daemon.stop();
}

/// With `hold-days`, only one of several files that repeat each other's days is sent, in whatever order they come.
#[test]
fn p2_of_two_files_of_a_day_that_come_at_once_only_one_is_sent() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-days\"");
    for number in 1..=6 {
        world.drop_file("a", &format!("{number}.txt"), sales(&[(5, &number.to_string()), (5, "1")]));
    }
    let daemon = world.start();
    world.wait("all to be known", || world.jobs().iter().filter(|row| row.state == "held").count() == 5);
    daemon.kill();
    let daemon = world.start();
    world.wait("the one to end", || world.jobs().iter().any(|row| row.state == "success"));
    assert_eq!(world.ledger().len(), 1);
    daemon.stop();
}

/// Three accounts with a year of history, with planted holes and doubles. The report finds each of them, and nothing
/// else.
#[test]
fn a_year_with_holes_and_doubles_shows_each_and_nothing_else() {
    let holes = ["2026-01-17", "2026-02-28", "2026-06-30", "2026-10-04"];
    let doubles = ["2026-03-29", "2026-08-12"];
    let mut world = World::new();
    world.sections(
        "[status]\nlisten = \"127.0.0.1:0\"\n[poll]\nfirst = \"150ms\"\nmax = \"500ms\"\n[watch]\nsettle = \"200ms\"\n",
    );
    world.account("a", "expect_days = \"daily within 36h\"");
    world.account("b", "expect_days = \"weekdays within 36h\"");
    // The rhythm of this account is learnt.
    world.account("c", "");
    let daemon = world.start();
    let day = |text: &str| -> jiff::civil::Date { text.parse().unwrap() };
    let first = day("2025-12-01");
    let (holes, doubles) = (holes.map(day), doubles.map(day));
    for account in ["a", "b", "c"] {
        let all = first.series(jiff::Span::new().days(1)).take(365);
        let came: Vec<_> = all
            .filter(|day| !holes.contains(day))
            .filter(|day| account != "b" || !matches!(day.weekday().to_monday_one_offset(), 6 | 7))
            .collect();
        let file = |days: &[jiff::civil::Date]| {
            let row = |day: &jiff::civil::Date| format!("{}\tred\t0.1\n", day.strftime("%m/%d/%Y"));
            format!("Date\tEvar 1\tEvent 1\n{}", days.iter().map(row).collect::<String>())
        };
        for (number, days) in came.chunks(60).enumerate() {
            world.drop_file(account, &format!("{account}{number}.txt"), file(days));
        }
        world.wait_for(&format!("{account}{}.txt", (came.len() - 1) / 60), "success");
        for (number, day) in doubles.iter().enumerate() {
            world.drop_file(account, &format!("{account}-again{number}.txt"), file(&[*day]));
        }
    }
    world.wait("all to end", || world.count("state = 'success'") == world.count("true") && world.count("true") > 18);
    for account in ["a", "b", "c"] {
        // Later days become missing as time passes.
        let shown = coverage(&world, &["--account", account, "--to", "2026-11-30"]);
        let of = |status: &str| -> Vec<String> {
            days(&shown).into_iter().filter(|day| day.4 == status).map(|day| day.0).collect()
        };
        let missed = holes.iter().filter(|day| account != "b" || day.weekday().to_monday_one_offset() < 6);
        assert_eq!(of("missing"), missed.map(ToString::to_string).collect::<Vec<_>>(), "{account}");
        let twice = doubles.iter().filter(|day| account != "b" || day.weekday().to_monday_one_offset() < 6);
        assert_eq!(of("double"), twice.map(ToString::to_string).collect::<Vec<_>>(), "{account}");
    }
    daemon.stop();
}

#[test]
fn a_missing_day_is_reported_once_and_its_arrival_too() {
    let mut world = World::new();
    world.account("a", "expect_days = \"daily within 1h\"\ntime_zone = \"UTC\"");
    let daemon = world.start();
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let back = |days: i64| today.checked_sub(jiff::Span::new().days(days)).unwrap();
    let file = |back: &[jiff::civil::Date]| {
        let head = "Date\tEvar 1\tEvent 1\n".to_owned();
        back.iter().fold(head, |text, day| text + &format!("{}\tred\t1\n", day.strftime("%m/%d/%Y")))
    };
    world.drop_file("a", "some.txt", file(&[back(5), back(4), back(2)]));
    world.wait_for("some.txt", "success");
    let events = |event: &str| -> Vec<String> {
        let log = connect(&world.state_dir()).unwrap();
        let mut statement = log.prepare("SELECT detail FROM account_event WHERE event = ?1").unwrap();
        statement.query_map([event], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    daemon.stop();
    // No alert reports days before the account began.
    let earlier = "UPDATE account SET first_scan_at = first_scan_at - 10 * 24 * 3600 * 1000";
    connect_to_write(&world.state_dir()).execute(earlier, []).unwrap();
    let daemon = world.start();
    world.wait("the missing day to be told", || {
        events("missing").iter().any(|told| told.contains(&back(3).to_string()))
    });
    world.drop_file("a", "late.txt", file(&[back(3)]));
    world.wait_for("late.txt", "success");
    daemon.stop();
    let daemon = world.start();
    world.wait("its coming to be told", || events("cleared").iter().any(|told| told.contains(&back(3).to_string())));
    assert_eq!(events("missing").iter().filter(|told| told.contains(&back(3).to_string())).count(), 1);
    daemon.stop();
}

#[test]
fn unchecked_files_are_read_again_on_demand() {
    let mut world = World::new();
    world.account("a", "check = \"off\"");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", sales(&[(1, "1.50"), (2, "2")]));
    let id = world.wait_for("sales.txt", "success").id;
    world.wait("the file to be filed", || world.folder("a").join("done/sales.txt").exists());
    assert_eq!(coverage(&world, &[]), json!([]));
    let said = world.run(&["coverage"]);
    let unknown = "the data days of 1 accepted file are not known";
    assert!(String::from_utf8_lossy(&said.stderr).contains(unknown), "{said:?}");
    assert_eq!(world.run(&["coverage", "--rebuild"]).status.code(), Some(1), "the service runs");
    daemon.stop();
    // If the days guard against repeats, a file without known days guards nothing, and the command says so.
    world.account("a", "duplicates = \"hold-days\"").write_config();
    let found = stdout(&world.run(&["doctor", "--offline"]));
    assert!(found.lines().any(|line| line.contains("data days a") && line.contains(unknown)), "{found}");
    let daemon = world.start();
    assert!(world.log().contains(unknown), "{}", world.log());
    daemon.stop();
    let rebuilt = world.run(&["coverage", "--rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let all = coverage(&world, &[]);
    assert_eq!(days(&all), [day("2026-11-01", 1, 1, "1.50", "covered"), day("2026-11-02", 1, 1, "2", "covered")]);
    assert_eq!(all[0]["job_ids"], json!([id]));
    // A second run changes nothing.
    assert!(world.run(&["coverage", "--rebuild"]).status.success());
    assert_eq!(coverage(&world, &[]), all);
    let said = world.run(&["coverage"]);
    assert!(!String::from_utf8_lossy(&said.stderr).contains("not known"), "{said:?}");
}

/// A dry run predicts the service's decision about a file, also if the file that covers its day is in flight or may
/// have arrived.
#[test]
fn a_dry_run_counts_the_days_of_files_in_flight() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-days\"");
    world.sections(&world.sections_text().replace("confirm_for = \"1s\"", "confirm_for = \"1h\""));
    world.fault("upload:after-commit:reset:name=first*");
    world.fault("job:late=1h:name=first*");
    let daemon = world.start();
    world.drop_file("a", "first.txt", sales(&[(1, "1.5")]));
    let first = world.wait_for("first.txt", "unconfirmed").id;
    daemon.stop();
    world.drop_file("a", "second.txt", sales(&[(1, "2")]));
    let told = format!(
        "2026-11-01 was reported before, with the same columns: first.txt (job {first}) may have arrived with 1 row, Event 1 1.5; \
         this file has 1 row, Event 1 2. "
    );
    world.wait("the plan", || stdout(&world.run(&["run", "--dry-run"])).contains(&told));
    assert!(world.run(&["jobs", "cancel", "--force", &first.to_string()]).status.success());
    let plan = stdout(&world.run(&["run", "--dry-run"]));
    assert!(plan.contains(&told), "{plan}");
    let daemon = world.start();
    let reason = world.wait_for("second.txt", "held").reason.unwrap();
    assert!(reason.starts_with(&told), "{reason}");
    daemon.stop();
}

/// This also works if the service has never run.
#[test]
fn a_file_with_rows_of_no_day_is_foreseen_to_be_held() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-days\"");
    world.drop_file("a", "half.txt", "Date\tEvar 1\tEvent 1\n11/01/2026\tred\t1\nsoon\tred\t2\n");
    let reason = "datadrop can read no data day in 1 of 2 rows";
    world.wait("the plan", || stdout(&world.run(&["run", "--dry-run"])).contains(reason));
    let daemon = world.start();
    let held = world.wait_for("half.txt", "held");
    assert!(held.why().starts_with(reason), "{}", held.why());
    daemon.stop();
}

#[test]
fn what_would_be_added_is_shown_before_and_what_was_accepted_after() {
    let mut world = World::new();
    world.account("a", "");
    world.drop_file("a", "sales.txt", sales(&[(1, "1.50"), (1, "2"), (3, "-1")]));
    world.wait("the plan", || {
        let plan = stdout(&world.run(&["run", "--dry-run"]));
        plan.contains("this would be added up") && plan.contains("2026-11-01      1     2  Event 1 3.50")
    });
    let daemon = world.start();
    world.wait_for("sales.txt", "success");
    let file = world.dir.path().join("more.txt");
    std::fs::write(&file, sales(&[(4, "7.25")])).unwrap();
    let dropped = world.run(&["drop", file.to_str().unwrap(), "--account", "a", "--wait"]);
    let said = stdout(&dropped);
    assert!(
        said.contains("accepted, by data day:") && said.contains("2026-11-04      1     1  Event 1 7.25"),
        "{said}"
    );
    daemon.stop();
}

/// A sum with too many digits is unknown. It is known again when its file no longer counts.
#[test]
fn a_sum_is_known_again_when_the_file_with_too_many_digits_fails() {
    let world = World::new();
    world.fault("job:fail:name=huge*");
    let daemon = world.start();
    world.drop_file("a", "small.txt", sales(&[(2, "4.5")]));
    world.wait_for("small.txt", "success");
    world.drop_file("a", "huge.txt", sales(&[(2, &"9".repeat(38)), (2, &"9".repeat(38))]));
    world.wait_for("huge.txt", "failure");
    assert_eq!(days(&coverage(&world, &[])), [day("2026-11-02", 1, 1, "4.5", "covered")]);
    daemon.stop();
}
