//! Sending the files of a probe, and watching what lists show of them. Nothing is decided here but when to stop.

use super::probe_files::{Plan, ProbeFile, Purpose};
use super::probe_observed::{Observed, Outcome, Sight, Tried};
use crate::adobe::{
    Answer, ApiError, Client, ErrorBody, Extent, JobQuery, Listing, Reading, Seen, Upload, UploadEnd, guide_date,
};
use crate::cli::api_session::Purse;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::clock::now;
use crate::config::StyleChoice;
use crate::folder::directory::Entry;
use crate::job::{Blake3, Likeness, Naming, Promised, RemoteJob, RemoteJobId, Target, Timestamp, UploadStyle};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long an upload whose last bytes are on their way may still take once the probe has to end.
const GRACE: Duration = Duration::from_secs(10);
/// The time between two lists, at first and at most.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Uploads in a row without a clear answer after which no more are sent: the server is not well.
const UNCLEAR_IN_A_ROW: usize = 2;
/// Lists are bounded by this on either side of the present, because their dates carry no zone (DESIGN S2).
const AROUND: Duration = Duration::from_hours(48);

/// What a session needs to know.
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    pub(super) purse: &'a Purse,
    pub(super) output: &'a mut Output,
    pub(super) target: Target,
    pub(super) style: StyleChoice,
    /// A folder of its own.
    pub(super) dir: &'a Path,
    pub(super) stop: CancellationToken,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    /// Between two uploads, so that files of the daemon go first.
    pub(super) pause: Duration,
    /// How long a file without a clear answer is looked for.
    pub(super) confirm_for: Duration,
}

