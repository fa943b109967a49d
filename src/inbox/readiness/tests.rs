//! The rules R1 to R9, one by one and after any history.

use super::*;
use proptest::prelude::*;

const WAITS: Waits = Waits {
    settle: Duration::from_secs(1),
    settle_max: Duration::from_secs(60),
    settle_unwatched: Duration::from_secs(5),
    give_up_empty: Duration::from_secs(3600),
    wait_for_fin: false,
};

/// The kernel does not say who writes, and the last line is whole.
const UNSAID: Signs = Signs { writer: Writer::Unknown, ends_in_a_line: true };
const NOBODY: Signs = Signs { writer: Writer::Nobody, ..UNSAID };
const SOMEBODY: Signs = Signs { writer: Writer::Somebody, ..UNSAID };

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// In November 2024.
const MODIFIED: i64 = 1_732_000_000_000_000_000;

fn sight(size: u64, changed: i64) -> Sight {
    Sight {
        identity: FileIdentity { device: 1, inode: 7, born_ns: 0, size, modified_ns: MODIFIED },
        changed_ns: changed,
    }
}

fn heard(events: &[(Heard, u64)]) -> Trace {
    let mut trace = Trace::default();
    for (order, (event, seconds)) in (1..).zip(events) {
        trace.hear(*event, at(*seconds), order);
    }
    trace
}

fn candidate(trace: Trace, first_seen: u64) -> Candidate {
    let mut candidate = Candidate::new(Kind::Data, trace, at(first_seen));
    candidate.look(sight(10, 1), at(first_seen));
    candidate
}

#[test]
fn r1_a_file_renamed_in_is_ready_at_once() {
    let file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    assert_eq!(file.verdict(&WAITS, None, UNSAID, at(10)), Verdict::Ready);
}

#[test]
fn r2_a_marker_that_came_after_the_last_change_ends_the_wait() {
    let file = candidate(heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]), 9);
    let after = Some(MarkerSight { order: Some(4) });
    let before = Some(MarkerSight { order: Some(2) });
    let scanned = Some(MarkerSight { order: None });
    assert_eq!(file.verdict(&WAITS, after, UNSAID, at(10)), Verdict::Ready);
    for marker in [before, scanned] {
        assert!(matches!(file.verdict(&WAITS, marker, UNSAID, at(10)), Verdict::NotYet { why: NotYet::Settling, .. }));
    }
    let first_event_of_all = candidate(heard(&[(Heard::Closed, 10)]), 10);
    assert_eq!(
        first_event_of_all.verdict(&WAITS, Some(MarkerSight { order: Some(2) }), UNSAID, at(10)),
        Verdict::Ready
    );
}

#[test]
fn r3_a_closed_file_is_ready_after_settle_without_any_change() {
    let mut file = candidate(heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]), 9);
    assert!(matches!(file.verdict(&WAITS, None, UNSAID, at(10)), Verdict::NotYet { look_at: Some(Moment(_)), .. }));
    file.trace.hear(Heard::Touched, at(11), 4);
    assert_eq!(
        file.verdict(&WAITS, None, UNSAID, at(11)),
        Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(12)) }
    );
    assert_eq!(file.verdict(&WAITS, None, UNSAID, at(12)), Verdict::Ready);
}

#[test]
fn r4_a_file_met_by_a_scan_counts_from_our_own_first_sight() {
    let mut file = candidate(Trace::default(), 100);
    assert_eq!(
        file.verdict(&WAITS, None, UNSAID, at(104)),
        Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(105)) }
    );
    file.look(sight(10, 2), at(104));
    assert!(matches!(file.verdict(&WAITS, None, UNSAID, at(108)), Verdict::NotYet { .. }), "ctime moved: count again");
    assert_eq!(file.verdict(&WAITS, None, UNSAID, at(109)), Verdict::Ready);
}

#[test]
fn r5_a_file_open_for_writing_is_never_ready_however_long_its_writer_pauses() {
    let marker = Some(MarkerSight { order: Some(9) });
    for trace in [
        heard(&[(Heard::Created, 10), (Heard::Written, 10)]),
        heard(&[(Heard::MovedIn { writing: true }, 10)]),
        heard(&[(Heard::MovedIn { writing: false }, 10), (Heard::Written, 10)]),
        heard(&[(Heard::Closed, 10), (Heard::Written, 10)]),
    ] {
        let file = candidate(trace, 10);
        let told_by_events = Verdict::NotYet { why: NotYet::Writing, look_at: None };
        assert_eq!(file.verdict(&WAITS, marker, UNSAID, at(1_000_000)), told_by_events);
        let told_by_kernel = Verdict::NotYet { why: NotYet::Open, look_at: Some(at(1_000_005)) };
        assert_eq!(file.verdict(&WAITS, marker, SOMEBODY, at(1_000_000)), told_by_kernel);
        assert_eq!(file.verdict(&WAITS, None, NOBODY, at(15)), Verdict::Ready, "its close was missed: R4");
    }
    for trace in [heard(&[(Heard::MovedIn { writing: false }, 10)]), heard(&[(Heard::Closed, 10)]), Trace::default()] {
        let verdict = candidate(trace, 10).verdict(&WAITS, marker, SOMEBODY, at(1_000_000));
        assert!(matches!(verdict, Verdict::NotYet { why: NotYet::Open, .. }), "no rule overrules the kernel");
    }
}

