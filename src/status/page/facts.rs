//! Reads what an answer needs and renders it, on a blocking thread, because SQLite waits for the disk.

use super::calendar::{Month, OneDay, day, month};
use super::chart::first_day;
use super::filters::{ActQuery, DaysQuery, JobsQuery, VERBS, pattern};
use super::frame::{Frame, Visitor, login, notice};
use super::job_list::{Found, jobs};
use super::life::life;
use super::metrics;
use super::overview::{Overview, overview};
use super::proposal::{NoProposal, Proposal, outlook, propose};
use super::response::{Answer, Kind};
use super::route::Route;
use super::{Running, Sources};
use crate::clock::now;
use crate::config::AccountConfig;
use crate::coverage::{Coverage, DayFacts, DayRange, DayStatus, today};
use crate::job::{DayZone, JobId, Verb};
use crate::joblog::{AccountRow, JobFilter, JobLogError, JobRow, Reader};
use crate::status::{Here, RECENT, StatusReport, job_json, jobs_json, status_json, status_report};
use axum::http::StatusCode;
use jiff::Span;
use jiff::tz::TimeZone;
use std::time::Instant;

/// Maximum number of jobs that need a person on the first page.
const PEOPLE: usize = 8;
/// Maximum number of the newest jobs on the first page.
const NEWEST: usize = 12;
/// Maximum number of jobs of a data day.
const JOBS_OF_A_DAY: usize = 200;
/// Maximum number of jobs that a search by name reads at once. It offers to read more, because a long job log takes a
/// second to search.
const WINDOW: i64 = 50_000;

/// Why there is nothing to show.
pub(super) enum Failed {
    JobLog(JobLogError),
    Json(serde_json::Error),
    NoSuchJob(JobId),
    NoSuchTime,
    NoSuchAccount,
}

impl From<JobLogError> for Failed {
    fn from(error: JobLogError) -> Self {
        Self::JobLog(error)
    }
}

