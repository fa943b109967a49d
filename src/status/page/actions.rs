//! Operators at the page: log-in, log-out, and what they confirm, which goes the way of the commands: an instruction in the job
//! log that the daemon decides on and carries out.

use super::confirm::{Outcome, not_written, operator_login, outcomes, proposal};
use super::forms::{Fields, operator_name, page_of_ours};
use super::frame::{Frame, Visitor, notice, title};
use super::proposal::Proposal;
use super::response::{Answer, Kind};
use super::sessions::{Operator, Plan, SESSION, Sessions};
use super::visitors::{Access, hash, in_digits, values_of};
use super::{Running, Sources};
use crate::clock::{Clock, now, random};
use crate::job::JobId;
use crate::joblog::{Instruction, InstructionId, JobFilter, JobLogError};
use axum::http::{StatusCode, header};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A wrong token is answered so late.
pub(super) const WRONG_TOKEN: Duration = Duration::from_millis(500);
/// Timeout for what is wanted of jobs. What is not done by then is done later.
const DONE_WITHIN: Duration = Duration::from_secs(15);

/// Where operators log in and act.
pub(super) struct Acting {
    sessions: Mutex<Sessions>,
    clock: Clock,
}

impl Acting {
    pub(super) fn new() -> Self {
        Self { sessions: Mutex::default(), clock: Clock::start() }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator whose cookie a request shows.
    pub(super) fn operator(&self, access: &Access, cookies: &[&str]) -> Option<Operator> {
        let (token, name) = (access.operator_token()?, access.session_cookie());
        self.sessions().operator(values_of(cookies, &name), token, self.clock.moment())
    }

    /// Opens a session for a visitor who knows the token and gives a name.
    pub(super) async fn log_in(&self, running: &Running, fields: &Fields, from: IpAddr) -> Answer {
        let access = &running.access;
        let to = page_of_ours(fields.one("to"));
        let again = |status, wrong: &str| Answer::new(status, Kind::Page, operator_login(&to, fields, Some(wrong)));
        let Some(name) = operator_name(fields.one("name")) else {
            let wrong = "The name must be one word of at most 32 letters, digits and ._-@+ characters.";
            return again(StatusCode::BAD_REQUEST, wrong);
        };
        let cookie = match self.try_to_open(access, fields.one("token"), name.clone(), from) {
            Ok(cookie) => cookie,
            Err(Some(wait)) => {
                let seconds = wait.as_secs() + 1;
                let wrong = format!("Too many wrong log-ins. Try again in {seconds} s.");
                return again(StatusCode::TOO_MANY_REQUESTS, &wrong).with(header::RETRY_AFTER, seconds.to_string());
            }
            Err(None) => {
                tracing::warn!(address = %from, "a log-in of an operator on the page was refused: wrong token");
                tokio::time::sleep(WRONG_TOKEN).await;
                return again(StatusCode::UNAUTHORIZED, "That was not the token.");
            }
        };
        tracing::info!(operator = name, address = %from, "{name} logged in on the page to act on jobs");
        Answer::see_other(&to).with(header::SET_COOKIE, cookie)
    }

    /// Returns the cookie of a new session. The error is the time to wait, if it is too early to try.
    fn try_to_open(
        &self,
        access: &Access,
        shown: &str,
        name: String,
        from: IpAddr,
    ) -> Result<String, Option<Duration>> {
        let (mut sessions, now) = (self.sessions(), self.clock.moment());
        sessions.may_try(from, now).map_err(Some)?;
        let Some(token) = access.operator_token().filter(|_| access.is_operator_token(shown)) else {
            sessions.was_wrong(from, now);
            return Err(None);
        };
        let value = drawn(token);
        sessions.open(*token, name, &value, now);
        let (cookie, age) = (access.session_cookie(), SESSION.as_secs());
        Ok(format!("{cookie}={value}; Max-Age={age}; HttpOnly; SameSite=Strict; Path=/"))
    }

    pub(super) fn log_out(&self, running: &Running, operator: &Operator) -> Answer {
        self.sessions().close(operator);
        let cookie = format!("{}=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/", running.access.session_cookie());
        Answer::see_other("/").with(header::SET_COOKIE, cookie)
    }

    /// Shows what would be done, and keeps it until it is confirmed.
    pub(super) fn show(&self, frame: &Frame, running: &Running, operator: &Operator, shown: Proposal) -> Answer {
        let name = running.access.operator_token().map(drawn).unwrap_or_default();
        let page = proposal(frame, &shown, &operator.form, &name);
        let plan = Plan { verb: shown.verb, jobs: shown.seen, back: shown.back };
        self.sessions().keep(operator, &name, plan);
        Answer::ok(Kind::Page, page)
    }

    /// Has done what an operator confirms, once.
    pub(super) async fn confirm(
        &self,
        sources: &Arc<Sources>,
        frame: &Frame,
        operator: &Operator,
        fields: &Fields,
        from: IpAddr,
    ) -> Answer {
        let Some(plan) = self.sessions().take(operator, fields.one("plan")) else {
            let text = "This form was sent before, or is not the newest. What was done stands in the history of each job. Look \
                        at the jobs again, then decide.";
            return Answer::new(StatusCode::CONFLICT, Kind::Page, notice("Nothing was done", text));
        };
        let verb = title(plan.verb);
        tracing::info!(
            operator = operator.name,
            address = %from,
            jobs = plan.jobs.len(),
            "{} wants jobs to be changed on the page: {}",
            operator.name,
            plan.verb
        );
        let (back, by) = (plan.back.clone(), format!("{} from {from} on the page", operator.name));
        // It goes on if the browser hangs up: what stands in the job log is to be carried out.
        let work = tokio::spawn(carry_out(Arc::clone(sources), plan.clone(), by));
        match tokio::time::timeout(2 * DONE_WITHIN, work).await {
            Ok(Ok(Ok(all))) => Answer::ok(Kind::Page, outcomes(frame, verb, &all, &back)),
            Ok(Ok(Err(Failed::Unwritten(error)))) => {
                let name = fields.one("plan");
                let page = not_written(frame, &plan, &error.to_string(), &operator.form, name);
                self.sessions().keep(operator, name, plan);
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Page, page)
            }
            Ok(Ok(Err(Failed::Unread(error)))) => {
                let text = format!("{error}. The history of each job says what was done.");
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Page, notice("The job log does not answer", &text))
            }
            Ok(Err(_)) => Answer::line(StatusCode::INTERNAL_SERVER_ERROR, "a defect of datadrop; its log says more"),
            Err(_) => {
                let text = "The job log cannot be written at the moment. What you confirmed is done once it can, unless the \
                            service stops before. The history of each job says what was done.";
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Page, notice("Not done yet", text))
            }
        }
    }
}

