//! The rules in force, and how often each has applied.

use super::{Act, Fate, FaultRule, Place, What, When};
use crate::emulator::random::Random;
use crate::emulator::world::JobFate;
use std::time::Duration;

/// What is to happen at one point of one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::emulator) struct Decision {
    /// Wait so long first.
    pub(in crate::emulator) delay: Duration,
    /// Then do this; `None` goes on as if nothing was.
    pub(in crate::emulator) act: Option<Act>,
}

/// Rules with their counts, and the chance they share.
#[derive(Debug)]
pub(in crate::emulator) struct FaultBook {
    rules: Vec<Entry>,
    random: Random,
}

#[derive(Debug)]
struct Entry {
    rule: FaultRule,
    met: u64,
    applied: u64,
}

impl FaultBook {
    pub(in crate::emulator) fn new(rules: Vec<FaultRule>, random: Random) -> Self {
        let mut book = Self { rules: Vec::new(), random };
        for rule in rules {
            book.add(rule);
        }
        book
    }

    pub(in crate::emulator) fn add(&mut self, rule: FaultRule) {
        self.rules.push(Entry { rule, met: 0, applied: 0 });
    }

    pub(in crate::emulator) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Each rule with the number of times it has applied.
    pub(in crate::emulator) fn applied(&self) -> impl Iterator<Item = (String, u64)> {
        self.rules.iter().map(|entry| (entry.rule.to_string(), entry.applied))
    }

    /// Some rule wants the name before the body is complete, so it has to be looked for.
    pub(in crate::emulator) fn wants_early_name(&self) -> bool {
        self.rules.iter().any(|entry| {
            entry.rule.name.is_some()
                && match entry.rule.when {
                    When::NameKnown | When::MidBody => matches!(entry.rule.what, What::Act(_) | What::Slow(_)),
                    When::BeforeBody | When::AfterBody | When::AfterCommit => false,
                }
        })
    }

    /// The first rule that applies decides; delays of all of them add up.
    pub(in crate::emulator) fn decide(&mut self, place: Place, when: When, name: Option<&str>) -> Decision {
        let mut decision = Decision::default();
        for entry in &mut self.rules {
            match &entry.rule.what {
                What::Slow(delay) => {
                    let delay = *delay;
                    if entry.rule.applies(place, when, name) && entry.draw(&mut self.random) {
                        decision.delay = decision.delay.saturating_add(delay);
                    }
                }
                What::Act(act) => {
                    if decision.act.is_none() && entry.rule.applies(place, when, name) {
                        let act = act.clone();
                        decision.act = entry.draw(&mut self.random).then_some(act);
                    }
                }
                What::Fate(_) => {}
            }
        }
        decision
    }

    /// What becomes of a job that is about to be made.
    pub(in crate::emulator) fn fate(&mut self, name: &str) -> JobFate {
        let mut fate = JobFate::default();
        for entry in &mut self.rules {
            let What::Fate(what) = entry.rule.what.clone() else { continue };
            if !entry.rule.name_fits(Some(name)) || !entry.draw(&mut self.random) {
                continue;
            }
            match what {
                Fate::Late(wait) => fate.listed_after = fate.listed_after.max(wait),
                Fate::LostRows(rows) => fate.lost_rows = fate.lost_rows.saturating_add(rows),
                Fate::ExtraRows(rows) => fate.extra_rows = fate.extra_rows.saturating_add(rows),
                Fate::Fail => fate.fails = true,
                Fate::EndsAs(word) => fate.ends_as = Some(word),
            }
        }
        fate
    }
}

impl Entry {
    fn draw(&mut self, random: &mut Random) -> bool {
        self.met += 1;
        let applies = self.met > self.rule.after
            && self.rule.at_most.is_none_or(|most| self.applied < most)
            && self.rule.chance.is_none_or(|chance| random.chance(chance));
        self.applied += u64::from(applies);
        applies
    }
}
