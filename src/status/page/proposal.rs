//! What would be done with jobs if an operator confirmed it: the dry run of the page.

use super::filters::{ActQuery, pattern};
use crate::job::{EventId, JobId, JobStanding, Kind, Plan, Program, State, Verb, foretold};
use crate::joblog::{JobFilter, JobLogError, JobRow, Reader};
use crate::status::Here;

/// Maximum number of jobs that the page acts on at once. A person reads the list before, and the daemon carries it out while the
/// browser waits.
pub(super) const MOST: usize = 500;

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) verb: Verb,
    /// What would be done with each job that the verb applies to, in words.
    pub(super) jobs: Vec<(JobRow, String)>,
    /// The jobs that would be left as they are, and why.
    pub(super) refused: Vec<(JobRow, String)>,
    /// The newest event of each job to act on.
    pub(super) seen: Vec<(JobId, EventId)>,
    /// The number of jobs that match, if it is too large to act on them here.
    pub(super) too_many: Option<i64>,
    /// The same as a command.
    pub(super) command: String,
    /// The page from which it was asked.
    pub(super) back: String,
}

/// Why there is no proposal.
#[derive(Debug)]
pub(super) enum NoProposal {
    JobLog(JobLogError),
    NoSuchJob(JobId),
    NoSuchTime,
}

impl From<JobLogError> for NoProposal {
    fn from(error: JobLogError) -> Self {
        Self::JobLog(error)
    }
}

/// Reads which jobs are meant, and says what would become of each.
pub(super) fn propose(
    query: &ActQuery,
    reader: &Reader,
    here: &Here,
    program: &Program,
) -> Result<Proposal, NoProposal> {
    let verb = query.verb;
    let mut proposal = Proposal {
        verb,
        jobs: Vec::new(),
        refused: Vec::new(),
        seen: Vec::new(),
        too_many: None,
        command: query.command(program),
        back: query.back(),
    };
    let ids = if let Some(job) = query.job {
        vec![job.0]
    } else {
        let filters = candidates(query, here).ok_or(NoProposal::NoSuchTime)?;
        let mut ids = Vec::new();
        for filter in &filters {
            let filter = JobFilter { limit: Some(MOST + 1), ..filter.clone() };
            ids.extend(reader.each_job(&filter)?.into_iter().flatten().map(|job| job.id));
        }
        if ids.len() > MOST {
            let count = |filter| reader.count(filter);
            proposal.too_many = Some(filters.iter().map(count).sum::<Result<i64, _>>()?);
            return Ok(proposal);
        }
        ids
    };
    if ids.is_empty() {
        return Ok(proposal);
    }
    // Before the jobs: what changes in between is newer than what is shown, and is noticed when it is carried out.
    let newest = reader.newest_events(&ids)?;
    for (job, standing) in reader.standings(&JobFilter { ids, ..JobFilter::default() })?.into_iter().flatten() {
        let id = standing.id;
        match outlook(verb, &standing, program) {
            Ok(words) => {
                proposal.seen.push((id, newest.get(&id).copied().unwrap_or(EventId(0))));
                proposal.jobs.push((job, words));
            }
            Err(why) => proposal.refused.push((job, why)),
        }
    }
    match query.job {
        Some(id) if proposal.jobs.is_empty() && proposal.refused.is_empty() => Err(NoProposal::NoSuchJob(id)),
        Some(_) | None => Ok(proposal),
    }
}

/// What would become of a job, or why the page does nothing with it.
pub(super) fn outlook(verb: Verb, job: &JobStanding, program: &Program) -> Result<String, String> {
    let words = foretold(verb, job).map_err(|refusal| refusal.words(program))?;
    if verb.decide(job) == Ok(Plan::AsItIs) {
        return Err(words);
    }
    if verb == Verb::Retry && job.is_unsettled {
        // As `release --resend`, it could count twice, and that takes a command.
        return Err(
            "it may have been ingested, and sending it again could count it twice; if Adobe does not have it, \
                    `jobs retry` on the command line sends it"
                .to_owned(),
        );
    }
    Ok(words)
}

/// The filter, once for each state in which the verb can apply to a job: an index has each. `None`: the time does not exist.
fn candidates(query: &ActQuery, here: &Here) -> Option<Vec<JobFilter>> {
    let of = query.of.filter(here)?;
    let filter = |state: &'static str| JobFilter {
        states: vec![state.to_owned()],
        name: of.name.as_deref().map(pattern),
        limit: None,
        ..of.clone()
    };
    let is_wanted = |state: &&'static str| of.states.is_empty() || of.states.iter().any(|wanted| wanted == state);
    Some(states_for(query.verb).into_iter().filter(is_wanted).map(filter).collect())
}

