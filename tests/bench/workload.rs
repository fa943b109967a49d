//! The workloads. Each run of one begins with an empty job log.

use super::contestant::{Kind, Running, Setup};
use super::sink::Sink;
use super::stage::Stage;
use super::{Sizes, counted, long_log};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Files one by one: from the rename to the head of the request
    Latency,
    /// Files renamed into the folder as fast as possible
    Burst,
    /// Files that are there at the start
    Backlog,
    /// Large files, sent as JSON
    Json,
    /// Large files, sent as multipart
    Multipart,
    /// Nothing to do, after many files
    Idle,
    /// SQL statements, page writes, fsyncs and requests of a burst
    Counts,
    /// Many files that wait under Adobe's limit; only by name
    Waiting,
    /// A job log of many jobs; only by name
    Million,
}

/// Files of the usual warm-up: more commits than a write-ahead log has pages before its first checkpoint.
const WARM: usize = 350;

/// The results of a run: each measure with its unit, and the value.
pub type Figures = Vec<(&'static str, f64)>;

/// The parts that all runs share.
pub struct Bench {
    pub sizes: Sizes,
    pub sink: Sink,
    pub setup: Setup,
    pub dir: PathBuf,
}

impl Workload {
    pub const USUAL: [Self; 7] =
        [Self::Latency, Self::Burst, Self::Backlog, Self::Json, Self::Multipart, Self::Idle, Self::Counts];

    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Backlog | Self::Multipart => &Kind::ALL,
            Self::Latency | Self::Burst | Self::Json | Self::Idle | Self::Waiting => &Kind::ALL[..3],
            Self::Counts => &[Kind::Datadrop, Kind::Sqlite],
            Self::Million => &Kind::ALL[..1],
        }
    }

    /// Default number of rounds: one for what takes long or hardly varies.
    pub fn rounds(self) -> usize {
        match self {
            Self::Latency | Self::Burst | Self::Backlog | Self::Json | Self::Multipart => 5,
            Self::Idle | Self::Counts | Self::Waiting | Self::Million => 1,
        }
    }

    pub fn stage(self, bench: &Bench) -> Stage {
        let sizes = &bench.sizes;
        let (files, size, warm) = match self {
            Self::Latency => (sizes.singles, sizes.size, WARM),
            Self::Burst | Self::Backlog => (sizes.files, sizes.size, WARM),
            Self::Json | Self::Multipart => (sizes.large, sizes.large_size, 1),
            Self::Idle => (sizes.idle, sizes.size, WARM),
            Self::Counts => (sizes.counted, sizes.size, WARM),
            Self::Waiting => (sizes.waiting, 200, 1),
            Self::Million => (long_log::ORIGINALS + 1 + sizes.singles, 200, 1),
        };
        Stage::new(&bench.dir, files, size, warm)
    }

    pub fn run(self, bench: &Bench, kind: Kind, stage: &Stage) -> Figures {
        let (sizes, setup) = (&bench.sizes, &bench.setup);
        let as_multipart = Setup { style: "post-multipart", ..setup.clone() };
        match self {
            Self::Latency => bench.latency(kind, stage),
            Self::Burst => bench.bulk(kind, setup, stage, sizes.files, false).1,
            Self::Backlog => bench.bulk(kind, setup, stage, sizes.files, true).1,
            Self::Json => bench.bulk(kind, setup, stage, sizes.large, false).1,
            Self::Multipart => bench.bulk(kind, &as_multipart, stage, sizes.large, kind == Kind::Curl).1,
            Self::Idle => bench.idle(kind, stage),
            Self::Counts => counted::run(bench, kind, stage),
            Self::Waiting => bench.waiting(kind, stage),
            Self::Million => bench.million(kind, stage),
        }
    }
}

impl Bench {
    /// Starts a contestant and delivers the files of the warm-up one by one, to their end. They pay for the connection,
    /// the token, the first list, and for a write-ahead log that no longer grows: that makes each fsync dearer.
    pub fn warm(&self, kind: Kind, setup: &Setup, stage: &Stage) -> Running {
        stage.clear();
        self.sink.reset(stage.rows);
        let running = Running::start(kind, setup, stage);
        for (count, file) in stage.next(stage.warm).iter().enumerate() {
            stage.drop_file(file);
            self.sink.wait(count + 1, kind.name());
        }
        running.wait_done(stage.warm);
        running
    }

    /// Renames files into the inbox and waits until they are accepted; returns how many seconds that took.
    pub fn deliver(&self, kind: Kind, stage: &Stage, files: usize) -> f64 {
        let before = self.sink.look(|book| book.heads.len());
        let next = stage.next(files);
        let began = Instant::now();
        for file in &next {
            stage.drop_file(file);
        }
        (self.sink.wait(before + files, kind.name()) - began).as_secs_f64()
    }