/// What a visitor may do who shows this.
pub(super) fn visitor(access: &Access, operator: Option<&Operator>) -> Visitor {
    match (access.operator_token(), operator) {
        (None, _) => Visitor::Looks,
        (Some(_), None) => Visitor::MayLogIn,
        (Some(_), Some(Operator { name, form, .. })) => Visitor::Acts { name: name.clone(), form: form.clone() },
    }
}

/// Draws a name that nobody can guess: chance, and a secret beside it.
fn drawn(secret: &[u8; 32]) -> String {
    let chance = [random(), random(), random(), random()].map(u64::to_le_bytes);
    in_digits(&hash(&[b"drawn", secret, chance.as_flattened()]))
}

/// Why it is not known what was done.
enum Failed {
    /// Nothing stands in the job log.
    Unwritten(JobLogError),
    /// It stands there, and what came of it could not be read.
    Unread(JobLogError),
}

/// Writes down what is wanted, has it carried out, and reads what came of it.
async fn carry_out(sources: Arc<Sources>, plan: Plan, by: String) -> Result<Vec<Outcome>, Failed> {
    let wanted: Vec<Instruction> = plan
        .jobs
        .iter()
        .map(|&(job, seen)| Instruction { job, verb: plan.verb, by: by.clone(), seen: Some(seen) })
        .collect();
    let ids = sources.joblog.instruct(wanted, now()).await.map_err(Failed::Unwritten)?;
    let (poke, carried_out) = oneshot::channel();
    if sources.pokes.send(poke).is_ok() {
        // What is not answered by then is done later, and the answer says so.
        let _ = tokio::time::timeout(DONE_WITHIN, carried_out).await;
    }
    let jobs: Vec<JobId> = plan.jobs.iter().map(|(job, _)| *job).collect();
    let read = move || read_outcomes(&sources, &jobs, &ids);
    tokio::task::spawn_blocking(read).await.unwrap_or(Err(JobLogError::Closed)).map_err(Failed::Unread)
}

fn read_outcomes(sources: &Sources, jobs: &[JobId], ids: &[InstructionId]) -> Result<Vec<Outcome>, JobLogError> {
    let answers: HashMap<InstructionId, _> =
        sources.reader.answers(ids)?.into_iter().map(|answer| (answer.id, answer)).collect();
    let filter = JobFilter { ids: jobs.iter().map(|job| job.0).collect(), ..JobFilter::default() };
    let rows: HashMap<i64, _> =
        sources.reader.each_job(&filter)?.into_iter().flatten().map(|job| (job.id, job)).collect();
    let outcome = |(job, id): (&JobId, &InstructionId)| {
        let job = rows.get(&job.0)?.clone();
        Some(match answers.get(id) {
            Some(answer) => Outcome {
                job,
                done: Some(answer.done),
                words: answer.words.clone(),
                new_job: answer.new_job.map(|id| id.0),
            },
            None => Outcome {
                job,
                done: None,
                words: "it stands in the job log, and is done as soon as the service can move the file or look at it"
                    .to_owned(),
                new_job: None,
            },
        })
    };
    Ok(jobs.iter().zip(ids).filter_map(outcome).collect())
}
