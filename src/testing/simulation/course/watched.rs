//! What is looked at after each step and at rest: the promises, and what happened that is counted.

use super::super::other_side::Entry;
use super::super::process::{ACCOUNT, target};
use super::super::promises::{Checked, Checker, broken};
use super::super::quiet::SETTLE;
use super::super::story::{Broken, Figures};
use super::{Todo, World};
use crate::job::{Kind, State, Timestamp};
use crate::testing::reach::story;
use crate::testing::surroundings;
use std::time::Duration;

impl World<'_> {
    pub(super) fn check(&mut self) -> Checked {
        self.check_after(false).map(|_| ())
    }

    /// True: the step did something.
    pub(super) fn check_after(&mut self, claimed: bool) -> Result<bool, Broken> {
        let requests = self.remote().requests;
        let asked = requests != self.counted.requests;
        self.counted.requests = requests;
        self.look_at_arrivals()?;
        let Some(process) = &self.process else { return Ok(false) };
        let hears = process.hears();
        if !hears || !self.heard {
            // The folder was opened again, which forgets the events.
            self.people.quiet.forget_events();
        }
        self.heard = hears;
        let commits = process.joblog.commits();
        if commits == self.looks_at_commit {
            return Ok(asked);
        }
        if self.looks_at_commit != u64::MAX {
            self.counted.commits += commits - self.looks_at_commit;
        }
        self.looks_at_commit = commits;
        let jobs = process
            .reader
            .every_job()
            .map_err(|error| Broken { promise: "the job log never contradicts itself", how: error.to_string() })?;
        let account = process.reader.account(ACCOUNT).unwrap_or_default();
        let blocked = account.blocked().map(|problem| problem.to_string());
        if blocked != self.blocked {
            let dir = self.dir.path().display().to_string();
            self.story.tell(self.now, || {
                // Chance has its name, and no seed decides it.
                let why = blocked.as_deref().map(|why| why.replace(&dir, ""));
                format!("    the account is blocked: {why:?}")
            });
            if blocked.as_deref().is_some_and(|why| why.contains("datadrop recover")) {
                self.agenda.push((self.now.after(Duration::from_secs(60)), Todo::Recover));
            }
            self.blocked = blocked;
        }
        let settle = account.settle.unwrap_or(SETTLE);
        if settle != self.settle {
            let what = if settle > self.settle { "a quiet period doubles" } else { "a quiet period goes back" };
            story(what);
        }
        self.people.quiet.check(&jobs, self.settle, self.now)?;
        self.settle = settle;
        let before = self.checker.last.clone();
        let changed = self.checker.job_log(&jobs, &self.remote(), self.now)?;
        let latest = process.reader.latest_accepted(ACCOUNT, &target(), Timestamp(i64::MIN), Timestamp(i64::MAX));
        self.remote().latest_accepted =
            latest.ok().and_then(|latest| latest.into_iter().next()).map(|latest| latest.remote_job_id.0);
        self.remote().knows(jobs.iter().filter_map(|job| Some((job.remote_job_id?.0, job.id, job.sha256))));
        if changed {
            self.changed_at = self.now;
            if self.story.told {
                for job in &jobs {
                    if !before.contains(&(job.id, job.state, job.place)) {
                        let reason = job.reason.as_deref().unwrap_or_default().to_owned();
                        self.story.tell(self.now, || {
                            let lies = match job.disk_name.to_str() {
                                Some(name) if name != job.file_name => format!("{} as {name}", job.place.as_str()),
                                Some(_) | None => job.place.as_str().to_owned(),
                            };
                            format!("    job {} {} is {:?} in {lies}: {reason}", job.id, job.file_name, job.state)
                        });
                    }
                }
            }
        }
        if claimed {
            let is_new = |job: &&crate::joblog::Job| {
                matches!(job.state, State::Uploading(_)) && !before.contains(&(job.id, job.state, job.place))
            };
            for job in jobs.iter().filter(is_new).filter(|job| self.people.lay_there_then(job)) {
                if Checker::sent_before(job, &self.remote(), &process.reader)? {
                    let what = "sent again after a set-back, as no list had shown it";
                    story(what);
                }
            }
            let under_way: Vec<_> = process.under_way().collect();
            let is_marker =
                |job: &&crate::joblog::Job| job.kind == Kind::Fin && matches!(job.state, State::Uploading(_));
            for job in jobs.iter().filter(is_marker).filter(|job| under_way.contains(&job.id)) {
                if !before.iter().any(|(id, state, _)| *id == job.id && matches!(state, State::Uploading(_))) {
                    Checker::marker(job, &jobs, &self.remote())?;
                }
            }
        }
        Ok(asked || changed)
    }

    pub(super) fn look_at_arrivals(&mut self) -> Checked {
        let arrived = std::mem::take(&mut self.remote().arrived);
        let Some(process) = &self.process else { return Ok(()) };
        for arrived in arrived {
            let jobs = process
                .reader
                .every_job()
                .map_err(|error| Broken { promise: "the job log never contradicts itself", how: error.to_string() })?;
            self.story.tell(self.now, || {
                let taken = if arrived.taken { "taken" } else { "not taken" };
                format!("    the server has all of {}: {taken}", arrived.name)
            });
            let owner = Checker::arrival(&arrived, &jobs, &self.remote(), &self.people, self.plan.rules.duplicates)?;
            if arrived.taken {
                self.remote().name_owner(&arrived, owner);
            }
        }
        Ok(())
    }

    pub(super) fn check_rest(&mut self) -> Checked {
        self.look_at_arrivals()?;
        let Some(process) = &self.process else { return Ok(()) };
        let jobs = process
            .reader
            .every_job()
            .map_err(|error| Broken { promise: "the job log never contradicts itself", how: error.to_string() })?;
        for job in &jobs {
            self.counted.files += 1;
            *self.counted.states.entry(job.state.to_string()).or_default() += 1;
            if self.people.lay_there_then(job) && job.state == State::Held {
                let was_sent = |entry: &Entry| entry.is_forgotten && entry.sha256 == job.sha256;
                if self.remote().ledger.iter().any(was_sent) {
                    story("held after a set-back, as it had been sent");
                }
            }
            if job.state == State::Held {
                let reason = job.reason.as_deref().unwrap_or_default();
                let words: Vec<&str> = reason
                    .split_whitespace()
                    .take_while(|word| !word.contains(|c: char| c.is_ascii_digit()))
                    .take(9)
                    .collect();
                *self.counted.held.entry(words.join(" ")).or_default() += 1;
            }
        }
        if let Some(why) = &self.blocked {
            return broken("no account stays blocked (F10)", why.clone());
        }
        if let Some(day) = process.reader.wrong_day_totals().first() {
            return broken("the totals of a data day are what the files that count add up to", day.clone());
        }
        Checker::at_rest(&jobs, &self.remote(), &self.people)
    }

    pub(in super::super) fn figures(&self) -> Figures {
        let mut figures = self.counted.clone();
        if self.plan.rules.inodes_of_paths {
            story("each path has an inode of its own");
        }
        let remote = self.remote();
        figures.deliveries =
            u64::try_from(remote.ledger.iter().filter(|entry| entry.sha256.is_some()).count()).unwrap();
        figures.failed_commits = surroundings::with(|here| here.failed_syncs).unwrap_or_default();
        figures.marks = surroundings::with(|here| std::mem::take(&mut here.met)).unwrap_or_default();
        figures
    }
}
