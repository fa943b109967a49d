use super::super::probe_files::Plan;
use super::super::probe_observed::Sight;
use super::*;
use crate::job::{RemoteJobId, SuiteFacts};

/// 2026-11-30 12:00:00 UTC.
const NOON: Timestamp = Timestamp(1_796_040_000_000);

fn job(status: &str, rows: i64) -> RemoteJob {
    RemoteJob {
        file_name: None,
        rows_processed: Some(rows),
        remote_job_id: RemoteJobId(1),
        remote_status: Some(status.to_owned()),
        remote_created: None,
        remote_started: None,
        remote_finished: None,
    }
}

/// Every file of a plan, sent at second 10 and seen at the end at second 20, unless `change` says otherwise.
fn observed(change: impl Fn(&mut Tried)) -> Observed {
    let files = Plan::new(1, &SuiteFacts::default(), jiff::civil::date(2026, 11, 28)).files;
    let tried = files.into_iter().map(|file| {
        let style = match file.purpose {
            Purpose::Style(style) => style,
            Purpose::Name(_) | Purpose::Marked | Purpose::Skipped | Purpose::Marker => UploadStyle::PutJson,
        };
        let seen = RemoteJob { file_name: Some(file.name.clone()), ..job("success", file.rows) };
        let mut tried = Tried {
            outcome: Outcome::Accepted(job("uploaded", 0)),
            style,
            file,
            answered: Duration::from_secs(10),
            server_time: Some(NOON),
            clock: NOON,
            sights: vec![Sight { at: Duration::from_secs(20), job: seen }],
        };
        change(&mut tried);
        tried
    });
    Observed { tried: tried.collect(), looks: vec![Duration::from_secs(20)], ..Observed::default() }
}

#[track_caller]
fn says(observed: &Observed, question: Question, expected: Option<&str>) {
    let found = answers(observed).into_iter().find(|answer| answer.question == question).unwrap();
    assert_eq!(found.answer.as_deref(), expected, "{:#?}", found.evidence);
}

fn is_marked(tried: &Tried) -> bool {
    matches!(tried.file.purpose, Purpose::Marked | Purpose::Skipped | Purpose::Marker)
}

#[test]
fn nothing_is_answered_by_nothing() {
    let answers = answers(&Observed::default());
    assert_eq!(answers.len(), 8);
    assert!(answers.iter().all(|answer| answer.answer.is_none()), "{answers:?}");
}

#[test]
fn markers_are_wanted_if_only_files_with_one_are_processed() {
    let no = Some("no: data files without a marker are processed");
    says(&observed(|_| {}), Question::Markers, no);
    let waits = |tried: &mut Tried| tried.sights.iter_mut().for_each(|sight| sight.job = job("uploaded", 0));
    let only_marked = observed(|tried| {
        if !is_marked(tried) {
            waits(tried);
        }
    });
    says(&only_marked, Question::Markers, Some("yes: only data files with a marker were processed"));
    says(&observed(waits), Question::Markers, None);
    // A marker that is refused is none.
    let refused = observed(|tried| {
        if tried.file.purpose == Purpose::Marker {
            (tried.outcome, tried.sights) = (Outcome::Refused("HTTP 400".to_owned()), Vec::new());
        }
    });
    says(&refused, Question::Markers, no);
}

#[test]
fn a_style_is_open_until_a_list_shows_the_file_or_the_api_refuses_it() {
    let unclear = |listed: bool| {
        observed(move |tried| {
            if tried.file.purpose == Purpose::Style(UploadStyle::PutJson) {
                tried.outcome = Outcome::Unclear("no answer".to_owned());
                tried.sights.truncate(usize::from(listed));
            }
        })
    };
    says(&unclear(false), Question::Styles, None);
    let all =
        "PUT with JSON (`put-json`); POST with multipart (`post-multipart`); PUT with multipart (`put-multipart`)";
    says(&unclear(true), Question::Styles, Some(all));
}

#[test]
fn each_sum_of_lines_says_which_lines_are_counted() {
    for (count, expected) in [
        (2, "data rows; neither the header nor comments"),
        (3, "data rows and the header; no comments"),
        (6, "data rows and comments; not the header"),
        (7, "all lines"),
        (1, "something else: 1 where the file has 2 data rows"),
    ] {
        let more = count - COUNTED;
        let seen = observed(|tried| {
            let rows = tried.file.rows + more - i64::from(tried.file.purpose == Purpose::Skipped);
            tried.sights[0].job.rows_processed = Some(rows);
        });
        says(&seen, Question::Rows, Some(expected));
        // Whatever else is counted, a row is missing.
        says(&seen, Question::Skipped, Some("no: it counts the rows that were processed"));
    }
    says(&observed(|_| {}), Question::Skipped, Some("yes: it counts the rows of the file"));
    let fails = observed(|tried| {
        if tried.file.purpose == Purpose::Skipped {
            tried.sights[0].job = job("failure", 0);
        }
    });
    says(&fails, Question::Skipped, Some("Adobe fails the whole file instead of skipping the row"));
}

#[test]
fn the_zone_of_dates_is_told_by_the_servers_clock() {
    for (date, suite, expected) in [
        ("11/30/2026 12:00:02", Some("US/Pacific"), Some("UTC")),
        ("2026-11-30 11:59:59", Some("Europe/London"), Some("UTC, in which the report suite is too")),
        ("2026-11-30 04:00:10", Some("US/Pacific"), Some("that of the report suite (UTC-08)")),
        ("2026-11-30 17:30:10", Some("US/Pacific"), Some("UTC+05:30, which is not that of the report suite")),
        ("2026-11-30 17:30:10", None, Some("UTC+05:30")),
        ("2026-11-30T12:00:02Z", None, Some("none is needed: the dates carry their zone")),
        // Neither a moment nor a zone.
        ("2026-11-30 12:06:30", None, None),
        ("2026-12-24 12:00:00", None, None),
        ("soon", None, None),
    ] {
        let mut seen = observed(|tried| tried.sights[0].job.remote_created = Some(date.to_owned()));
        seen.zone = suite.map(str::to_owned);
        says(&seen, Question::Dates, expected);
    }
}

#[test]
fn a_list_is_late_by_the_looks_that_did_not_show_a_job() {
    let mut seen = observed(|_| {});
    says(&seen, Question::List, Some("within 10 s"));
    // Before the answer there was nothing to show.
    seen.looks.splice(..0, [Duration::from_secs(9), Duration::from_secs(17)]);
    says(&seen, Question::List, Some("after 7.0 s to 10 s"));
    says(&seen, Question::End, Some("after 7.0 s to 10 s"));
    seen.tried[4].sights.clear();
    says(&seen, Question::List, None);
    says(&seen, Question::End, Some("after 7.0 s to 10 s"));
}
