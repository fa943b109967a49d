//! What a person may want of a job, and whether that can be done as it stands (DESIGN §7).

use super::{Event, JobId, Kind, Phase, Place, RemoteJobId, State};

/// What a person wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Verb {
    /// Send its file again, as a new job.
    Retry,
    /// Do not send it until it is released.
    Hold,
    /// Let a held one go.
    Release(Release),
    /// Never send it.
    Cancel {
        /// Also where it may have been ingested.
        force: bool,
    },
}

/// How a held job is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It was never sent: it is sent now.
    Send,
    /// It is sent whether or not it was ingested before.
    Resend,
    /// It became this remote job: nothing is sent.
    Adopt(RemoteJobId),
}

impl Verb {
    /// The word on the command line and in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where a job stands, as far as a verb asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// The job.
    pub id: JobId,
    /// Data file or marker.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// Where its file lies.
    pub place: Place,
    /// It was taken in: its content is known.
    pub is_hashed: bool,
    /// An attempt of it ended unclear, and whether it was ingested has been unknown since.
    pub is_unsettled: bool,
    /// For a marker: its data file, and where that stands.
    pub data: Option<(JobId, State)>,
    /// The job as which a person had its file sent again.
    pub sent_again_as: Option<JobId>,
}

/// What becomes of a job that a verb can be done on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It is so already.
    AsItIs,
    /// It takes these steps.
    Steps(Vec<Event>),
    /// It stays as it is, and its file becomes a new job.
    SendAgain,
    /// It is taken for this remote job.
    Adopt(RemoteJobId),
}

/// Why a verb cannot be done, and what can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its last bytes may have gone.
    #[error(
        "whether Adobe has it is being found out; `datadrop jobs wait {0}` waits for that, `datadrop jobs cancel --force {0}` gives it \
         up and records that it may have been ingested"
    )]
    Settling(JobId),
    /// It was accepted.
    #[error("Adobe has accepted it, which cannot be taken back")]
    Accepted,
    /// It is at its end.
    #[error("it has ended as {state}{}", retry_hint(*id, *state))]
    Ended {
        /// The job.
        id: JobId,
        /// How.
        state: State,
    },
    /// Sending it again would count it twice.
    #[error("Adobe processed it, and would count it twice; correct the file and drop it as a new one")]
    Processed,
    /// It is not at its end yet.
    #[error("it is {state}: it goes on by itself")]
    OnItsWay {
        /// Where it stands.
        state: State,
    },
    /// It is held.
    #[error("it is held; `datadrop jobs release {0}` lets it go")]
    Held(JobId),
    /// It is not held.
    #[error("it is not held, it is {state}{}", retry_hint(*id, *state))]
    NotHeld {
        /// The job.
        id: JobId,
        /// Where it stands.
        state: State,
    },
    /// It may have been ingested.
    #[error(
        "it may have been ingested, and sending it could count it twice; look at `datadrop jobs list --remote`, then release it with \
         `--adopt JOB_ID` if it is there, or with `--resend` if it is not"
    )]
    Unsettled,
    /// A marker follows its data file.
    #[error("it follows its data file, job {data}, which is {state}; do it with that one")]
    FollowsData {
        /// The data file's job.
        data: JobId,
        /// Where it stands.
        state: State,
    },
    /// Another job has its file.
    #[error("its file was sent again as job {0}; `datadrop jobs show {0}` says what became of it")]
    SentAgain(JobId),
    /// There is no file to send.
    #[error("its file is gone; drop it again")]
    NoFile,
    /// The content is not known.
    #[error("it was never taken in, so it cannot be that remote job")]
    NeverTakenIn,
}

fn retry_hint(id: JobId, state: State) -> String {
    match state {
        State::Failure | State::Rejected | State::Cancelled => {
            format!("; `datadrop jobs retry {id}` sends its file again")
        }
        State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Held
        | State::Uploaded
        | State::Processing
        | State::Success
        | State::Partial => String::new(),
    }
}

impl Verb {
    /// What becomes of a job that stands like this. Total, and legal by `State::next`.
    ///
    /// # Errors
    /// [`Refusal`] where it must not be done, or not now.
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
        | State::Processing) => return Err(Refusal::OnItsWay { state }),
    }
    match job.data {
        // It goes along with its data file, and could not be sent without it.
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
        // Its last bytes were held back, and now never go.
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
        Release::Send if job.is_unsettled => Err(Refusal::Unsettled),
        Release::Send | Release::Resend if job.place == Place::Gone => Err(Refusal::NoFile),
        // A marker without its data file has nothing to follow yet.
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
        fn what_a_verb_plans_is_legal_and_where_it_says(
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

        /// P3: no verb sends what may have been ingested unless it says so.
        #[test]
        fn what_may_have_been_ingested_is_sent_only_by_resend(
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

    /// A plan in the words of its events, a refusal by its name.
    fn told(decided: &Result<Plan, Refusal>) -> String {
        match decided {
            Ok(Plan::AsItIs) => "as it is".to_owned(),
            Ok(Plan::Steps(events)) => events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join("+"),
            Ok(Plan::SendAgain) => "new job".to_owned(),
            Ok(Plan::Adopt(remote)) => format!("adopt {remote}"),
            Err(refusal) => format!("{refusal:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
        }
    }

    /// DESIGN §7: what each of `VERBS` makes of a data file's job, state by state.
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
        assert_eq!(send.decide(&unsettled), Err(Refusal::Unsettled));
        assert_eq!(resend.decide(&unsettled), Ok(Plan::Steps(vec![Event::Released])));
    }

    /// P4: a marker never goes where its data file does not.
    #[test]
    fn a_marker_goes_only_with_its_data_file() {
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
                assert_eq!(refusal.to_string().contains("jobs retry 17"), can_be_retried, "{refusal}");
            }
        }
    }
}
