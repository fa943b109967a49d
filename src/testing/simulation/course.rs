//! One story from its first drop to rest: time, people, the server, and datadrop with all its ends and starts.

mod arrange;
mod set_back;
mod watched;

use super::acts::Act;
use super::droppers::People;
use super::other_side::Remote;
use super::process::{NotStarted, Process, Step, Surroundings, retry};
use super::promises::{Checked, Checker, broken};
use super::quiet::SETTLE;
use super::scene::Scene;
use super::script::{Chance, Item, Plan};
use super::story::{Figures, Story};
use crate::clock::Moment;
use crate::job::{Phase, State};
use crate::testing::reach::{self, Family, Point, Stage};
use crate::testing::surroundings::{self, Ended};
use set_back::Picture;
use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// The wall clock when a story begins.
pub(super) const WALL: i64 = 1_795_429_838_000;
/// After so long without a change everything rests.
const QUIET: Duration = Duration::from_secs(150);
/// By then, after faults have ended, everything must.
const LIVELY: Duration = Duration::from_secs(4 * 24 * 3600);
/// No story takes so many steps.
const STEPS: u64 = 40_000;

pub(super) fn lock(remote: &Mutex<Remote>) -> MutexGuard<'_, Remote> {
    remote.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn words(defect: &(dyn Any + Send)) -> String {
    let text = defect.downcast_ref::<String>().cloned();
    text.or_else(|| defect.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

enum Todo {
    Item(Item),
    Act(Act),
    Heal,
    /// Somebody runs `datadrop recover`.
    Recover,
}

pub(super) struct World<'a> {
    stage: &'a Scene,
    plan: &'a Plan,
    now: Moment,
    chance: Chance,
    dir: TempDir,
    state_dir: PathBuf,
    lives: u64,
    people: People,
    pub(super) process: Option<Process>,
    starts_at: Moment,
    /// In the order of time.
    agenda: Vec<(Moment, Todo)>,
    away: Duration,
    loses: bool,
    healed: bool,
    changed_at: Moment,
    checker: Checker,
    /// Why nothing is sent, as it was last reported.
    blocked: Option<String>,
    pub(super) story: Story,
    counted: Figures,
    looks_at_commit: u64,
    picture: Option<Picture>,
    /// The quiet period of the account when it was last looked at.
    settle: Duration,
    /// The folder was open then.
    heard: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(stage: &'a Scene, plan: &'a Plan, told: bool) -> Self {
        // Memory, where there is some: nothing here has to outlive the test.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let people = People::new(dir.path(), &plan.rules);
        let state_dir = dir.path().join("state-0");
        let mut agenda: Vec<(Moment, Todo)> =
            plan.items.iter().map(|item| (Moment(item.at), Todo::Item(*item))).collect();
        agenda.push((Moment(plan.ends_at()), Todo::Heal));
        Self {
            stage,
            plan,
            now: Moment::default(),
            chance: Chance(plan.seed ^ 0xacc1_de27),
            dir,
            state_dir,
            lives: 0,
            people,
            process: None,
            starts_at: Moment::default(),
            agenda,
            away: Duration::ZERO,
            loses: false,
            healed: false,
            changed_at: Moment::default(),
            checker: Checker::new(!plan.rules.inodes_of_paths),
            blocked: None,
            story: Story { told, lines: Vec::new() },
            counted: Figures { seeds: 1, ..Figures::default() },
            looks_at_commit: 0,
            picture: None,
            settle: SETTLE,
            heard: false,
        }
    }

    fn remote(&self) -> MutexGuard<'a, Remote> {
        lock(&self.stage.remote)
    }

    pub(super) fn run(&mut self) -> Checked {
        for _ in 0..STEPS {
            if let Some(index) = self.due_todo() {
                let (_, todo) = self.agenda.remove(index);
                self.counted.steps += 1;
                self.deal_with(todo)?;
                continue;
            }
            if self.process.is_none() {
                if self.now >= self.starts_at {
                    self.start()?;
                } else {
                    self.advance(self.starts_at);
                }
                continue;
            }
            let steps = self.process.as_mut().map(|process| process.steps(self.now)).unwrap_or_default();
            let ready: Vec<Step> = steps.iter().filter(|(at, _)| *at <= self.now).map(|(_, step)| *step).collect();
            if !ready.is_empty() {
                let step = ready[self.chance.index(ready.len())];
                self.step(step)?;
                continue;
            }
            if self.is_over() {
                return self.check_rest();
            }
            if self.healed && self.now.since(Moment(self.plan.ends_at())) > LIVELY {
                break;
            }
            let next = steps.iter().map(|(at, _)| *at).min();
            self.advance(next.unwrap_or(self.now.after(Duration::from_secs(1))));
        }
        self.check_rest()?;
        broken("everything comes to an end or to rest", format!("it goes on and on; by now {:?}", self.checker.last))
    }

    fn due_todo(&self) -> Option<usize> {
        let index = (0..self.agenda.len()).min_by_key(|index| (self.agenda[*index].0, *index))?;
        (self.agenda[index].0 <= self.now).then_some(index)
    }

    /// Time goes on, to what comes next at most.
    fn advance(&mut self, to: Moment) {
        let agenda = self.agenda.iter().map(|(at, _)| *at).min();
        let take = self.remote().next_take();
        self.pass([Some(to), agenda, take].into_iter().flatten().min().unwrap_or(to));
    }

    fn pass(&mut self, to: Moment) {
        let to = to.max(self.now);
        self.stage.runtime.block_on(tokio::time::advance(to.since(self.now)));
        self.now = to;
        surroundings::with(|here| here.moment = to);
        self.remote().come_to(to);
    }

    fn is_over(&self) -> bool {
        self.healed
            && self.agenda.is_empty()
            && self.remote().next_take().is_none()
            && self.now.since(self.changed_at) > QUIET
            // The server or disk that blocked the account is asked again, at the latest after this time.
            && (self.blocked.is_none() || self.now.since(self.changed_at) > retry().longest())
            && self.checker.last.iter().all(|(_, state, place)| {
                (state.is_terminal() || matches!(state, State::Held | State::Waiting))
                    && (*place == state.place() || *place == crate::job::Place::Gone)
            })
    }

    fn start(&mut self) -> Checked {
        self.counted.steps += 1;
        self.lives += 1;
        let from = Surroundings {
            state_dir: &self.state_dir,
            folder: &self.people.folder,
            rules: &self.plan.rules,
            client: &self.stage.client,
            at: self.now,
        };
        reach::goes_on(Stage::Start);
        let started = catch_unwind(AssertUnwindSafe(|| Process::start(&from)));
        match started {
            Ok(Ok(process)) => {
                self.story.tell(self.now, || "datadrop starts".to_owned());
                self.process = Some(process);
                self.people.quiet.forget_events();
                self.looks_at_commit = u64::MAX;
                self.check()
            }
            Ok(Err(NotStarted::Storage)) => {
                self.story.tell(self.now, || "datadrop cannot start: the disk fails".to_owned());
                self.counted.restarts += 1;
                self.starts_at = self.now.after(Duration::from_secs(5));
                Ok(())
            }
            Ok(Err(NotStarted::Broken(why))) => broken("the job log never contradicts itself", why),
            Err(ended) => self.ended(ended),
        }
    }

    fn step(&mut self, step: Step) -> Checked {
        reach::goes_on(self.stage_of(step));
        let Some(process) = self.process.as_mut() else { return Ok(()) };
        let now = self.now;
        let stepped = catch_unwind(AssertUnwindSafe(|| process.step(step, now)));
        match stepped {
            Ok(Ok(line)) => {
                if !line.is_empty() {
                    self.story.tell(now, || line);
                }
                if self.check_after(step == Step::Claim)? {
                    self.counted.steps += 1;
                }
                Ok(())
            }
            Ok(Err(why)) => broken("the job log never contradicts itself", why),
            Err(ended) => self.ended(ended),
        }
    }

    /// Which stage takes the step.
    fn stage_of(&self, step: Step) -> Stage {
        match step {
            Step::Folder => Stage::Folder,
            Step::Track => Stage::Track,
            Step::Claim => Stage::Claim,
            Step::Probe => Stage::Probe,
            Step::Instructions => Stage::Instructions,
            Step::Attempt(index) => self.stage_of_attempt(index),
        }
    }

    /// How far an attempt has come, by the job log.
    fn stage_of_attempt(&self, index: usize) -> Stage {
        let job = self.process.as_ref().and_then(|process| process.under_way().nth(index));
        let state =
            job.and_then(|job| self.checker.last.iter().find(|(id, ..)| *id == job)).map(|(_, state, _)| *state);
        if state == Some(State::Uploading(Phase::Committing)) { Stage::Committing } else { Stage::Started }
    }

    fn mark_end(point: Point) {
        let stage = surroundings::with(|here| here.stage).unwrap_or_default();
        reach::mark(Family::Crash, <&str>::from(point), <&str>::from(stage));
    }

    /// The process ended in the middle of something. What it had made durable is all that the next one will know.
    fn ended(&mut self, why: Box<dyn Any + Send>) -> Checked {
        let Ok(Ended(point)) = why.downcast::<Ended>().map(|ended| *ended).map_err(|defect| words(defect.as_ref()))
        else {
            return broken("no panic", "a stage panicked".to_owned());
        };
        // What it had sent by then arrives all the same.
        self.look_at_arrivals()?;
        self.counted.crashes += 1;
        self.counted.steps += 1;
        Self::mark_end(point);
        self.story.tell(self.now, || format!("datadrop ends: {point}"));
        let image = self.dir.path().join(format!("state-{}", self.lives));
        set_back::copy_state(&self.state_dir, &image);
        self.process = None;
        fs::remove_dir_all(&self.state_dir).unwrap();
        self.state_dir = image;
        let unsynced = surroundings::with(|here| {
            here.ends_at = None;
            std::mem::take(&mut here.unsynced)
        });
        for (from, to) in unsynced.unwrap_or_default().into_iter().rev() {
            if self.loses && self.chance.percent(50) && to.exists() && !from.exists() {
                self.story.tell(self.now, || {
                    let [from, to] = [&from, &to].map(|path| path.strip_prefix(&self.people.folder).unwrap().display());
                    format!("a rename is lost: {to} is {from} again")
                });
                fs::rename(to, from).unwrap();
            }
        }
        self.starts_at = self.now.after(self.away);
        Ok(())
    }

    fn deal_with(&mut self, todo: Todo) -> Checked {
        let now = self.now;
        self.changed_at = now;
        match todo {
            Todo::Act(act) => {
                let board = self.process.as_ref().map(|process| Arc::clone(&process.board));
                let board = board.filter(|_| self.plan.rules.by_events);
                let wall = crate::clock::now().0;
                let line = self.people.act(act, board.as_deref(), now, wall, &mut self.chance);
                self.story.tell(now, || line);
            }
            Todo::Heal => {
                self.story.tell(now, || "nothing fails any more".to_owned());
                self.healed = true;
                self.remote().heal();
                surroundings::with(|here| (here.failing_syncs, here.ends_at) = (0, None));
            }
            Todo::Item(item) => {
                self.story.tell(now, || format!("{:?}", item.what));
                self.arrange(item.what)?;
            }
            Todo::Recover => self.recover()?,
        }
        Ok(())
    }
}
