//! The whole of datadrop in one thread, under a clock, a server, people and accidents that a seed decides.
//!
//! What runs here is the real thing: the folder's turns on real files, the job log with its SQL, attempts with the
//! reading and verifying of their file, settling, sweeps, recovery. What is not real is what a seed must decide: time and
//! chance (`testing::surroundings`), the transport and the server behind it (`adobe::tests::stand_in`, [`other_side`]), the order in which
//! stages go on ([`process`]), and the end of the process, which may come at each commit, request, rename and sync. The
//! promises of DESIGN §3 are held against the server's ledger, the folder and the job log ([`promises`]), after each step
//! and at rest.
//!
//! `DATADROP_SIM_STEPS` sets the number of steps, `DATADROP_SIM_SEED` the first seed. A seed that fails is shortened as
//! far as possible, and reported.

#![allow(clippy::print_stdout, reason = "figures are printed")]
#![allow(clippy::struct_excessive_bools, reason = "rules of a configuration are")]
#![allow(clippy::too_many_lines, reason = "one arm for each thing that people do")]

mod accidents;
mod acts;
mod catalogue;
mod course;
mod droppers;
mod other_side;
mod process;
mod promises;
mod quiet;
mod scene;
mod script;
mod story;

use scene::{Played, Scene};
use script::Plan;
use std::fmt::Write as _;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use story::{Broken, Figures};

/// Default number of steps of a run.
const STEPS: u64 = 100_000;
/// Maximum number of shorter stories that are tried.
const TRIES: usize = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Leaves out of a story what it does not need to fail in the same way.
fn shortest(player: &impl Fn(&Plan, bool) -> Played, plan: &Plan, broken: &Broken) -> Plan {
    let mut plan = plan.clone();
    let mut tries = TRIES;
    let mut size = plan.items.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < plan.items.len() && tries > 0 {
            let mut shorter = plan.clone();
            shorter.items.drain(start..(start + size).min(plan.items.len()));
            tries -= 1;
            match player(&shorter, false).ended {
                Err(again) if again.promise == broken.promise => plan = shorter,
                Ok(()) | Err(_) => start += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    plan
}

fn tell(player: &impl Fn(&Plan, bool) -> Played, plan: &Plan, broken: &Broken) -> String {
    let short = shortest(player, plan, broken);
    let story = player(&short, true);
    let broken = story.ended.err().unwrap_or_else(|| broken.clone());
    let mut text = format!("seed {}: broken: {}\n  {}\n", plan.seed, broken.promise, broken.how);
    writeln!(text, "  {} of its {} items are needed; {:?}", short.items.len(), plan.items.len(), short.rules).unwrap();
    for line in story.lines {
        writeln!(text, "  {line}").unwrap();
    }
    text
}

/// Plays seeds, one at a time on each core, until `steps` steps were taken. Returns the first that fails.
fn play<Player: Fn(&Plan, bool) -> Played>(
    first: u64,
    steps: u64,
    player: impl Fn() -> Player + Sync,
) -> Result<Figures, String> {
    let (seeds, figures, broke) = (AtomicU64::new(first), Mutex::new(Figures::default()), AtomicBool::new(false));
    let so_far = || figures.lock().unwrap_or_else(PoisonError::into_inner);
    let play_on = || {
        let player = player();
        while so_far().steps < steps && !broke.load(Ordering::Relaxed) {
            let plan = Plan::new(seeds.fetch_add(1, Ordering::Relaxed));
            let story = player(&plan, false);
            so_far().add(&story.figures);
            if let Err(broken) = story.ended {
                broke.store(true, Ordering::Relaxed);
                let Figures { steps, seeds, .. } = so_far().clone();
                return Err(format!("after {steps} steps in {seeds} seeds, {}", tell(&player, &plan, &broken)));
            }
        }
        Ok(())
    };
    // A single seed is played by itself.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get).min(usize::try_from(steps).unwrap());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(play_on)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a story catches what panics in it"))
    })?;
    Ok(figures.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Plays stories with what they stand for.
fn on_stage() -> impl Fn(&Plan, bool) -> Played {
    let stage = Scene::new();
    move |plan, told| stage.play(plan, told)
}

#[test]
fn no_promise_breaks_whatever_a_seed_brings() {
    let steps = number("DATADROP_SIM_STEPS").unwrap_or(STEPS);
    let first = number("DATADROP_SIM_SEED").unwrap_or(1);
    let began = std::time::Instant::now();
    match play(first, steps, on_stage) {
        Ok(figures) => {
            println!("{figures}  from seed {first}, in {:.1} s", began.elapsed().as_secs_f64());
            // A few seeds, replayed, need not come by everything.
            if steps >= STEPS {
                assert!(figures.crashes > 0 && figures.deliveries > 0);
                println!("  {} situations were not met", catalogue::missed(&figures.marks));
                let wrong = catalogue::wrong(&figures.marks);
                assert!(wrong.is_empty(), "the catalogue of situations: {wrong:#?}");
            }
        }
        Err(story) => panic!("{story}"),
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let stage = Scene::new();
    for seed in 1..20 {
        let plan = Plan::new(seed);
        let [first, second] = [(); 2].map(|()| stage.play(&plan, true));
        let lines = first.lines.iter().zip(&second.lines).find(|(first, second)| first != second);
        assert_eq!(lines, None, "seed {seed}");
        assert_eq!(first.figures, second.figures, "seed {seed}");
    }
}

#[test]
fn a_story_that_breaks_a_promise_ends_the_run_and_is_told() {
    let player = || {
        |plan: &Plan, told: bool| Played {
            ended: if plan.seed == 3 { promises::broken("nothing breaks", "it did".to_owned()) } else { Ok(()) },
            figures: Figures { seeds: 1, steps: 1, ..Figures::default() },
            lines: if told { vec!["what happened".to_owned()] } else { Vec::new() },
        }
    };
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = told.send(play(3, 100, player));
    });
    let story = hears.recv_timeout(std::time::Duration::from_secs(60)).expect("a report").unwrap_err();
    for told in ["seed 3: broken: nothing breaks\n  it did", "  0 of its ", "  what happened"] {
        assert!(story.contains(told), "{story}");
    }
}
