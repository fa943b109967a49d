//! `jobs retry`, `hold`, `release`, `cancel`: what a person wants stands in the job log, and is done at once.

use super::apart;
use super::api_session::Remote;
use super::args::{CancelArguments, HoldArguments, ReleaseArguments, RetryArguments, Selection};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::people::who;
use super::settings::{self, here};
use super::{jobs, run as daemon_run};
use crate::adobe::ApiError;
use crate::clock::Clock;
use crate::config::{AccountConfig, Config};
use crate::daemon::control::Line;
use crate::daemon::operator::{carry_out, executors};
use crate::inbox::{FolderSettings, FolderWorker, Interrupted, Progress};
use crate::job::{JobId, JobStanding, Plan, Program, Release, RemoteJobId, Verb, foretold, printable};
use crate::joblog::{
    Answer, Instruction, InstructionId, JobFilter, JobLog, JobRow, OpenError, Reader, StateLock, instruct,
};
use crate::status::counted;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Timeout for a folder in which a verb moves files.
const VERB_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for the answer of a daemon that holds the lock.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// Interval between looks for its answer, if it cannot be poked.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn retry(file: &Path, arguments: RetryArguments, output: &mut Output) -> Result<Exit, Failure> {
    apply(file, Verb::Retry, arguments.jobs, output)
}

pub(super) fn hold(file: &Path, arguments: HoldArguments, output: &mut Output) -> Result<Exit, Failure> {
    apply(file, Verb::Hold, arguments.jobs, output)
}

pub(super) fn release(file: &Path, arguments: ReleaseArguments, output: &mut Output) -> Result<Exit, Failure> {
    let how = match arguments.adopt {
        Some(_) if arguments.jobs.ids.len() != 1 => {
            return Err(Failure::new(Exit::Usage, "--adopt: name one job by its number; a remote job belongs to one"));
        }
        Some(remote) => Release::Adopt(RemoteJobId(remote)),
        None if arguments.resend => Release::Resend,
        None => Release::Send,
    };
    apply(file, Verb::Release(how), arguments.jobs, output)
}

pub(super) fn cancel(file: &Path, arguments: CancelArguments, output: &mut Output) -> Result<Exit, Failure> {
    apply(file, Verb::Cancel { force: arguments.force }, arguments.jobs, output)
}

/// What came of one job; the keys of `--json`.
#[derive(Debug, Serialize)]
struct Outcome {
    id: i64,
    file_name: String,
    verb: &'static str,
    /// `false` with `--dry-run`: what it says is what would come of it. Without: it stands in the job log and is done later,
    /// unless it was refused.
    done: bool,
    refused: bool,
    message: String,
    new_id: Option<i64>,
}

fn apply(file: &Path, verb: Verb, selection: Selection, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let (json, dry_run) = (selection.json, selection.dry_run);
    let (chosen, standings): (Vec<JobRow>, Vec<JobStanding>) =
        choose(&config, verb, selection, output)?.into_iter().unzip();
    let not_that_one = match (verb, chosen.as_slice()) {
        (Verb::Release(Release::Adopt(remote)), [job]) => not_that_one(file, job, remote)?.map(|why| (job, why)),
        (Verb::Retry | Verb::Hold | Verb::Release(_) | Verb::Cancel { .. }, _) => None,
    };
    let outcomes = match not_that_one {
        Some((job, why)) => vec![outcome(job, verb, false, true, why, None)],
        None if dry_run => chosen.iter().zip(&standings).map(|(job, standing)| foretell(verb, job, standing)).collect(),
        None => have_done(&config, verb, &chosen, output)?,
    };
    if json {
        let mut text = serde_json::to_string_pretty(&outcomes)
            .map_err(|error| Failure::failed(format!("cannot be written as JSON: {error}")))?;
        text.push('\n');
        output.data(&text)?;
    } else {
        for outcome in &outcomes {
            let words = |what: &str| {
                format!("job {} ({}): {what}{}", outcome.id, printable(&outcome.file_name), outcome.message)
            };
            match (outcome.done || dry_run, outcome.refused) {
                (_, true) => output.message(&words("not done: "))?,
                (false, false) => output.message(&words("not done yet: "))?,
                (true, false) => output.words_line(&words(""))?,
            }
        }
    }
    let left = outcomes.iter().filter(|outcome| outcome.refused || !(outcome.done || dry_run)).count();
    Ok(match left {
        0 => Exit::Done,
        left if left < outcomes.len() => Exit::NotAll,
        _ => Exit::Failed,
    })
}

