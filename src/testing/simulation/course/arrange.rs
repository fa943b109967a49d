//! What a story brings, put where it belongs: acts of people, faults of the server, the end of the process.

use super::super::acts::{Act, chunk_of, steps_of};
use super::super::other_side::Entry;
use super::super::promises::Checked;
use super::super::script::{What, Wish};
use super::{Todo, World};
use crate::job::{Kind, Release, RemoteJobId, State, Verb};
use crate::joblog::{Instruction, Reader, instruct};
use crate::testing::surroundings;
use std::time::Duration;

impl World<'_> {
    pub(super) fn arrange(&mut self, what: What) -> Checked {
        let now = self.now;
        let act = |act: Act| (now, Todo::Act(act));
        match what {
            What::Drop(dropped) => {
                let steps = steps_of(&dropped, self.plan.rules.leases, &mut self.chance);
                self.agenda.extend(steps.into_iter().map(|(wait, act)| (now.after(wait), Todo::Act(act))));
            }
            What::LoneMarker(name) => {
                let name = format!("{}.fin", crate::job::stem(name));
                self.agenda.push(act(Act::MoveIn { name, content: Vec::new() }));
            }
            What::Empty(name, filled) => {
                self.agenda.push(act(Act::MoveIn { name: name.to_owned(), content: Vec::new() }));
                if filled {
                    let later = now.after(Duration::from_secs(20));
                    let content = b"Date\tEvar 1\n11/23/2026\tlate\n".to_vec();
                    let writer = self.chance.below(u64::MAX);
                    self.agenda.push((later, Todo::Act(Act::Begin { name: name.to_owned(), content, writer })));
                    self.agenda.push((later, Todo::Act(Act::Close { name: name.to_owned(), writer })));
                }
                if !self.plan.rules.leases {
                    // Nothing says that no program has it open: it waits for a person, and its marker with it. A machine that is set
                    // back may have it empty again.
                    let alerted = now.after(Duration::from_secs(2 * 3600));
                    self.agenda.push((alerted, Todo::Act(Act::RemoveEmpty { name: name.to_owned() })));
                }
            }
            What::Remove(name) => self.agenda.push(act(Act::Remove { name: name.to_owned() })),
            What::MoveBack => self.agenda.push(act(Act::MoveBack)),
            What::Wants(wish, which) => self.want(wish, which),
            What::Upload(fault) => self.remote().uploads.push_back(fault),
            What::List(fault) => self.remote().lists.push_back(fault),
            What::Outage(fault, lasts) => self.remote().outage = Some((now.after(lasts), fault)),
            What::Fate(fate) => self.remote().fates.push_back(fate),
            What::Other(name, rows) => self.remote().other(name, rows),
            What::Crash(points, away, loses) => {
                (self.away, self.loses) = (away, loses);
                surroundings::with(|here| here.ends_at = Some(here.passed + points));
            }
            What::SyncFails(times) => {
                surroundings::with(|here| here.failing_syncs = times);
            }
            What::ClockSet(by) => {
                surroundings::with(|here| here.wall_ahead += by);
                if let Some(process) = &mut self.process {
                    process.clock_was_set(now);
                }
            }
            What::Overflow => {
                self.people.quiet.forget_events();
                if let Some(process) = &self.process {
                    crate::inbox::turns::overflow(&process.board);
                }
            }
            What::Snapshot => self.take_picture()?,
            What::SetBack(back, away) => self.set_back(back, away)?,
            What::Many(count) => {
                for number in 0..count {
                    let (name, content) = (format!("m{number}.txt"), chunk_of(1_000_000 + number, 0));
                    self.agenda.push(act(Act::MoveIn { name, content }));
                }
            }
        }
        Ok(())
    }

    /// Written into the job log as a command does; the process hears of it, or finds it when it starts.
    fn want(&mut self, wish: Wish, which: u64) {
        if !self.state_dir.join("datadrop.db").exists() {
            return;
        }
        let jobs = Reader::open(&self.state_dir).unwrap().every_job().unwrap();
        let open: Vec<_> = jobs.iter().filter(|job| job.state != State::Success).collect();
        if open.is_empty() {
            return;
        }
        let job = open[usize::try_from(which % open.len() as u64).unwrap()];
        let is_it = |entry: &&Entry| {
            entry.owner == Some(job.id)
                || entry.is_forgotten && entry.sha256 == job.sha256 && entry.name == job.wire_name
        };
        let at_adobe = self.remote().ledger.iter().find(is_it).map(|entry| entry.id);
        let verb = match wish {
            Wish::Retry => Verb::Retry,
            Wish::Hold => Verb::Hold,
            Wish::Release => Verb::Release(Release::Send),
            // Nothing shows yet of what is still on its way.
            Wish::LookAndRelease if at_adobe.is_none() && self.remote().taken_of(job.id) > 0 => return,
            Wish::LookAndRelease => {
                Verb::Release(at_adobe.map_or(Release::Resend, |id| Release::Adopt(RemoteJobId(id))))
            }
            Wish::Cancel => Verb::Cancel { force: false },
            Wish::GiveUp => Verb::Cancel { force: true },
        };
        self.story.tell(self.now, || format!("    somebody wants of job {}: {verb:?}", job.id));
        if job.kind == Kind::Data {
            // What comes back is judged by R4.
            self.people.quiet.ends(&job.file_name);
        }
        let wanted = [Instruction { job: job.id, verb, by: "somebody".to_owned(), seen: None }];
        instruct(&self.state_dir, &wanted, crate::clock::now()).unwrap();
        if let Some(process) = &mut self.process {
            process.poke(self.now);
        }
    }
}
