//! What people see while files go through.

use super::super::failure::Failure;
use super::super::follow::{Follow, Told, has_ended};
use super::super::output::Output;
use super::super::progress_bar::{Moving, Progress};
use super::super::settings::here;
use crate::emulator::Sample;
use crate::joblog::{JobFilter, JobRow};
use crate::status::{change_line, jobs_table};

/// How a sample is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreseen {
    account: &'static str,
    file_name: String,
    state: &'static str,
    note: String,
}

impl Foreseen {
    pub(super) fn new(account: &'static str, sample: &Sample) -> Self {
        let note = sample.note.to_string();
        let state = foreseen_state(&note);
        Self { account, file_name: sample.file_name.clone(), state, note }
    }
}

/// A note that foresees something else than `success` ends in the word for it.
fn foreseen_state(note: &str) -> &'static str {
    ["partial", "failure", "rejected", "held"].into_iter().find(|word| note.ends_with(word)).unwrap_or("success")
}

/// Tells each step, and knows when all samples are through.
pub(super) struct Show {
    foreseen: Vec<Foreseen>,
    told: Told,
    progress: Option<Progress>,
    column: usize,
}

impl Show {
    pub(super) fn new(foreseen: Vec<Foreseen>) -> Self {
        let column = foreseen
            .iter()
            .map(|sample| sample.account.len() + 1 + sample.file_name.chars().count())
            .max()
            .unwrap_or(0);
        let progress = Some(Progress::new(foreseen.len()));
        Self { foreseen, told: Told::default(), progress, column }
    }

    /// Tells what is new. The answer: whether every sample is at its end.
    pub(super) fn step(&mut self, follow: &mut Follow, output: &mut Output) -> Result<bool, Failure> {
        let Some(reader) = follow.reader()? else { return Ok(false) };
        let jobs = reader.jobs(&JobFilter::default())?;
        let mut lines = Vec::new();
        for job in &jobs {
            for event in self.told.news(reader, job)? {
                let line = change_line(job, &event.at, &event.to_state, event.detail.as_deref(), self.column, &here());
                lines.push((event.at, line));
            }
        }
        // One job's steps are in order already; a stable sort puts those of several beside each other.
        lines.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (_, line) in lines {
            match &self.progress {
                Some(progress) => progress.aside(|| output.line(&line))?,
                None => output.line(&line)?,
            }
        }
        let ended = self.foreseen.iter().filter(|sample| find(&jobs, sample).is_some_and(has_ended)).count();
        if let Some(progress) = &self.progress {
            let moving = jobs.into_iter().filter(|job| !has_ended(job));
            let moving: Vec<Moving> = moving.map(|job| Moving { job, sent_percent: None }).collect();
            progress.show(ended, &moving, None);
        }
        Ok(ended == self.foreseen.len())
    }

    /// The job log as it stands, and whether each sample ended as its note says.
    pub(super) fn verdict(
        &mut self,
        follow: &mut Follow,
        complete: bool,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        self.progress = None;
        let jobs = match follow.reader()? {
            Some(reader) => reader.jobs(&JobFilter::default())?,
            None => Vec::new(),
        };
        output.line("\nThe job log")?;
        output.data(&jobs_table(&jobs, output.screen().map(|(width, _)| width), &here()))?;
        output.line("\nAs foreseen?")?;
        let mut as_foreseen = true;
        for sample in &self.foreseen {
            let state = find(&jobs, sample).map_or("not seen", |job| job.state.as_str());
            let right = state == sample.state;
            as_foreseen &= right;
            let verdict = if right { "yes" } else { "NO " };
            output.line(&format!("  {verdict}  {}/{}: {state} ({})", sample.account, sample.file_name, sample.note))?;
        }
        if !complete {
            output.message("the demo ended before every file did")?;
        }
        Ok(as_foreseen)
    }
}

fn find<'a>(jobs: &'a [JobRow], sample: &Foreseen) -> Option<&'a JobRow> {
    jobs.iter().find(|job| job.account == sample.account && job.file_name == sample.file_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_how_its_file_ends() {
        for (note, state) in [
            ("calls by centre and day: success, every row processed", "success"),
            ("two rows hold a semicolon, Adobe skips them: partial", "partial"),
            ("one row has a column less, Adobe rejects the file: failure", "failure"),
            ("its marker: sent after it, 0 rows", "success"),
        ] {
            assert_eq!(foreseen_state(note), state);
        }
    }
}