/// The jobs that were named, or those that a filter names and the verb fits.
fn choose(
    config: &Config,
    verb: Verb,
    selection: Selection,
    output: &mut Output,
) -> Result<Vec<(JobRow, JobStanding)>, Failure> {
    let reader = Reader::open(&config.state_dir)?;
    if !selection.ids.is_empty() {
        let named = reader.standings(&JobFilter { ids: selection.ids.clone(), ..JobFilter::default() })?;
        let chosen: Vec<_> = named.into_iter().collect::<Result<_, _>>()?;
        let is_missing = |id: &&i64| !chosen.iter().any(|(job, _)| job.id == **id);
        return match selection.ids.iter().filter(is_missing).min() {
            Some(missing) => Err(jobs::no_such_job(*missing)),
            None => Ok(chosen),
        };
    }
    if let Some(account) = &selection.account {
        jobs::known_account(account, config, &reader)?;
    }
    let filter = JobFilter {
        account: selection.account,
        states: selection.states,
        since: jobs::since(selection.since.as_ref(), &here())?,
        name: selection.name,
        search: selection.search,
        ..JobFilter::default()
    };
    let mut chosen = Vec::new();
    for found in reader.standings(&filter)? {
        match found {
            Ok(job) => chosen.push(job),
            Err(error) => output.message(&error.to_string())?,
        }
    }
    let named = chosen.len();
    chosen.retain(|(_, standing)| matches!(verb.decide(standing), Ok(plan) if plan != Plan::AsItIs));
    let others = named - chosen.len();
    if others > 0 {
        output.note(&format!(
            "{} that the filter names left as they are: {verb} does not apply to them",
            counted(i64::try_from(others).unwrap_or(i64::MAX), "job")
        ))?;
    }
    if chosen.is_empty() {
        output.message(&format!("no job to {verb}"))?;
    }
    Ok(chosen)
}

fn foretell(verb: Verb, job: &JobRow, standing: &JobStanding) -> Outcome {
    let (refused, message) = match foretold(verb, standing) {
        Ok(words) => (false, words),
        Err(refusal) => (true, refusal.words(&Program::default())),
    };
    outcome(job, verb, false, refused, message, None)
}

fn outcome(job: &JobRow, verb: Verb, done: bool, refused: bool, message: String, new_id: Option<i64>) -> Outcome {
    Outcome { id: job.id, file_name: job.file_name.clone(), verb: verb.as_str(), done, refused, message, new_id }
}

fn have_done(config: &Config, verb: Verb, chosen: &[JobRow], output: &mut Output) -> Result<Vec<Outcome>, Failure> {
    let by = by();
    let wanted: Vec<Instruction> =
        chosen.iter().map(|job| Instruction { job: JobId(job.id), verb, by: by.clone(), seen: None }).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<&str> = chosen.iter().map(|job| job.account.as_str()).collect();
    let answers = tell(config, &wanted, &accounts, output)?;
    let outcome_of =
        |(job, id): (&JobRow, &InstructionId)| match answers.answers.binary_search_by_key(id, |answer| answer.id) {
            Err(_) => outcome(job, verb, false, false, NOT_YET.to_owned(), None),
            Ok(found) => {
                let Answer { done, words, new_job, .. } = &answers.answers[found];
                outcome(job, verb, *done, !done, words.clone(), new_job.map(|id| id.0))
            }
        };
    Ok(chosen.iter().zip(&answers.ids).map(outcome_of).collect())
}

/// Who asks, for the history.
pub(super) fn by() -> String {
    printable(&who()).chars().take(64).collect()
}

const NOT_YET: &str = "it stands in the job log, and is done as soon as the service can move the file or look at it";

struct Answers {
    ids: Vec<InstructionId>,
    answers: Vec<Answer>,
}