impl Session<'_> {
    /// Sends the files and watches them. What was observed until then is returned also if the probe is stopped.
    ///
    /// # Errors
    /// The list cannot be read before anything is sent, or the messages cannot be written.
    pub(super) async fn run(&mut self, plan: &Plan, zone: Option<String>) -> Result<Observed, Failure> {
        let mut observed = Observed { zone, ..Observed::default() };
        // It also proves that the credential may read the account, so that a refusal is that of the request.
        let before = match self.within_time(self.list()).await {
            Some(listing) => listing?.jobs.iter().map(|job| job.remote_job_id).collect(),
            None => HashSet::new(),
        };
        self.send_all(plan, &mut observed).await?;
        self.watch(&mut observed, &before).await?;
        Ok(observed)
    }

    async fn send_all(&mut self, plan: &Plan, observed: &mut Observed) -> Result<(), Failure> {
        let mut unclear = 0;
        for file in &plan.files {
            let style = match file.purpose {
                Purpose::Style(style) => Some(style),
                Purpose::Name(_) | Purpose::Marked | Purpose::Skipped | Purpose::Marker => self.chosen(observed),
            };
            let Some(style) = style else { break };
            let has_data = |tried: &Tried| file.is_marker_of(&tried.file) && tried.has_arrived();
            let is_lone = file.purpose == Purpose::Marker && !observed.tried.iter().any(has_data);
            if is_lone || file.needs_markers() && style == UploadStyle::PostMultipart {
                continue;
            }
            let Some(tried) = self.send(file, style).await? else { break };
            self.output.note(&format!("{}: {}", tried.file.name, tried.fate()))?;
            let is_clear = matches!(tried.outcome, Outcome::Accepted(_) | Outcome::Refused(_));
            unclear = if is_clear { 0 } else { unclear + 1 };
            observed.tried.push(tried);
            // Which styles there are is worth an attempt each.
            if unclear >= UNCLEAR_IN_A_ROW && !matches!(file.purpose, Purpose::Style(_)) {
                observed.cut_short = Some("no more was sent: the API gave no clear answers");
                break;
            }
        }
        Ok(())
    }

    /// The style for all files whose matter is another: the account's if it is accepted, else the first that is.
    fn chosen(&self, observed: &Observed) -> Option<UploadStyle> {
        let is_accepted = |style: UploadStyle| {
            let accepted = |tried: &Tried| tried.style == style && matches!(tried.outcome, Outcome::Accepted(_));
            observed.tried.iter().any(accepted)
        };
        let own = match self.style {
            StyleChoice::Fixed(style) => Some(style),
            StyleChoice::Auto => None,
        };
        own.into_iter().chain(UploadStyle::ALL).find(|style| is_accepted(*style))
    }

    /// Sends one file; `None` if the probe has to end before.
    async fn send(&mut self, file: &ProbeFile, style: UploadStyle) -> Result<Option<Tried>, Failure> {
        let path = self.dir.join("file");
        let expected = write(&path, &file.content)
            .map_err(|error| Failure::failed(format!("{}: cannot be written: {error}", path.display())))?;
        let permit = self.within_time(async {
            sleep(self.pause).await;
            self.purse.permit().await
        });
        let Some(permit) = permit.await else { return Ok(None) };
        let upload = Upload {
            target: self.target.clone(),
            style,
            wire_name: file.name.clone(),
            path,
            expected,
            reading: Arc::new(Reading::default()),
        };
        let stop = CancellationToken::new();
        let mut work = Box::pin(self.client.upload(upload, permit, |_| {}, std::future::ready(true), &stop));
        let end = tokio::select! {
            end = &mut work => Some(end),
            () = self.time_is_over() => {
                stop.cancel();
                timeout(GRACE, work).await.ok()
            }
        };
        let server_time = end.as_ref().and_then(|end| end.server_time);
        let outcome = end.map_or_else(|| Outcome::Unclear("no answer before the end of the probe".to_owned()), outcome);
        Ok(Some(Tried {
            file: file.clone(),
            style,
            outcome,
            answered: self.began.elapsed(),
            server_time,
            clock: now(),
            sights: Vec::new(),
        }))
    }

    /// Reads lists until each job has ended, and each file without a clear answer is found or was looked for long enough.
    async fn watch(&mut self, observed: &mut Observed, before: &HashSet<RemoteJobId>) -> Result<(), Failure> {
        let mut wait = LOOK_EVERY.0;
        loop {
            match self.within_time(self.list()).await {
                None => break,
                Some(Ok(listing)) => {
                    let at = self.began.elapsed();
                    observed.looks.push(at);
                    note(observed, &listing.jobs, before, at);
                }
                Some(Err(error)) => observed.failed_looks.push(error.without_id().to_string()),
            }
            let open = observed.tried.iter().filter(|tried| self.is_open(tried)).count();
            if open == 0 {
                return Ok(());
            }
            self.output
                .note(&format!("{open} files have not come to an end; the next list in {} s", wait.as_secs()))?;
            if self.within_time(sleep(wait.max(self.pause))).await.is_none() {
                break;
            }
            wait = (wait * 2).min(LOOK_EVERY.1);
        }
        let is_stopped = self.stop.is_cancelled();
        observed.cut_short = Some(if is_stopped { "the probe was stopped" } else { "the time of the probe was over" });
        Ok(())
    }

    fn is_open(&self, tried: &Tried) -> bool {
        match tried.outcome {
            Outcome::Refused(_) | Outcome::NotTaken(_) => false,
            Outcome::Unclear(_) if tried.sights.is_empty() => {
                self.began.elapsed().saturating_sub(tried.answered) < self.confirm_for
            }
            Outcome::Accepted(_) | Outcome::Unclear(_) => tried.end().is_none(),
        }
    }

    async fn list(&self) -> Result<Listing, ApiError> {
        let around = i64::try_from(AROUND.as_millis()).unwrap_or_default();
        let bound = |apart: i64| Some(guide_date(Timestamp(now().0.saturating_add(apart))));
        let query = JobQuery { start: bound(-around), end: bound(around), ..JobQuery::default() };
        let listed = self.client.list_all_jobs(&self.target, query, Extent::Announced, || self.purse.permit());
        Ok(listed.await?)
    }

    /// Does the work, unless the probe has to end first.
    async fn within_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.time_is_over() => None,
        }
    }

    async fn time_is_over(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep_until(self.deadline) => {}
        }
    }
}