#[test]
fn r5_lost_events_leave_only_the_slow_rule() {
    let mut file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    file.trace.forget(at(11));
    assert!(matches!(file.verdict(&WAITS, None, UNSAID, at(11)), Verdict::NotYet { .. }));
}

#[test]
fn r7_what_seems_to_be_a_next_piece_waits_longer_and_tells_of_pauses_that_are_too_long() {
    let closed = heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]);
    let mut file = candidate(closed, 9);
    let grown = sight(20, 2);
    let later = heard(&[(Heard::Closed, 10), (Heard::Written, 13)]);
    assert!(!file.grew_after_a_pause(&later, grown, WAITS.settle));
    file.next_piece = true;
    let next_piece = Verdict::NotYet { why: NotYet::NextPiece, look_at: Some(at(70)) };
    assert_eq!(file.verdict(&WAITS, None, NOBODY, at(69)), next_piece);
    assert_eq!(file.verdict(&WAITS, None, NOBODY, at(70)), Verdict::Ready);
    assert_eq!(file.verdict(&WAITS, Some(MarkerSight { order: Some(4) }), NOBODY, at(11)), Verdict::Ready);
    assert!(file.grew_after_a_pause(&later, grown, WAITS.settle));
    assert!(!file.grew_after_a_pause(&later, grown, Duration::from_secs(4)), "it would not have been taken in");
    assert!(!file.grew_after_a_pause(&later, sight(10, 2), WAITS.settle), "it was only touched");
    let another = Sight { identity: FileIdentity { inode: 8, ..grown.identity }, ..grown };
    file.look(another, at(13));
    assert!(!file.next_piece);
}

#[test]
fn r8_a_rename_proves_nothing_of_what_rsync_kept_of_a_broken_transfer() {
    let mut file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    let part = FileIdentity { modified_ns: 0, ..sight(10, 1).identity };
    file.look(Sight { identity: part, changed_ns: 2 }, at(10));
    let interrupted = Verdict::NotYet { why: NotYet::Interrupted, look_at: Some(at(70)) };
    assert_eq!(file.verdict(&WAITS, None, NOBODY, at(10)), interrupted);
    assert_eq!(file.verdict(&WAITS, None, NOBODY, at(70)), Verdict::Ready);
    let marker = Some(MarkerSight { order: Some(2) });
    assert_eq!(file.verdict(&WAITS, marker, NOBODY, at(10)), Verdict::Ready, "somebody says that it is whole");
    file.kind = Kind::Fin;
    assert_eq!(file.verdict(&WAITS, None, NOBODY, at(10)), Verdict::Ready);
}

#[test]
fn r9_what_was_written_in_place_and_ends_within_a_line_waits_longer() {
    let within = Signs { ends_in_a_line: false, ..NOBODY };
    let file = candidate(heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]), 9);
    let cut_off = Verdict::NotYet { why: NotYet::CutOff, look_at: Some(at(70)) };
    assert_eq!(file.verdict(&WAITS, None, within, at(11)), cut_off);
    assert_eq!(file.verdict(&WAITS, None, within, at(70)), Verdict::Ready);
    assert_eq!(file.verdict(&WAITS, Some(MarkerSight { order: Some(4) }), within, at(11)), Verdict::Ready);
    let mut renamed = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    assert_eq!(renamed.verdict(&WAITS, None, within, at(10)), Verdict::Ready);
    renamed.trace.by_rsync = true;
    assert_eq!(renamed.verdict(&WAITS, None, within, at(69)), cut_off);
    assert_eq!(renamed.verdict(&WAITS, None, NOBODY, at(10)), Verdict::Ready, "rsync renames what is whole, too");
}

#[test]
fn what_was_heard_of_one_file_does_not_make_another_in_its_place_ready() {
    let another = Sight { identity: FileIdentity { inode: 8, ..sight(10, 1).identity }, changed_ns: 1 };
    for trace in [
        heard(&[(Heard::Created, 10), (Heard::Written, 10)]),
        heard(&[(Heard::MovedIn { writing: false }, 10), (Heard::Written, 10)]),
        heard(&[(Heard::Closed, 10), (Heard::Written, 10)]),
    ] {
        let mut file = candidate(trace, 10);
        file.look(sight(20, 2), at(11));
        assert!(file.trace.writing, "it only grew");
        file.look(another, at(12));
        let waits = Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(17)) };
        assert_eq!(file.verdict(&WAITS, None, UNSAID, at(12)), waits, "R4, from the first sight of it");
    }
}

#[test]
fn r1_what_we_moved_back_ourselves_is_not_ready_for_that() {
    let mut trace = heard(&[(Heard::MovedIn { writing: false }, 10)]);
    trace.came_back();
    let waits = Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(15)) };
    assert_eq!(candidate(trace, 10).verdict(&WAITS, None, UNSAID, at(10)), waits);
    let mut trace = heard(&[(Heard::Closed, 10)]);
    trace.came_back();
    assert_eq!(trace.arrival, Arrival::Closed, "what was closed since stays closed");
}

