//! The verbs that a person can apply to a job, and whether the state of the job allows them (DESIGN §7).

use super::{Event, JobId, Kind, Phase, Place, RemoteJobId, State};

/// A verb that a person applies to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Verb {
    /// Send its file again, as a new job.
    Retry,
    /// Do not send it until it is released.
    Hold,
    /// Release a held job.
    Release(Release),
    /// Never send it.
    Cancel {
        /// Cancel it even if Adobe may have ingested it.
        force: bool,
    },
}

/// How a held job is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Send it now. It was never sent.
    Send,
    /// Send it, even if Adobe may already have ingested it.
    Resend,
    /// Adopt this remote job, and send nothing.
    Adopt(RemoteJobId),
}

impl Verb {
    /// The word on the command line and in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The facts about a job that a verb depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// The job.
    pub id: JobId,
    /// Data file or marker.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// The place of its file.
    pub place: Place,
    /// Its content has been hashed.
    pub is_hashed: bool,
    /// An attempt ended unclear, and datadrop has not found out since whether Adobe ingested the file.
    pub is_unsettled: bool,
    /// For a marker: the job of its data file, and that job's state.
    pub data: Option<(JobId, State)>,
    /// The later job with which a person sent its file again.
    pub sent_again_as: Option<JobId>,
}

/// What a permitted verb does to the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing, because the job already is in that state.
    AsItIs,
    /// The job takes these steps.
    Steps(Vec<Event>),
    /// The job stays as it is, and its file becomes a new job.
    SendAgain,
    /// The job adopts this remote job.
    Adopt(RemoteJobId),
}

