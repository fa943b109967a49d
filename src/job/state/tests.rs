//! The steps of a job, compared with DESIGN §4.

use super::*;
use proptest::prelude::*;
use strum::VariantArray as _;

/// The state in the words of the job log, with the phase of an attempt.
fn told(state: State) -> String {
    if let State::Uploading(phase) = state { format!("{state} {}", phase.as_str()) } else { state.to_string() }
}

/// DESIGN §4: every possible step, in the words of the job log. All others are illegal.
#[test]
fn a_job_takes_these_steps_and_no_other() {
    for (state, steps) in State::ALL.into_iter().zip([
        "waiting: ready > queued, held > held, refused > rejected, kept-local > success, cancelled > cancelled",
        "queued: held > held, started > uploading started, refused > rejected, kept-local > success, \
         cancelled > cancelled, returned > waiting",
        "uploading started: held > held, committing > uploading committing, not-ingested > queued, refused > rejected",
        "uploading committing: held > held, not-ingested > queued, unclear > unconfirmed, accepted > uploaded, \
         refused > rejected, given-up > cancelled",
        "unconfirmed: held > held, found > uploaded, not-found > queued, given-up > cancelled",
        "held: released > queued, cancelled > cancelled, returned > waiting, adopted > uploaded",
        "uploaded: processing > processing, succeeded > success, fell-short > partial, failed > failure",
        "processing: processing > processing, succeeded > success, fell-short > partial, failed > failure",
        "success: changed > partial",
        "partial: changed > partial",
        "failure: ",
        "rejected: ",
        "cancelled: ",
    ]) {
        let taken = Event::VARIANTS.iter().filter_map(|&event| Some((event, state.next(event).ok()?)));
        let taken: Vec<String> = taken.map(|(event, to)| format!("{event} > {}", told(to))).collect();
        assert_eq!(format!("{}: {}", told(state), taken.join(", ")), steps);
    }
}

/// DESIGN §4, "States": the place of the file, the ended states, and the accepted ones.
#[test]
fn the_state_decides_the_place_of_the_file_and_its_end() {
    for (state, told) in State::ALL.into_iter().zip([
        ("inbox", false, false),
        ("inbox", false, false),
        ("inbox", false, false),
        ("inbox", false, false),
        ("inbox", false, false),
        ("held", false, false),
        ("sent", false, true),
        ("sent", false, true),
        ("done", true, true),
        ("done", true, true),
        ("failed", true, true),
        ("failed", true, false),
        ("failed", true, false),
    ]) {
        assert_eq!((state.place().as_str(), state.is_terminal(), state.is_accepted()), told, "{state}");
    }
}

#[test]
fn nothing_leaves_a_terminal_state() {
    for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        for &event in Event::VARIANTS {
            // A change of a sent file makes its job partial, and allows no other step (DESIGN F2).
            let is_changed = event == Event::Changed && [State::Success, State::Partial].contains(&state);
            assert_eq!(state.next(event).ok(), is_changed.then_some(State::Partial), "{state} took {event}");
        }
    }
}

#[test]
fn only_a_person_lets_a_held_job_go() {
    let ways_out: Vec<Event> =
        Event::VARIANTS.iter().copied().filter(|&event| State::Held.next(event).is_ok()).collect();
    assert_eq!(ways_out, [Event::Released, Event::Cancelled, Event::Returned, Event::Adopted]);
}

#[test]
fn a_job_that_may_have_arrived_is_never_cancelled_or_sent_again_unsettled() {
    for event in [Event::Cancelled, Event::Started, Event::NotIngested, Event::Refused] {
        assert!(State::Unconfirmed.next(event).is_err(), "{event}");
    }
}

#[test]
fn words_survive_the_way_through_the_job_log() {
    for state in State::ALL {
        let phase = if let State::Uploading(phase) = state { Some(phase) } else { None };
        assert_eq!(State::from_words(state.as_str(), phase), Some(state));
    }
    assert_eq!(State::from_words("uploading", None), None);
    assert_eq!(State::from_words("sideways", None), None);
    for place in Place::ALL {
        assert_eq!(Place::from_word(place.as_str()), Some(place));
    }
}

proptest! {
    /// P5: no job is accepted before `committing` was recorded, unless a person names its remote job.
    #[test]
    fn every_way_to_uploaded_passes_committing(events in proptest::collection::vec(proptest::sample::select(Event::VARIANTS), 0..60)) {
        let mut state = State::Waiting;
        let mut committed_this_attempt = false;
        for event in events {
            let Ok(next) = state.next(event) else { continue };
            if let State::Uploading(phase) = next {
                committed_this_attempt = phase == Phase::Committing;
            }
            prop_assert!(next != State::Uploaded || committed_this_attempt || event == Event::Adopted);
            state = next;
        }
    }
}