/// Writes down what is wanted, and has it done: by the daemon, or here if none runs.
fn tell(config: &Config, wanted: &[Instruction], accounts: &[&str], output: &mut Output) -> Result<Answers, Failure> {
    let dir = &config.state_dir;
    let lock = match StateLock::take(dir) {
        Ok(lock) => Some(lock),
        Err(OpenError::Running(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(lock) = lock {
        let joblog = JobLog::open(lock)?;
        let done = instruct(dir, wanted, settings::now()).map_err(Failure::from).and_then(|ids| {
            have_files_follow(config, &joblog, accounts, output)?;
            Ok(ids)
        });
        joblog.close();
        let ids = done?;
        let answers = Reader::open(dir)?.answers(&ids)?;
        let sends =
            |wanted: &Instruction| matches!(wanted.verb, Verb::Retry | Verb::Release(Release::Send | Release::Resend));
        if wanted.iter().any(sends) && answers.iter().any(|answer| answer.done) {
            output.note("no service runs: it is sent once it does")?;
        }
        return Ok(Answers { ids, answers });
    }
    let ids = instruct(dir, wanted, settings::now())?;
    poke(dir)?;
    let answers = answers_within(dir, &ids)?;
    Ok(Answers { ids, answers })
}

/// The answers to these instructions, as far as there are any in time.
pub(super) fn answers_within(dir: &Path, ids: &[InstructionId]) -> Result<Vec<Answer>, Failure> {
    let reader = Reader::open(dir)?;
    let deadline = Instant::now() + ANSWERED_WITHIN;
    loop {
        let answers = reader.answers(ids)?;
        if answers.len() == ids.len() || Instant::now() > deadline {
            return Ok(answers);
        }
        std::thread::sleep(LOOK);
    }
}

/// Carries out what is wanted, and makes the moves that follow from it: what was wanted of a job before comes first, with its
/// move. `of`: the accounts that have to do with it; the folders of others are none of its business.
fn have_files_follow(config: &Config, joblog: &JobLog, of: &[&str], output: &mut Output) -> Result<(), Failure> {
    let executors = executors(config);
    let of: BTreeSet<&str> = of.iter().copied().collect();
    loop {
        let (mut all, mut moved) = (true, false);
        for name in &of {
            let account = config.accounts.iter().find(|account| account.name == *name);
            let (progress, given_up) = (Arc::<Progress>::default(), joblog.clone());
            let signs = Arc::clone(&progress);
            let work = || {
                all &= carry_out(joblog, &executors, |of| of == *name, || progress.alive())?;
                let enabled = account.filter(|account| account.enabled);
                enabled.map_or(Ok(Ok(false)), |account| file(config, account, joblog, &progress))
            };
            let filed: Result<_, Failure> = apart::guarded(
                format!(
                    "{}. The job log holds what you asked for, and the service does it once the folder responds",
                    apart::no_answer_in(account.map_or(&config.state_dir, |account| &account.folder), VERB_TIMEOUT)
                ),
                VERB_TIMEOUT,
                move || signs.signs_of_life.load(Ordering::Relaxed),
                // What is wanted stands there, and the service must be able to start.
                move || given_up.close(),
                work,
            )?;
            match filed? {
                Ok(some) => moved |= some,
                Err(problem) => {
                    output.message(&format!("account {name}: {problem}"))?;
                    output.note(&format!("the files of account {name} are moved once the service can do that"))?;
                }
            }
        }
        if all || !moved {
            return Ok(());
        }
    }
}

/// Makes the moves that the job log wants of one account's folder. Says whether there were any, or why they cannot be made.
fn file(
    config: &Config,
    account: &AccountConfig,
    joblog: &JobLog,
    progress: &Arc<Progress>,
) -> Result<Result<bool, Interrupted>, Failure> {
    let rows = joblog.reader()?.accounts()?;
    let Some(row) = rows.iter().find(|row| row.name == account.name) else { return Ok(Ok(false)) };
    let settings = FolderSettings::new(config, account);
    let (alone, board, progress) = (Arc::default(), Arc::default(), Arc::clone(progress));
    let mut worker = FolderWorker::new(settings, joblog.clone(), row, alone, board, Clock::start(), progress)?;
    Ok(worker.file_once())
}

/// Notifies the daemon of an instruction. A daemon that is just starting looks for instructions anyway.
pub(super) fn poke(dir: &Path) -> Result<(), Failure> {
    let runtime = daemon_run::runtime()?;
    let poked = runtime.block_on(async {
        match Line::open(dir)? {
            Some(mut line) => {
                let _ = tokio::time::timeout(ANSWERED_WITHIN, line.poke()).await;
                Ok(())
            }
            None => Ok(()),
        }
    });
    poked.map_err(|error: std::io::Error| {
        Failure::failed(format!(
            "the service cannot be reached through {}: {error}; what is wanted stands in the job log, and is done when the \
             service starts",
            dir.display()
        ))
    })
}

/// Why the job cannot be that remote job, as far as Adobe can tell; `None` if it can, or if the job log refuses it anyway.
pub(super) fn not_that_one(file: &Path, job: &JobRow, remote: RemoteJobId) -> Result<Option<String>, Failure> {
    let config = settings::load_for_requests(file)?;
    let reader = Reader::open(&config.state_dir)?;
    let id = JobId(job.id);
    let verb = Verb::Release(Release::Adopt(remote));
    let is_free = reader.owner_of_remote(&job.account, remote.0)?.is_none();
    let standing = reader.job_standing(id)?;
    if !is_free || !standing.is_some_and(|standing| matches!(verb.decide(&standing), Ok(Plan::Adopt(_)))) {
        return Ok(None);
    }
    let Some(account) = config.accounts.iter().find(|account| account.name == job.account) else { return Ok(None) };
    let sent = reader.sent_as(id)?;
    let target = sent.target.unwrap_or_else(|| account.target(&config.api));
    match Remote::open(&config)?
        .ask(&async |client, purse| client.show_job(&target, remote, purse.permit().await).await)
    {
        Ok(answer) => match answer.value.file_name {
            Some(shown) => Ok(reader.not_of_that_name(id, remote, &shown)?),
            None => Ok(None),
        },
        Err(ApiError::NotFound { body, .. }) => Ok(Some(format!(
            "Adobe does not know a remote job {remote} of this account ({}); `datadrop jobs list --remote --account {}` names those \
             that there are",
            body.without_id(),
            job.account
        ))),
        Err(error) => {
            Err(Failure::failed(format!("nothing was done, as Adobe has to be asked first: {}", error.problem())))
        }
    }
}