/// The states in which a verb can apply, as their words.
fn states_for(verb: Verb) -> Vec<&'static str> {
    let can = |state: &State| {
        let (id, place) = (JobId(0), state.place());
        let best = JobStanding {
            id,
            kind: Kind::Data,
            state: *state,
            place,
            is_hashed: true,
            is_unsettled: false,
            data: None,
            sent_again_as: None,
        };
        verb.decide(&best).is_ok_and(|plan| plan != Plan::AsItIs)
    };
    State::ALL.into_iter().filter(can).map(State::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::job::Release;
    use crate::joblog::fixtures::{arrives, ends, long_over, opened};
    use crate::status::page::page_fixtures::here;

    const CANCEL: Verb = Verb::Cancel { force: false };

    #[test]
    fn each_verb_asks_for_the_states_that_allow_it() {
        assert_eq!(states_for(Verb::Retry), ["failure", "rejected", "cancelled"]);
        assert_eq!(states_for(Verb::Hold), ["waiting", "queued", "uploading"]);
        assert_eq!(states_for(Verb::Release(Release::Send)), ["held"]);
        assert_eq!(states_for(CANCEL), ["waiting", "queued", "uploading", "held"]);
    }

    #[test]
    fn what_may_have_been_ingested_is_not_sent_from_the_page() {
        let job = JobStanding {
            id: JobId(7),
            kind: Kind::Data,
            state: State::Cancelled,
            place: State::Cancelled.place(),
            is_hashed: true,
            is_unsettled: true,
            data: None,
            sent_again_as: None,
        };
        assert!(outlook(Verb::Retry, &job, &Program::default()).unwrap_err().contains("could count it twice"));
        let held = JobStanding { state: State::Held, place: State::Held.place(), ..job };
        assert!(outlook(Verb::Release(Release::Send), &held, &Program::default()).unwrap_err().contains("--resend"));
        assert_eq!(outlook(Verb::Hold, &held, &Program::default()).unwrap_err(), "is held already");
        assert_eq!(outlook(CANCEL, &held, &Program::default()).unwrap(), "is held, would be cancelled");
    }

    fn asked(query: &str, log: &crate::joblog::JobLog) -> Result<Proposal, NoProposal> {
        propose(&ActQuery::parse(query).unwrap(), &log.reader().unwrap(), &here(), &Program::default())
    }

    #[test]
    fn a_filter_finds_what_the_verb_applies_to() {
        let (_dir, log) = opened();
        for file in 1..=4 {
            arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold);
        }
        ends(&log, JobId(3), "rejected", "");
        let ids = |query| -> Vec<i64> { asked(query, &log).unwrap().jobs.iter().map(|(job, _)| job.id).collect() };
        assert_eq!(ids("verb=cancel&account=a"), [1, 2, 4]);
        assert_eq!(ids("verb=cancel&account=a&name=4"), [4]);
        assert_eq!(ids("verb=cancel&state=rejected"), Vec::<i64>::new());
        assert_eq!(ids("verb=hold&job=2"), [2]);
        let ended = asked("verb=hold&job=3", &log).unwrap();
        assert!(ended.jobs.is_empty() && ended.refused[0].1.contains("the job has ended as rejected"), "{ended:?}");
        assert!(matches!(asked("verb=hold&job=9", &log), Err(NoProposal::NoSuchJob(JobId(9)))));
        let proposal = asked("verb=cancel&account=a", &log).unwrap();
        assert_eq!(proposal.seen.len(), 3);
        assert!(proposal.seen.iter().all(|(_, event)| event.0 > 0), "{proposal:?}");
    }

    #[test]
    fn too_many_jobs_are_counted_and_left_to_the_command() {
        let (_dir, log) = opened();
        long_over(&log, 501);
        let proposal = asked("verb=retry&account=a", &log).unwrap();
        assert_eq!((proposal.too_many, proposal.jobs.len(), proposal.seen.len()), (Some(501), 0, 0));
        assert_eq!(proposal.command, "datadrop jobs retry --account a");
        let fewer = asked("verb=retry&account=a&name=f50", &log).unwrap();
        assert_eq!((fewer.too_many, fewer.jobs.len()), (None, 3), "f50, f500 and f501");
    }
}