#[test]
fn what_nobody_has_looked_at_is_looked_at_now() {
    let unseen = Candidate::new(Kind::Data, heard(&[(Heard::MovedIn { writing: false }, 10)]), at(10));
    let now = Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(10)) };
    assert_eq!(unseen.verdict(&WAITS, None, UNSAID, at(10)), now);
}

#[test]
fn r6_an_account_may_require_the_marker() {
    let waits = Waits { wait_for_fin: true, ..WAITS };
    let file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    assert_eq!(file.verdict(&waits, None, UNSAID, at(99)), Verdict::NotYet { why: NotYet::NoMarker, look_at: None });
    assert_eq!(file.verdict(&waits, Some(MarkerSight { order: None }), UNSAID, at(10)), Verdict::Ready);
}

#[test]
fn an_empty_data_file_waits_and_is_given_up_once_the_kernel_says_that_no_program_has_it_open() {
    let said = |events: &[(Heard, u64)], signs, now| {
        let mut file = candidate(heard(events), 10);
        file.look(sight(0, 1), at(10));
        file.verdict(&WAITS, None, signs, at(now))
    };
    let not_yet = |why, look_at| Verdict::NotYet { why, look_at };
    let closed = [(Heard::Created, 10), (Heard::Closed, 9_000)];
    for (events, since) in [
        (&[][..], 10),
        (&[(Heard::Created, 10)][..], 10),
        (&[(Heard::MovedIn { writing: false }, 10)][..], 10),
        (&closed[..], 9_000),
    ] {
        let end = since + 3_600;
        assert_eq!(said(events, NOBODY, end - 1), not_yet(NotYet::Empty, Some(at(end))), "{events:?}");
        assert_eq!(said(events, NOBODY, end), Verdict::StayedEmpty, "{events:?}");
        assert!(matches!(said(events, SOMEBODY, end), Verdict::NotYet { why: NotYet::Open, .. }), "under its writer");
        // It may have been open since before it was met, or be opened again since: no event tells either.
        assert_eq!(said(events, UNSAID, 9_999_999), not_yet(NotYet::MaybeOpen, None), "{events:?}");
    }
    let written = [(Heard::Closed, 10), (Heard::Written, 10)];
    assert_eq!(said(&written, UNSAID, 9_999_999), not_yet(NotYet::Writing, None), "truncated");
    let mut marker = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
    marker.look(sight(0, 1), at(10));
    marker.kind = Kind::Fin;
    assert_eq!(marker.verdict(&WAITS, None, UNSAID, at(10)), Verdict::Ready);
}

fn any_heard() -> impl Strategy<Value = Heard> {
    prop_oneof![
        Just(Heard::Created),
        Just(Heard::Written),
        Just(Heard::Touched),
        Just(Heard::Closed),
        any::<bool>().prop_map(|writing| Heard::MovedIn { writing }),
    ]
}

proptest! {
    /// P2: whatever was heard, a file that was written to and not closed since is not ready, and none that the kernel
    /// says is open.
    #[test]
    fn r5_holds_after_any_history(events in proptest::collection::vec((any_heard(), 0u64..3), 0..12), wait in 0u64..9_999_999,
                                  order in proptest::option::of(0u64..100)) {
        let mut now = 10;
        let mut trace = Trace::default();
        for (index, (event, pause)) in (1u64..).zip(&events) {
            now += pause;
            trace.hear(*event, at(now), index);
        }
        let marker = order.map(|order| MarkerSight { order: Some(order) });
        let open = candidate(trace, now).verdict(&WAITS, marker, SOMEBODY, at(now + wait));
        let is_open = matches!(open, Verdict::NotYet { why: NotYet::Open, look_at: Some(_) });
        prop_assert!(is_open, "{:?}", open);
        trace.hear(Heard::Written, at(now), 50);
        let written = candidate(trace, now).verdict(&WAITS, marker, UNSAID, at(now + wait));
        prop_assert_eq!(written, Verdict::NotYet { why: NotYet::Writing, look_at: None });
    }

    /// No file that is not open waits for ever in silence: if a verdict has no time to look again, only a change can
    /// help.
    #[test]
    fn a_quiet_file_becomes_ready(events in proptest::collection::vec((any_heard(), 0u64..3), 0..12)) {
        let mut now = 10;
        let mut trace = Trace::default();
        for (index, (event, pause)) in (1u64..).zip(&events) {
            now += pause;
            trace.hear(*event, at(now), index);
        }
        let file = candidate(trace, now);
        let mut moment = at(now);
        for _ in 0..4 {
            match file.verdict(&WAITS, None, NOBODY, moment) {
                Verdict::Ready => return Ok(()),
                Verdict::NotYet { look_at: Some(later), .. } => moment = later,
                other @ (Verdict::StayedEmpty | Verdict::NotYet { look_at: None, .. }) => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(false, "never ready");
    }
}