impl From<NoProposal> for Failed {
    fn from(none: NoProposal) -> Self {
        match none {
            NoProposal::JobLog(error) => Self::JobLog(error),
            NoProposal::NoSuchJob(id) => Self::NoSuchJob(id),
            NoProposal::NoSuchTime => Self::NoSuchTime,
        }
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl Failed {
    /// In words: for a person, or in a line for a program.
    pub(super) fn answer(self, is_page: bool) -> Answer {
        let (status, title, text) = match self {
            Self::JobLog(error) => (StatusCode::SERVICE_UNAVAILABLE, "The job log cannot be read", error.to_string()),
            Self::Json(error) => (StatusCode::INTERNAL_SERVER_ERROR, "A defect of datadrop", error.to_string()),
            Self::NoSuchJob(id) => (StatusCode::NOT_FOUND, "No such job", format!("there is no job {id}")),
            Self::NoSuchAccount => {
                (StatusCode::NOT_FOUND, "No such account", "the configuration has no account of this name".to_owned())
            }
            Self::NoSuchTime => (
                StatusCode::BAD_REQUEST,
                "No such time",
                "since: this time does not exist in the zone of the server".to_owned(),
            ),
        };
        if is_page { Answer::new(status, Kind::Page, notice(title, &text)) } else { Answer::line(status, &text) }
    }
}

/// Returns the answer to a request. `may_tell`: the visitor may see names.
pub(super) fn answer(route: &Route, sources: &Sources, running: &Running, visitor: &Visitor, may_tell: bool) -> Answer {
    try_answer(route, sources, running, visitor, may_tell).unwrap_or_else(|failed| failed.answer(route.is_page()))
}

/// Where and when the server is.
pub(super) fn here() -> Here {
    Here { now: now(), zone: TimeZone::system() }
}

/// What an operator would have done.
pub(super) fn proposed(query: &ActQuery, sources: &Sources, running: &Running) -> Result<Proposal, Failed> {
    Ok(propose(query, &sources.reader, &here(), &running.config.program())?)
}

fn try_answer(
    route: &Route,
    sources: &Sources,
    running: &Running,
    visitor: &Visitor,
    may_tell: bool,
) -> Result<Answer, Failed> {
    let here = here();
    let frame = || frame(sources, running, visitor);
    Ok(match route {
        Route::Overview => Answer::ok(Kind::Page, overview_page(&frame(), sources, running)?),
        Route::Jobs(query) => Answer::ok(Kind::Page, jobs_page(&frame(), query, sources)?),
        Route::Job(id) => Answer::ok(Kind::Page, job_page(&frame(), *id, sources, running)?),
        Route::Days(query) => Answer::ok(Kind::Page, days_page(&frame(), query, sources, running)?),
        Route::ApiStatus => Answer::ok(Kind::Json, status_json(&status(sources, running)?)?),
        Route::ApiJobs(query) => {
            let filter = query.filter(&here).ok_or(Failed::NoSuchTime)?;
            Answer::ok(Kind::Json, jobs_json(&readable(&sources.reader, &filter)?)?)
        }
        Route::ApiJob(id) => {
            let life = sources.reader.life(*id)?.ok_or(Failed::NoSuchJob(*id))?;
            Answer::ok(Kind::Json, job_json(&life)?)
        }
        Route::Metrics => Answer::ok(Kind::Metrics, metrics_text(sources, running, &here)?),
        Route::Healthz => signs("ok", "not ok", &running.ailments(Instant::now()), may_tell),
        Route::Readyz => signs("ready", "not ready", &unready(sources, running)?, may_tell),
        Route::Login => Answer::ok(Kind::Page, login(false)),
        // Operators and their forms are answered before.
        Route::Operator | Route::Logout | Route::Act(_) | Route::Confirm => Answer::see_other("/"),
        Route::Style => Answer::ok(Kind::Style, include_str!("style.css")),
        Route::Script => Answer::ok(Kind::Script, include_str!("refresh.js")),
        Route::Icon => Answer::ok(Kind::Icon, include_str!("icon.svg")),
    })
}

/// A line for machines, and one for each reason.
fn signs(good: &str, bad: &str, reasons: &[String], may_tell: bool) -> Answer {
    if reasons.is_empty() {
        return Answer::line(StatusCode::OK, good);
    }
    let told = if may_tell { reasons } else { &[] };
    let lines: Vec<&str> = std::iter::once(bad).chain(told.iter().map(String::as_str)).collect();
    Answer::line(StatusCode::SERVICE_UNAVAILABLE, &lines.join("\n"))
}

/// Why a file that was dropped now would not be sent.
fn unready(sources: &Sources, running: &Running) -> Result<Vec<String>, JobLogError> {
    let mut reasons = running.ailments(Instant::now());
    if let Some(problem) = sources.storage.borrow().as_ref() {
        reasons.push(format!("the job log cannot be written: {problem}"));
    }
    let known = sources.reader.accounts()?;
    for account in running.config.accounts.iter().filter(|account| account.enabled) {
        let blocked = known.iter().find(|row| row.name == account.name).and_then(AccountRow::blocked);
        let is_watched = running.folders.iter().any(|folder| folder.account == account.name && folder.is_watched);
        if let Some(why) = blocked {
            reasons.push(format!("account {} is blocked: {why}", account.name));
        } else if !is_watched {
            reasons.push(format!("account {}: its folder has not been scanned yet", account.name));
        }
    }
    Ok(reasons)
}

fn status(sources: &Sources, running: &Running) -> Result<StatusReport, JobLogError> {
    let now = now();
    Ok(status_report(&running.config, true, sources.reader.standing(now.before(RECENT), now)?, now))
}

/// What every page has around it.
pub(super) fn frame(sources: &Sources, running: &Running, visitor: &Visitor) -> Frame {
    let ailments = running.ailments(Instant::now());
    Frame { ailments, started: sources.started, here: here(), visitor: visitor.clone() }
}

fn overview_page(frame: &Frame, sources: &Sources, running: &Running) -> Result<String, Failed> {
    let here = &frame.here;
    let reader = &sources.reader;
    let today = here.today().unwrap_or_default();
    let report = status(sources, running)?;
    let days = reader.sums_by_day(&first_day(today).to_string())?;
    let (people, count) = reader.needing_a_person(here.now.before(RECENT), PEOPLE)?;
    let mut newest = readable(reader, &JobFilter { limit: Some(NEWEST), ..JobFilter::default() })?;
    newest.reverse();
    let problem = sources.storage.borrow().as_ref().map(ToString::to_string);
    let facts = Overview {
        report: &report,
        days: &days,
        people: (&people, count),
        newest: &newest,
        budget: running.budget.spent(),
        job_log_problem: problem.as_deref(),
        today,
    };
    Ok(overview(frame, &facts))
}

/// The jobs but those that cannot be read, which block their accounts and are named there (DESIGN F10).
fn readable(reader: &Reader, filter: &JobFilter) -> Result<Vec<JobRow>, JobLogError> {
    Ok(reader.each_job(filter)?.into_iter().flatten().collect())
}

fn jobs_page(frame: &Frame, query: &JobsQuery, sources: &Sources) -> Result<String, Failed> {
    let reader = &sources.reader;
    let mut filter = query.filter(&frame.here).ok_or(Failed::NoSuchTime)?;
    let mut window = None;
    if query.name.is_some() || query.search.is_some() {
        filter.name = query.name.as_deref().map(pattern);
        let to = query.before.or(reader.newest_job()?.map(|id| JobId(id.0 + 1))).unwrap_or(JobId(1));
        let from = JobId(to.0.saturating_sub(WINDOW).max(1));
        filter.from = Some(from);
        window = Some((from, JobId(to.0 - 1)));
    }
    let mut found = readable(reader, &filter)?;
    found.reverse();
    let accounts: Vec<String> = reader.accounts()?.into_iter().map(|row| row.name).collect();
    let is_full = found.len() >= query.limit;
    let unsearched = window.filter(|(from, _)| !is_full && from.0 > 1);
    let older = match (is_full, unsearched) {
        (true, _) => found.last().map(|job| JobId(job.id)),
        (false, unsearched) => unsearched.map(|(from, _)| from),
    };
    let shown = Found { jobs: &found, accounts: &accounts, older, searched: unsearched };
    Ok(jobs(frame, query, &shown))
}

fn job_page(frame: &Frame, id: JobId, sources: &Sources, running: &Running) -> Result<String, Failed> {
    let whole = sources.reader.life(id)?.ok_or(Failed::NoSuchJob(id))?;
    let standing = if frame.visitor == Visitor::Looks { None } else { sources.reader.job_standing(id)? };
    let program = running.config.program();
    let applies = |verb: &Verb| standing.is_some_and(|standing| outlook(*verb, &standing, &program).is_ok());
    let can: Vec<Verb> = VERBS.into_iter().filter(applies).collect();
    Ok(life(frame, &whole, &program, &can))
}

/// Where the days of an account begin.
fn zone_of(reader: &Reader, account: &AccountConfig, running: &Running) -> Result<TimeZone, JobLogError> {
    let suites = reader.suite_zone(&account.target(&running.config.api))?;
    Ok(DayZone::of(account.time_zone.as_ref(), suites.as_deref()).zone)
}

fn days_page(frame: &Frame, query: &DaysQuery, sources: &Sources, running: &Running) -> Result<String, Failed> {
    let here = &frame.here;
    let (reader, accounts) = (&sources.reader, &running.config.accounts);
    let account = match &query.account {
        Some(name) => accounts.iter().find(|account| account.name == *name),
        None => accounts.first(),
    };
    let account = account.ok_or(Failed::NoSuchAccount)?;
    let zone = zone_of(reader, account, running)?;
    let covered = |from, to| {
        let range = DayRange { from: Some(from), to: Some(to) };
        let facts = DayFacts::read(reader, &account.name, zone.clone(), range)?;
        Ok::<_, JobLogError>(Coverage::of(&facts, account.expect_days, range, here.now))
    };
    if let Some(date) = query.day {
        let coverage = covered(date, date)?;
        let (ids, more) = reader.jobs_of_day(&account.name, date, JOBS_OF_A_DAY)?;
        let ids: Vec<i64> = ids.into_iter().map(|id| id.0).collect();
        let mut jobs =
            if ids.is_empty() { Vec::new() } else { readable(reader, &JobFilter { ids, ..JobFilter::default() })? };
        jobs.reverse();
        let shown = OneDay { account: &account.name, date, day: coverage.days.first(), jobs: &jobs, more };
        return Ok(day(frame, &shown));
    }
    let first = query.month.unwrap_or_else(|| today(&zone, here.now)).first_of_month();
    let names: Vec<String> = accounts.iter().map(|account| account.name.clone()).collect();
    let coverage = covered(first, first.last_of_month())?;
    let shown = Month { account: &account.name, accounts: &names, first, coverage: &coverage };
    Ok(month(frame, &shown))
}

fn metrics_text(sources: &Sources, running: &Running, here: &Here) -> Result<String, Failed> {
    let reader = &sources.reader;
    let mut data_days = Vec::new();
    for account in running.config.accounts.iter().filter(|account| account.enabled) {
        let zone = zone_of(reader, account, running)?;
        let today = today(&zone, here.now);
        let range = DayRange { from: today.checked_sub(Span::new().days(365)).ok(), to: Some(today) };
        let facts = DayFacts::dates(reader, &account.name, zone)?;
        let coverage = Coverage::of(&facts, account.expect_days, range, here.now);
        let lag = coverage.newest.map(|newest| i64::from((today - newest).get_days()));
        let missing = coverage.rhythm.map(|_| coverage.with_status(DayStatus::Missing).count());
        data_days.push((account.name.as_str(), lag, missing.and_then(|days| i64::try_from(days).ok())));
    }
    Ok(metrics::render(&metrics::Facts {
        data_days,
        report: &status(sources, running)?,
        oldest_queued: &reader.oldest_queued()?,
        attempts: &reader.attempt_ends()?,
        sums: &reader.sums()?,
        missed: running.folders.iter().map(|folder| (folder.account.as_str(), folder.missed)).collect(),
        budget: running.budget.spent(),
        commits: &sources.commits.read(),
        job_log_is_writable: sources.storage.borrow().is_none(),
        started: sources.started,
        now: here.now,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_part_of_a_name_unless_it_is_a_pattern() {
        assert_eq!(pattern("sales"), "*sales*");
        assert_eq!(pattern("sales-?.txt"), "sales-?.txt");
    }

    #[test]
    fn reasons_are_told_to_those_who_may_know() {
        let reasons = ["account a is blocked".to_owned()];
        assert_eq!(signs("ready", "not ready", &reasons, true).body, "not ready\naccount a is blocked\n");
        let untold = signs("ready", "not ready", &reasons, false);
        assert_eq!((untold.status, untold.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"));
        assert_eq!(signs("ready", "not ready", &[], false).body, "ready\n");
    }
}