    /// Files as fast as possible: renamed into a watched folder, or there before the start.
    fn bulk(&self, kind: Kind, setup: &Setup, stage: &Stage, files: usize, are_there: bool) -> (Running, Figures) {
        let (running, cpu, took) = if are_there {
            stage.clear();
            self.sink.reset(stage.rows);
            for file in stage.next(files) {
                stage.drop_file(&file);
            }
            let running = Running::start(kind, setup, stage);
            let took = self.sink.wait(files, kind.name()) - running.began;
            (running, 0.0, took.as_secs_f64())
        } else {
            let running = self.warm(kind, setup, stage);
            let cpu = running.cpu();
            (running, cpu, self.deliver(kind, stage, files))
        };
        running.wait_done(if are_there { files } else { files + stage.warm });
        let cpu = (running.cpu() - cpu) * 1000.0 / files as f64;
        let megabytes = (files * stage.rows * 40) as f64 / 1e6;
        let mut figures = if megabytes > files as f64 {
            vec![("speed, MB/s", megabytes / took), ("CPU per MB, ms", cpu * files as f64 / megabytes)]
        } else {
            vec![("speed, files/s", files as f64 / took), ("CPU per file, ms", cpu)]
        };
        figures.extend(running.memory());
        (running, figures)
    }

    fn latency(&self, kind: Kind, stage: &Stage) -> Figures {
        let _running = self.warm(kind, &self.setup, stage);
        self.one_by_one(kind, stage)
    }

    fn one_by_one(&self, kind: Kind, stage: &Stage) -> Figures {
        let (before, files) = (self.sink.look(|book| book.heads.len()), self.sizes.singles);
        let dropped: Vec<(String, Instant)> = stage
            .next(files)
            .iter()
            .map(|file| {
                std::thread::sleep(Duration::from_millis(20));
                stage.drop_file(file)
            })
            .collect();
        self.sink.wait(before + files, kind.name());
        let mut took: Vec<f64> = self
            .sink
            .look(|book| dropped.iter().map(|(name, at)| (book.heads[name] - *at).as_secs_f64() * 1000.0).collect());
        took.sort_by(f64::total_cmp);
        vec![("p50, ms", took[files / 2]), ("p99, ms", took[files * 99 / 100])]
    }

    fn idle(&self, kind: Kind, stage: &Stage) -> Figures {
        let (running, _) = self.bulk(kind, &self.setup, stage, self.sizes.idle, false);
        self.at_rest(&running)
    }

    /// Waits until three seconds in a row took less than a tenth of a core each (or for minutes), then watches what goes on.
    fn at_rest(&self, running: &Running) -> Figures {
        let cpu_of = |seconds| {
            let before = running.cpu();
            std::thread::sleep(Duration::from_secs(seconds));
            (running.cpu() - before) * 100.0 / seconds as f64
        };
        let _ = (0..60).any(|_| (0..3).all(|_| cpu_of(1) < 10.0));
        std::iter::once(("CPU, % of a core", cpu_of(self.sizes.watch))).chain(running.memory()).collect()
    }

    fn waiting(&self, kind: Kind, stage: &Stage) -> Figures {
        let setup = Setup { is_limited: true, ..self.setup.clone() };
        let running = self.warm(kind, &setup, stage);
        for file in stage.next(self.sizes.waiting) {
            stage.drop_file(&file);
        }
        if kind == Kind::Datadrop {
            long_log::wait_for_jobs(&stage.state(), self.sizes.waiting);
        }
        let mut figures = self.at_rest(&running);
        running.stop();
        if kind == Kind::Datadrop {
            let running = Running::start(kind, &setup, stage);
            figures.push(("start again, ms", running.ready_after));
            let again =
                ["CPU again, % of a core", "memory again, MB", "memory again, highest, MB", "memory again, own, MB"];
            figures.extend(again.into_iter().zip(self.at_rest(&running).into_iter().map(|(_, value)| value)));
        }
        figures
    }

    fn million(&self, kind: Kind, stage: &Stage) -> Figures {
        let (running, _) = self.bulk(kind, &self.setup, stage, long_log::ORIGINALS, false);
        running.stop();
        long_log::swell(&stage.state(), self.sizes.jobs);
        let running = Running::start(kind, &self.setup, stage);
        let first = self.deliver(kind, stage, 1) * 1000.0;
        let mut figures = vec![("start, ms", running.ready_after), ("first file from then, ms", first)];
        figures.extend(self.one_by_one(kind, stage));
        let mut list = Command::new(&self.setup.binary);
        list.arg("--config").arg(stage.state().join("datadrop.toml")).args(["jobs", "list"]);
        let began = Instant::now();
        assert!(list.output().unwrap().status.success(), "jobs list failed");
        figures.push(("jobs list, ms", began.elapsed().as_secs_f64() * 1000.0));
        figures.extend(running.memory());
        figures
    }
}
