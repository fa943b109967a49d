use super::*;
use crate::job::{JobId, RemoteJobId};
use std::sync::LazyLock;

fn remote(id: i64, name: &str, rows: Option<i64>) -> RemoteJob {
    RemoteJob {
        file_name: Some(name.to_owned()),
        rows_processed: rows,
        remote_job_id: RemoteJobId(id),
        remote_status: Some("processing".to_owned()),
        remote_created: None,
        remote_started: None,
        remote_finished: None,
    }
}

fn sent(rows_expected: Option<i64>) -> Sent<'static> {
    static KEPT: LazyLock<Naming> = LazyLock::new(|| Naming::learn([("Sa les.txt", "Sa les.txt")]));
    Sent {
        wire_name: "sales.txt",
        name_is_unique: false,
        rows_expected,
        stranger: None,
        others: &[],
        naming: &KEPT,
        began_at: Timestamp(1_795_429_838_007),
    }
}

fn other(wire_name: &str) -> OtherSent {
    let (id, began) = (JobId(17), EventId(5));
    OtherSent { id, wire_name: wire_name.to_owned(), is_uploading: false, is_open: false, began }
}

fn look(jobs: Vec<RemoteJob>) -> Look {
    Look { jobs, steady: true, complete: true, latest: Latest::Listed }
}

fn known(job: &RemoteJob) -> Known {
    match job.remote_job_id.0 {
        0..100 => Known::Before,
        100..200 => Known::Owned,
        _ => Known::Fresh(EventId(9)),
    }
}

#[test]
fn s3_one_fresh_job_of_our_name_is_ours() {
    let ours = remote(200, "sales.txt", Some(3));
    let listed = look(vec![remote(150, "sales.txt", None), ours.clone(), remote(101, "other.txt", None)]);
    assert_eq!(judge(&listed, sent(Some(3)), known), Judgement::Found(ours));
}

#[test]
fn s3_an_undecidable_job_is_held() {
    for jobs in [
        vec![remote(1, "sales.txt", None)],
        vec![remote(1, "sales.txt", None), remote(200, "sales.txt", None)],
        vec![remote(200, "sales.txt", None), remote(201, "sales.txt", None)],
        vec![remote(200, "sales.txt", Some(4))],
    ] {
        let judged = judge(&look(jobs.clone()), sent(Some(3)), known);
        assert!(matches!(judged, Judgement::Hold(_)), "{jobs:?}: {judged:?}");
    }
}

/// P7: on a server that cuts names, the name in the list is not that of the file, and the reason says which it is.
#[test]
fn s3_the_reason_names_what_the_list_shows() {
    let naming = Naming::learn([
        ("quarterly_report_first.txt", "quarterly_report"),
        ("quarterly_report_last.txt", "quarterly_report"),
    ]);
    let cut = Sent { wire_name: "quarterly_report_north.txt", naming: &naming, ..sent(Some(3)) };
    let shown = "is shown as quarterly_report, as the server may show this name";
    for (listed, stranger) in [
        (vec![remote(1, "quarterly_report", None)], None),
        (vec![remote(200, "quarterly_report", Some(4))], None),
        (vec![remote(200, "quarterly_report", Some(3))], Some("remote job 7, costs.txt")),
        (vec![remote(200, "quarterly_report", Some(3)), remote(201, "quarterly_report", Some(3))], None),
    ] {
        let judged = judge(&look(listed), Sent { stranger, ..cut }, known);
        assert!(matches!(&judged, Judgement::Hold(why) if why.contains(shown)), "{judged:?}");
    }
}

#[test]
fn s3_where_others_write_too_only_a_unique_name_proves_anything() {
    let ours = remote(200, "sales.txt", Some(3));
    let listed = look(vec![ours.clone()]);
    let beside_others = Sent { stranger: Some("costs.txt"), ..sent(Some(3)) };
    let judged = judge(&listed, beside_others, known);
    assert!(
        matches!(&judged, Judgement::Hold(why) if why.contains("costs.txt") && why.contains("unique")),
        "{judged:?}"
    );
    assert_eq!(judge(&listed, Sent { name_is_unique: true, ..beside_others }, known), Judgement::Found(ours));
    assert_eq!(judge(&look(vec![]), beside_others, known), Judgement::NotThere);
}

#[test]
fn s2_an_incomplete_look_does_not_count() {
    let missing = Look { latest: Latest::Missing, ..look(vec![remote(200, "sales.txt", None)]) };
    let shifting = Look { steady: false, ..look(vec![]) };
    let endless = Look { complete: false, ..look(vec![remote(200, "sales.txt", None)]) };
    for look in [missing, shifting, endless] {
        assert!(matches!(judge(&look, sent(None), known), Judgement::NotConclusive(_)));
    }
}

/// P3: if one of the two jobs adopted it, the other would be sent again.
#[test]
fn s3_a_remote_job_that_may_be_another_unconfirmed_jobs_is_held() {
    let listed = look(vec![remote(200, "sales.txt", Some(3))]);
    for name_is_unique in [false, true] {
        let others = [other("sales.txt")];
        let sent = Sent { others: &others, name_is_unique, ..sent(Some(3)) };
        let judged = judge(&listed, sent, known);
        assert!(matches!(&judged, Judgement::Hold(why) if why.contains("job 17")), "{judged:?}");
        assert_eq!(judge(&look(vec![]), sent, known), Judgement::NotThere);
    }
}

