//! The request budget, as the server sees it.
//!
//! `DATADROP_TEST_RATE=12/6s:300` takes Adobe's own limit and 300 files, which takes minutes. The default has the same
//! number of requests in a tenth of the time.

use crate::harness::{World, quick, tagged};
use datadrop::config::{RateLimit, parse_rate};
use datadrop::emulator::EmulatorOptions;
use std::time::Duration;

struct Limited {
    world: World,
    limit: RateLimit,
    files: usize,
}

impl Limited {
    fn new() -> Self {
        let setting = std::env::var("DATADROP_TEST_RATE").unwrap_or_else(|_| "12/600ms:60".to_owned());
        let (rate, files) = setting.split_once(':').unwrap();
        let limit = parse_rate(rate).unwrap().unwrap();
        let mut world = World::with_emulator(EmulatorOptions { rate_limit: Some(limit), ..quick() });
        world.api("rate_limit", &format!("{rate:?}"));
        Self { world, limit, files: files.parse().unwrap() }
    }

    fn drop_all(&self) {
        for number in 0..self.files {
            self.world.drop_file("a", &format!("{number:04}.txt"), tagged(number));
        }
    }

    fn wait_until_done(&self) {
        let done = || usize::try_from(self.world.count("state = 'success'")).unwrap() == self.files;
        self.world.wait_long("every file to be done", done);
    }

    fn assert_never_exceeded(&self) {
        let requests = self.world.emulator().requests();
        assert_eq!(requests.refused_429, 0, "{requests:?}");
        assert!(requests.max_in_any_window <= usize::try_from(self.limit.requests).unwrap(), "{requests:?}");
        let accepted = self.world.accepted();
        assert_eq!(accepted.len(), self.files, "{accepted:?}");
    }
}

#[test]
fn the_rate_limit_is_used_and_never_exceeded() {
    let limited = Limited::new();
    let world = &limited.world;
    let daemon = world.start();
    limited.drop_all();
    world.wait_long("the last upload", || world.accepted().len() == limited.files);
    // Read immediately, because only sweeps follow.
    let requests = world.emulator().requests();
    let at: Vec<i64> =
        world.ledger().iter().map(|entry| entry.at.parse::<jiff::Timestamp>().unwrap().as_millisecond()).collect();
    let lasted = Duration::from_millis((at[at.len() - 1] - at[0]).unsigned_abs());
    // The fastest possible way: a full window at once, and the next when the first is over.
    let sent = requests.total - requests.tokens;
    let windows = (sent - 1) / u64::from(limited.limit.requests);
    let least = limited.limit.per * u32::try_from(windows).unwrap();
    eprintln!(
        "{} files, {} in {:?}: {} uploads and {} lists in {lasted:.2?}; the limit alone takes {least:.2?}: {:.1} % used",
        limited.files,
        limited.limit.requests,
        limited.limit.per,
        requests.uploads,
        requests.lists,
        100.0 * least.div_duration_f64(lasted),
    );
    limited.wait_until_done();
    limited.assert_never_exceeded();
    daemon.stop();
}

#[test]
fn the_rate_limit_holds_around_a_kill() {
    let limited = Limited::new();
    let daemon = limited.world.start();
    limited.drop_all();
    limited.world.wait_long("a third of the uploads", || limited.world.accepted().len() >= limited.files / 3);
    daemon.kill();
    let _daemon = limited.world.start();
    limited.wait_until_done();
    limited.assert_never_exceeded();
}