/// Why a verb cannot be applied. [`Refusal::words`] adds what can be done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its last bytes may have gone.
    #[error("datadrop is still checking whether Adobe has the file")]
    Settling(JobId),
    /// It was accepted.
    #[error("Adobe has accepted the file, and nothing can withdraw it")]
    Accepted,
    /// It has ended.
    #[error("the job has ended as {state}")]
    Ended {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// Adobe has processed it, so that sending it again would count it twice.
    #[error("Adobe has processed the file, and would count its rows twice")]
    Processed,
    /// It has not ended yet.
    #[error("the job is {state} and still in progress")]
    OnItsWay {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// It is held.
    #[error("the job is held")]
    Held(JobId),
    /// It is not held.
    #[error("the job is {state}, not held")]
    NotHeld {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// It may have been ingested.
    #[error("Adobe may have ingested the file, and would then count it twice")]
    Unsettled(JobId),
    /// A marker follows its data file.
    #[error("this marker follows its data file, job {data}, which is {state}")]
    FollowsData {
        /// The data file's job.
        data: JobId,
        /// The state of that job.
        state: State,
    },
    /// Another job has its file.
    #[error("its file was sent again as job {0}")]
    SentAgain(JobId),
    /// There is no file to send.
    #[error("its file is no longer there")]
    NoFile,
    /// Its content has never been hashed.
    #[error("datadrop never hashed the file, so it never sent it, and it cannot be that remote job")]
    NeverTakenIn,
}

impl Verb {
    /// Returns what the verb does to this job. Total, and each step is legal by `State::next`.
    ///
    /// # Errors
    /// [`Refusal`] if the verb is not allowed, or not allowed now.
    pub fn decide(self, job: &JobStanding) -> Result<Plan, Refusal> {
        let decided = match self {
            Self::Retry => retry(job),
            Self::Hold => hold(job),
            Self::Release(how) => release(job, how),
            Self::Cancel { force } => cancel(job, force),
        };
        match (decided, job.sent_again_as) {
            (Err(Refusal::Ended { .. } | Refusal::NotHeld { .. } | Refusal::NoFile), Some(again)) => {
                Err(Refusal::SentAgain(again))
            }
            (decided, _) => decided,
        }
    }
}

fn retry(job: &JobStanding) -> Result<Plan, Refusal> {
    match job.state {
        State::Failure | State::Rejected | State::Cancelled => {}
        State::Success | State::Partial => return Err(Refusal::Processed),
        State::Held => return Err(Refusal::Held(job.id)),
        state @ (State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Uploaded
        | State::Processing) => return Err(Refusal::OnItsWay { id: job.id, state }),
    }
    match job.data {
        // A marker follows its data file, and cannot be sent without it.
        Some((data, state @ (State::Failure | State::Rejected | State::Cancelled | State::Held))) => {
            Err(Refusal::FollowsData { data, state })
        }
        Some(_) | None if job.place == Place::Gone => Err(Refusal::NoFile),
        Some(_) | None => Ok(Plan::SendAgain),
    }
}

fn hold(job: &JobStanding) -> Result<Plan, Refusal> {
    match job.state {
        State::Waiting | State::Queued => Ok(Plan::Steps(vec![Event::Held])),
        // The last bytes were held back, and now never go.
        State::Uploading(Phase::Started) => Ok(Plan::Steps(vec![Event::NotIngested, Event::Held])),
        State::Uploading(Phase::Committing) | State::Unconfirmed => Err(Refusal::Settling(job.id)),
        State::Held => Ok(Plan::AsItIs),
        State::Uploaded | State::Processing => Err(Refusal::Accepted),
        state @ (State::Success | State::Partial | State::Failure | State::Rejected | State::Cancelled) => {
            Err(Refusal::Ended { id: job.id, state })
        }
    }
}

fn release(job: &JobStanding, how: Release) -> Result<Plan, Refusal> {
    if job.state != State::Held {
        return Err(Refusal::NotHeld { id: job.id, state: job.state });
    }
    if let Some((data, state @ (State::Held | State::Failure | State::Rejected | State::Cancelled))) = job.data {
        return Err(Refusal::FollowsData { data, state });
    }
    match how {
        Release::Adopt(_) if !job.is_hashed => Err(Refusal::NeverTakenIn),
        Release::Adopt(remote) => Ok(Plan::Adopt(remote)),
        Release::Send if job.is_unsettled => Err(Refusal::Unsettled(job.id)),
        Release::Send | Release::Resend if job.place == Place::Gone => Err(Refusal::NoFile),
        // A marker without its data file has nothing to follow, so it waits.
        Release::Send | Release::Resend if !job.is_hashed || job.kind == Kind::Fin && job.data.is_none() => {
            Ok(Plan::Steps(vec![Event::Returned]))
        }
        Release::Send | Release::Resend => Ok(Plan::Steps(vec![Event::Released])),
    }
}

fn cancel(job: &JobStanding, force: bool) -> Result<Plan, Refusal> {
    match job.state {
        State::Waiting | State::Queued | State::Held => Ok(Plan::Steps(vec![Event::Cancelled])),
        State::Uploading(Phase::Started) => Ok(Plan::Steps(vec![Event::NotIngested, Event::Cancelled])),
        State::Uploading(Phase::Committing) | State::Unconfirmed if force => Ok(Plan::Steps(vec![Event::GivenUp])),
        State::Uploading(Phase::Committing) | State::Unconfirmed => Err(Refusal::Settling(job.id)),
        State::Uploaded | State::Processing => Err(Refusal::Accepted),
        State::Cancelled => Ok(Plan::AsItIs),
        state @ (State::Success | State::Partial | State::Failure | State::Rejected) => {
            Err(Refusal::Ended { id: job.id, state })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Program;
    use proptest::prelude::*;

    fn standing(state: State) -> JobStanding {
        JobStanding {
            id: JobId(17),
            kind: Kind::Data,
            state,
            place: state.place(),
            is_hashed: true,
            is_unsettled: false,
            data: None,
            sent_again_as: None,
        }
    }

    const VERBS: [Verb; 7] = [
        Verb::Retry,
        Verb::Hold,
        Verb::Release(Release::Send),
        Verb::Release(Release::Resend),
        Verb::Release(Release::Adopt(RemoteJobId(901))),
        Verb::Cancel { force: false },
        Verb::Cancel { force: true },
    ];

    fn end_of(state: State, plan: &Plan) -> Option<State> {
        match plan {
            Plan::AsItIs | Plan::SendAgain => Some(state),
            Plan::Steps(events) => events.iter().try_fold(state, |state, event| state.next(*event)).ok(),
            Plan::Adopt(_) => state.next(Event::Adopted).ok(),
        }
    }

    proptest! {
        #[test]
        fn the_plan_of_a_verb_is_legal_and_ends_in_the_named_state(
            state in proptest::sample::select(State::ALL.to_vec()),
            verb in proptest::sample::select(VERBS.to_vec()),
            place in proptest::sample::select(Place::ALL.to_vec()),
            is_hashed: bool,
            is_unsettled: bool,
            data in proptest::option::of(proptest::sample::select(State::ALL.to_vec())),
        ) {
            let job = JobStanding { place, is_hashed, is_unsettled, data: data.map(|state| (JobId(3), state)), ..standing(state) };
            if let Ok(plan) = verb.decide(&job) {
                let end = end_of(state, &plan);
                prop_assert!(end.is_some(), "{verb} on {state}: {plan:?}");
                let end = end.unwrap();
                match verb {
                    Verb::Retry => prop_assert!(state.is_terminal() && plan == Plan::SendAgain && place != Place::Gone),
                    Verb::Hold => prop_assert_eq!(end, State::Held),
                    Verb::Release(Release::Adopt(_)) => prop_assert!(end == State::Uploaded && is_hashed),
                    Verb::Release(_) => prop_assert_eq!(end, if is_hashed { State::Queued } else { State::Waiting }),
                    Verb::Cancel { .. } => prop_assert_eq!(end, State::Cancelled),
                }
            }
        }

        /// P3: no verb but `resend` sends a file that Adobe may have ingested.
        #[test]
        fn a_possibly_ingested_file_is_sent_only_by_resend(
            verb in proptest::sample::select(VERBS.to_vec()),
            state in proptest::sample::select(State::ALL.to_vec()),
        ) {
            let job = JobStanding { is_unsettled: true, ..standing(state) };
            let goes_out = |plan: &Plan| matches!(plan, Plan::Steps(events) if events.contains(&Event::Released) || events.contains(&Event::Returned));
            if verb.decide(&job).is_ok_and(|plan| goes_out(&plan)) {
                prop_assert_eq!(verb, Verb::Release(Release::Resend));
            }
        }
    }

    /// Formats a plan as the words of its events, and a refusal as its name.
    fn told(decided: &Result<Plan, Refusal>) -> String {
        match decided {
            Ok(Plan::AsItIs) => "as it is".to_owned(),
            Ok(Plan::Steps(events)) => events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join("+"),
            Ok(Plan::SendAgain) => "new job".to_owned(),
            Ok(Plan::Adopt(remote)) => format!("adopt {remote}"),
            Err(refusal) => format!("{refusal:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
        }
    }

    /// DESIGN §7: the result of each of `VERBS` for a data file's job, state by state.
    #[test]
    fn each_verb_does_this_in_each_state() {
        for (state, expected) in State::ALL.into_iter().zip([
            "OnItsWay, held, NotHeld, NotHeld, NotHeld, cancelled, cancelled",
            "OnItsWay, held, NotHeld, NotHeld, NotHeld, cancelled, cancelled",
            "OnItsWay, not-ingested+held, NotHeld, NotHeld, NotHeld, not-ingested+cancelled, not-ingested+cancelled",
            "OnItsWay, Settling, NotHeld, NotHeld, NotHeld, Settling, given-up",
            "OnItsWay, Settling, NotHeld, NotHeld, NotHeld, Settling, given-up",
            "Held, as it is, released, released, adopt 901, cancelled, cancelled",
            "OnItsWay, Accepted, NotHeld, NotHeld, NotHeld, Accepted, Accepted",
            "OnItsWay, Accepted, NotHeld, NotHeld, NotHeld, Accepted, Accepted",
            "Processed, Ended, NotHeld, NotHeld, NotHeld, Ended, Ended",
            "Processed, Ended, NotHeld, NotHeld, NotHeld, Ended, Ended",
            "new job, Ended, NotHeld, NotHeld, NotHeld, Ended, Ended",
            "new job, Ended, NotHeld, NotHeld, NotHeld, Ended, Ended",
            "new job, Ended, NotHeld, NotHeld, NotHeld, as it is, as it is",
        ]) {
            let answers = VERBS.map(|verb| told(&verb.decide(&standing(state))));
            assert_eq!(answers.join(", "), expected, "{state}");
        }
    }

    #[test]
    fn a_job_is_sent_only_if_there_is_a_file_with_known_content() {
        let [send, resend, adopt] = [VERBS[2], VERBS[3], VERBS[4]];
        let held = standing(State::Held);
        let gone = JobStanding { place: Place::Gone, ..held };
        assert_eq!([send, resend].map(|verb| verb.decide(&gone)), [Err(Refusal::NoFile), Err(Refusal::NoFile)]);
        assert_eq!(adopt.decide(&gone), Ok(Plan::Adopt(RemoteJobId(901))), "what Adobe has needs no file");
        let gone = JobStanding { place: Place::Gone, ..standing(State::Cancelled) };
        assert_eq!(Verb::Retry.decide(&gone), Err(Refusal::NoFile));
        let unknown = JobStanding { is_hashed: false, ..held };
        assert_eq!(send.decide(&unknown), Ok(Plan::Steps(vec![Event::Returned])));
        assert_eq!(adopt.decide(&unknown), Err(Refusal::NeverTakenIn));
        let unsettled = JobStanding { is_unsettled: true, ..held };
        assert_eq!(send.decide(&unsettled), Err(Refusal::Unsettled(unsettled.id)));
        assert_eq!(resend.decide(&unsettled), Ok(Plan::Steps(vec![Event::Released])));
    }

    /// P4: a marker is never sent if its data file is not.
    #[test]
    fn a_marker_is_sent_only_with_its_data_file() {
        let marker = JobStanding { kind: Kind::Fin, ..standing(State::Held) };
        assert_eq!(VERBS[2].decide(&marker), Ok(Plan::Steps(vec![Event::Returned])), "it has nothing to follow yet");
        for state in State::ALL {
            let data = Some((JobId(3), state));
            let follows = match state {
                State::Held | State::Failure | State::Rejected | State::Cancelled => true,
                State::Waiting
                | State::Queued
                | State::Uploading(_)
                | State::Unconfirmed
                | State::Uploaded
                | State::Processing
                | State::Success
                | State::Partial => false,
            };
            let refused = Err(Refusal::FollowsData { data: JobId(3), state });
            let released = VERBS[2].decide(&JobStanding { data, ..marker });
            assert_eq!(
                released,
                if follows { refused.clone() } else { Ok(Plan::Steps(vec![Event::Released])) },
                "{state}"
            );
            let retried = Verb::Retry.decide(&JobStanding { data, ..standing(State::Failure) });
            assert_eq!(retried, if follows { refused } else { Ok(Plan::SendAgain) }, "{state}");
        }
    }

    #[test]
    fn words_of_verbs_are_those_of_the_command_line() {
        let words = VERBS.map(Verb::as_str);
        assert_eq!(words, ["retry", "hold", "release", "release", "release", "cancel", "cancel"]);
    }

    #[test]
    fn after_committing_only_force_ends_a_job() {
        for state in [State::Uploading(Phase::Committing), State::Unconfirmed] {
            let job = standing(state);
            assert_eq!(Verb::Hold.decide(&job), Err(Refusal::Settling(JobId(17))));
            assert_eq!(Verb::Cancel { force: false }.decide(&job), Err(Refusal::Settling(JobId(17))));
            assert_eq!(Verb::Cancel { force: true }.decide(&job), Ok(Plan::Steps(vec![Event::GivenUp])));
        }
    }

    #[test]
    fn every_refusal_says_what_can_be_done() {
        let states = State::ALL.into_iter().flat_map(|state| VERBS.map(|verb| (state, verb)));
        let said: Vec<String> = states
            .filter_map(|(state, verb)| verb.decide(&standing(state)).err())
            .map(|refusal| refusal.to_string())
            .collect();
        assert!(said.iter().all(|text| !text.contains('\n') && text.len() > 10), "{said:?}");
        for state in State::ALL {
            let can_be_retried = Verb::Retry.decide(&standing(state)) == Ok(Plan::SendAgain);
            for refusal in [Refusal::Ended { id: JobId(17), state }, Refusal::NotHeld { id: JobId(17), state }] {
                let words = refusal.words(&Program::default());
                assert_eq!(words.contains("jobs retry 17"), can_be_retried, "{words}");
            }
        }
    }
}