/// The name does not matter, because a server may change names in a new way.
#[test]
fn s6_an_unowned_job_whose_rows_fit_is_held_and_named() {
    let fits = |name: &str, rows| judge(&look(vec![remote(200, name, rows)]), sent(Some(3)), known);
    for (name, rows) in [("costs.txt", None), ("8f3a.dat", Some(3)), ("SALES.TXT", Some(0))] {
        let judged = fits(name, rows);
        assert!(matches!(&judged, Judgement::Hold(why) if why.contains("200") && why.contains(name)), "{judged:?}");
    }
    assert_eq!(fits("costs.txt", Some(4)), Judgement::NotThere, "it has more rows than the file");
    let disputed = judge(&look(vec![remote(200, "sales.txt", None)]), sent(Some(3)), |_| Known::Disputed);
    assert!(matches!(&disputed, Judgement::Hold(why) if why.contains("200")), "{disputed:?}");
    // Created days before, and listed only now.
    let old = RemoteJob { remote_created: Some("11/20/2026 00:00:00".to_owned()), ..remote(200, "costs.txt", None) };
    assert_eq!(judge(&look(vec![old]), sent(Some(3)), known), Judgement::NotThere);
}

#[test]
fn s6_a_remote_job_that_may_come_from_another_open_upload_makes_the_look_wait() {
    let listed = look(vec![remote(200, "costs.txt", None)]);
    let judged = |other: OtherSent| judge(&listed, Sent { others: &[other], ..sent(Some(3)) }, known);
    let waits = |judged: Judgement| matches!(judged, Judgement::NotConclusive(_));
    assert!(waits(judged(OtherSent { is_open: true, ..other("costs.txt") })));
    assert!(waits(judged(OtherSent { is_open: true, is_uploading: true, ..other("any.txt") })));
    assert!(!waits(judged(OtherSent { is_open: true, ..other("any.txt") })));
    assert!(!waits(judged(OtherSent { is_open: true, is_uploading: true, began: EventId(10), ..other("any.txt") })));
    // The API shows two of the sent names alike.
    let lower = Naming::learn([("Sales.txt", "sales.txt")]);
    let alike = look(vec![remote(200, "sales.txt", None)]);
    let others = [OtherSent { is_open: true, ..other("SALES.txt") }];
    let both = judge(&alike, Sent { others: &others, naming: &lower, ..sent(Some(3)) }, known);
    assert!(matches!(both, Judgement::Hold(_)), "{both:?}");
}

#[test]
fn s2_a_look_reaches_two_days_either_side() {
    assert_eq!(WINDOW.as_secs(), 172_800);
}

#[test]
fn s4_looks_that_do_not_count_are_counted_in_a_row() {
    let mut looks = Looks::begin(Duration::from_secs(60), 1, false, Moment::default());
    for misses in 0..3 {
        assert_eq!(looks.misses(), misses);
        looks.again_at(looks.due());
    }
    looks.not_there(looks.due());
    assert_eq!(looks.misses(), 0);
}

#[test]
fn s2_a_list_counts_where_nothing_of_ours_was_accepted_yet() {
    let ours = remote(200, "sales.txt", Some(3));
    let first_of_all = |jobs| Look { latest: Latest::None, ..look(jobs) };
    assert_eq!(judge(&first_of_all(vec![ours.clone()]), sent(Some(3)), known), Judgement::Found(ours));
    assert_eq!(judge(&first_of_all(vec![]), sent(Some(3)), known), Judgement::NotThere);
}

#[test]
fn s4_three_looks_at_once_at_half_and_at_the_end() {
    let minute = Duration::from_secs(60);
    let start = Moment(Duration::from_secs(1000));
    let mut looks = Looks::begin(minute, 1, false, start);
    assert_eq!(looks.due(), start);
    assert!(!looks.not_there(start));
    assert_eq!(looks.due(), start.after(minute / 2));
    assert!(!looks.not_there(start.after(minute / 2)));
    assert_eq!(looks.due(), start.after(minute));
    assert!(looks.not_there(start.after(minute)));
}

#[test]
fn s4_looks_that_count_are_half_the_time_apart_however_late_the_first_is() {
    let minute = Duration::from_secs(60);
    let start = Moment(Duration::from_secs(1000));
    let late = start.after(10 * minute);
    let mut looks = Looks::begin(minute, 1, false, start);
    looks.again_at(late);
    assert_eq!(looks.due(), late);
    assert!(!looks.not_there(late));
    assert_eq!(looks.due(), late.after(minute / 2));
    looks.again_at(late.after(minute));
    assert!(!looks.not_there(late.after(minute)));
    assert_eq!(looks.due(), late.after(minute * 3 / 2));
}

#[test]
fn s4_the_time_doubles_up_to_an_hour() {
    let at = |unclear_ends, none_accepted| {
        let mut looks = Looks::begin(Duration::from_secs(180), unclear_ends, none_accepted, Moment::default());
        looks.not_there(looks.due());
        looks.not_there(looks.due());
        looks.due().0.as_secs()
    };
    assert_eq!([at(1, false), at(2, false), at(3, false), at(1, true)], [180, 360, 720, 360]);
    assert_eq!(at(40, true), 3600);
}

#[test]
fn s1_a_job_listed_before_the_attempt_cannot_be_ours() {
    assert_eq!(known_by_order(Some(EventId(4)), EventId(5)), Known::Before);
    assert_eq!(known_by_order(Some(EventId(5)), EventId(5)), Known::Fresh(EventId(5)));
    assert_eq!(known_by_order(Some(EventId(6)), EventId(5)), Known::Fresh(EventId(6)));
    assert!(matches!(known_by_order(None, EventId(5)), Known::Fresh(_)));
}
