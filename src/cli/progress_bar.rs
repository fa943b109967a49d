//! A bar on standard error for people who wait at a terminal.

use crate::joblog::JobRow;
use crate::status::{printable, size};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Maximum number of moving jobs that the bar names.
const NAMED: usize = 3;

/// A job that is not at its end.
pub(super) struct Moving {
    pub(super) job: JobRow,
    /// Of its upload, where that takes its time.
    pub(super) sent_percent: Option<u8>,
}

/// Nothing at all where standard error is no terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(jobs: usize) -> Self {
        let bar = ProgressBar::new(jobs as u64);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} done {elapsed} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("waiting for the daemon to see it");
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self(bar)
    }

    /// Counts up to so many of something, with no job in it.
    pub(super) fn of(count: usize, what: &'static str) -> Self {
        let bar = Self::new(count);
        bar.0.set_message(what);
        bar
    }

    /// Shows how many files of how many have been read.
    pub(super) fn show_files(&self, read: usize, all: usize) {
        self.0.set_length(all as u64);
        self.0.set_position(read as u64);
        self.0.set_message("files read");
    }

    /// Shows how many are done.
    pub(super) fn reach(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// Whether somebody sees it.
    pub(super) fn is_seen(&self) -> bool {
        !self.0.is_hidden()
    }

    /// How many are done, what the others do, and how long the queue before them takes.
    pub(super) fn show(&self, done: usize, moving: &[Moving], backlog: Option<&str>) {
        self.0.set_position(done as u64);
        if moving.is_empty() {
            return;
        }
        let mut words: Vec<String> = moving
            .iter()
            .take(NAMED)
            .map(|Moving { job, sent_percent }| {
                let bytes = job.size.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
                let sent = sent_percent.map_or_else(String::new, |percent| format!(" {percent} %"));
                format!("{}{bytes} {}{sent}", printable(&job.file_name), job.state)
            })
            .collect();
        if moving.len() > NAMED {
            words.push(format!("{} more", moving.len() - NAMED));
        }
        // The estimate first: a narrow terminal cuts the end.
        words.splice(0..0, backlog.map(str::to_owned));
        self.0.set_message(words.join(", "));
    }

    /// Takes it off the screen for good.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// Writes something else without the bar in between.
    pub(super) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