/// Writes the file, and says what an upload of it may send. The name in the folder is not the name that is sent.
fn write(path: &Path, content: &str) -> io::Result<Promised> {
    fs::write(path, content)?;
    let identity = Entry::of(&File::open(path)?)?.identity;
    Ok(Promised { identity, blake3: Blake3(blake3::hash(content.as_bytes()).into()) })
}

/// What an upload has shown of the request. Where it is in doubt, the file may have arrived.
fn outcome(end: UploadEnd) -> Outcome {
    let whole = end.last_bytes_sent;
    let doubt = |why: String| if whole { Outcome::Unclear(why) } else { Outcome::NotTaken(why) };
    match end.seen {
        Seen::Answer { answer: Answer::Job(job), .. } if whole => Outcome::Accepted(job),
        Seen::Answer { answer: Answer::Job(_), .. } => Outcome::Unclear("accepted before it was sent whole".to_owned()),
        Seen::Answer { status, answer: Answer::NoJobId(text), .. } => {
            Outcome::Unclear(format!("HTTP {status} without a job ID: {text}"))
        }
        Seen::Answer { status, answer: Answer::Refusal(body), .. } => refusal(status, body, doubt),
        Seen::NotAuthorised(error) => Outcome::NotTaken(error.to_string()),
        Seen::Broken(why) => doubt(why),
        Seen::Silence(time) => doubt(format!("no answer for {} s", time.as_secs_f32())),
        Seen::NotConnected(why) | Seen::FileChanged(why) | Seen::FileUnreadable(why) => Outcome::NotTaken(why),
        Seen::FileGone => Outcome::NotTaken("its file is gone".to_owned()),
        Seen::FileSilent(_) => Outcome::NotTaken("its file could not be read in time".to_owned()),
        Seen::NotCommitted | Seen::Stopped => Outcome::NotTaken("the probe was stopped".to_owned()),
    }
}

fn refusal(status: u16, body: ErrorBody, doubt: impl Fn(String) -> Outcome) -> Outcome {
    let from_gateway = match body {
        ErrorBody::Gateway { .. } => true,
        ErrorBody::Service { .. } | ErrorBody::Ims { .. } | ErrorBody::Other(_) => false,
    };
    let why = format!("HTTP {status}: {}", body.without_id());
    match status {
        401 | 407 | 429 => Outcome::NotTaken(why),
        503 if from_gateway => Outcome::NotTaken(why),
        408 | 409 | 425 => doubt(why),
        400..=499 | 501 => Outcome::Refused(why),
        _ => doubt(why),
    }
}

/// What a list shows of the files that were sent.
fn note(observed: &mut Observed, jobs: &[RemoteJob], before: &HashSet<RemoteJobId>, at: Duration) {
    let accepted: Vec<(RemoteJobId, String)> = observed
        .tried
        .iter()
        .filter_map(|tried| match &tried.outcome {
            Outcome::Accepted(job) => Some((job.remote_job_id, tried.file.name.clone())),
            Outcome::Refused(_) | Outcome::NotTaken(_) | Outcome::Unclear(_) => None,
        })
        .collect();
    let owner = |job: &RemoteJob| accepted.iter().find(|(id, _)| *id == job.remote_job_id);
    let examples: Vec<(&str, &str)> =
        jobs.iter().filter_map(|job| Some((owner(job)?.1.as_str(), job.file_name.as_deref()?))).collect();
    let naming = Naming::learn(examples.iter().copied());
    for tried in &mut observed.tried {
        let found = match &tried.outcome {
            Outcome::Accepted(answered) => jobs.iter().find(|job| job.remote_job_id == answered.remote_job_id),
            // A list shows those that nobody knows: under its name, it is this one.
            Outcome::Unclear(_) => jobs.iter().find(|job| {
                let is_new = owner(job).is_none() && !before.contains(&job.remote_job_id);
                let shown = job.file_name.as_deref().unwrap_or_default();
                is_new && (shown == tried.file.name || naming.likeness(&tried.file.name, shown) == Likeness::Same)
            }),
            Outcome::Refused(_) | Outcome::NotTaken(_) => None,
        };
        if let Some(job) = found
            && tried.sights.last().is_none_or(|sight| sight.job != *job)
        {
            tried.sights.push(Sight { at, job: job.clone() });
        }
    }
}
