//! `jobs watch`: a live view on a terminal, a line for each change elsewhere.

use super::failure::{Exit, Failure};
use super::follow::{Follow, Wake};
use super::interrupt::Stop;
use super::output::Output;
use super::settings::{self, here};
use crate::job::{Phase, State};
use crate::joblog::{JobFilter, JobRow, Reader, is_running};
use crate::status::{WatchData, change_line, state_counts, watch_view};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The alternate screen keeps what was on the terminal before; the cursor would only flicker.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Minimum time between redraws: counting a long job log costs something, and people do not read faster.
const REDRAW_EVERY: Duration = Duration::from_millis(500);
/// A redraw without a change, for the clock and the daemon's state.
const TICK: Duration = Duration::from_secs(2);
/// Interval between checks of the size of the screen, which is redrawn when the size changes.
const RESIZE: Duration = Duration::from_millis(200);
/// Maximum number of jobs that are compared for lines of change.
const RECENT: usize = 1000;

pub(super) fn run(file: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    // Fails with a remedy where there is nothing to watch.
    drop(Reader::open(&config.state_dir)?);
    let mut follow = Follow::new(&config.state_dir, Stop::on_signals()?);
    if output.screen().is_some() {
        output.data(ENTER)?;
        let watched = live(&mut follow, &config.state_dir, output);
        output.data(LEAVE)?;
        watched?;
    } else {
        lines(&mut follow, output)?;
    }
    Ok(Exit::Done)
}

fn live(follow: &mut Follow, state_dir: &Path, output: &mut Output) -> Result<(), Failure> {
    loop {
        let size = output.screen().unwrap_or((80, 24));
        if let Some(reader) = follow.reader()? {
            let data = look(reader, state_dir, size.1)?;
            draw(&watch_view(&data, size, &here()), output)?;
        }
        let drawn = Instant::now();
        loop {
            match follow.wait(Some(Instant::now() + RESIZE))? {
                Wake::Stopped => return Ok(()),
                Wake::Changed => {
                    std::thread::sleep(REDRAW_EVERY.saturating_sub(drawn.elapsed()));
                    break;
                }
                Wake::TimeIsOver if drawn.elapsed() >= TICK || output.screen().is_some_and(|now| now != size) => break,
                Wake::TimeIsOver => {}
            }
        }
    }
}

/// Over the old picture rather than after a blank screen: nothing flickers.
fn draw(lines: &[String], output: &mut Output) -> io::Result<()> {
    let text = lines.join(&format!("{CLEAR_LINE}\r\n"));
    output.data(&format!("{HOME}{text}{CLEAR_LINE}{CLEAR_BELOW}"))
}

fn look(reader: &Reader, state_dir: &Path, height: usize) -> Result<WatchData, Failure> {
    let mut counts = state_counts(&reader.counts()?);
    let accounts = reader
        .accounts()?
        .into_iter()
        .map(|row| {
            let blocked = row.blocked().map(|problem| problem.to_string());
            let jobs = counts.remove(&row.name).unwrap_or_default();
            (row.name, jobs, blocked)
        })
        .collect();
    let (finished, unfinished) = State::ALL.into_iter().partition::<Vec<_>, _>(|state| state.is_terminal());
    let newest_in = |states: Vec<State>| {
        let states = states.into_iter().map(|state| state.as_str().to_owned()).collect();
        reader.jobs(&JobFilter { states, limit: Some(height), ..JobFilter::default() })
    };
    Ok(WatchData {
        running: is_running(state_dir),
        accounts,
        unfinished: newest_in(unfinished)?,
        finished: newest_in(finished)?,
    })
}

fn lines(follow: &mut Follow, output: &mut Output) -> Result<(), Failure> {
    let mut known: Option<HashMap<i64, (String, Option<String>)>> = None;
    loop {
        if let Some(reader) = follow.reader()? {
            let jobs = reader.jobs(&JobFilter { limit: Some(RECENT), ..JobFilter::default() })?;
            for job in &jobs {
                let news = match &known {
                    // At first only what is in progress: the past is for `jobs list`.
                    None => !is_over(job),
                    Some(known) => {
                        known.get(&job.id).is_none_or(|(state, reason)| (state, reason) != (&job.state, &job.reason))
                    }
                };
                if news {
                    let now = settings::now().to_string();
                    output.words_line(&change_line(job, &now, &job.state, job.reason.as_deref(), 32, &here()))?;
                }
            }
            known = Some(jobs.into_iter().map(|job| (job.id, (job.state, job.reason))).collect());
        }
        match follow.wait(None)? {
            Wake::Stopped => return Ok(()),
            Wake::Changed | Wake::TimeIsOver => {}
        }
    }
}

fn is_over(job: &JobRow) -> bool {
    State::from_words(&job.state, Some(Phase::Started)).is_some_and(State::is_terminal)
}
