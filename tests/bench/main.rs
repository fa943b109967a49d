//! Compares datadrop with other uploaders, against one sink in this process.
//!
//! `cargo bench --locked --bench peers` runs it; tests/README.md explains the output. Each round runs all
//! contestants, so that a busy moment of the machine affects more than one.

#![allow(unreachable_pub, reason = "a part is public to the parts beside it")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![allow(clippy::unnecessary_debug_formatting, reason = "a path as Debug prints it is a TOML string")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded when they are shown")]
#![allow(missing_docs, reason = "its names say it")]

mod contestant;
mod counted;
mod group_commit;
mod long_log;
mod peer;
mod report;
mod sink;
mod stage;
mod workload;

use clap::Parser;
use contestant::{Kind, Setup};
use report::Report;
use std::path::PathBuf;
use std::process::Command;
use workload::{Bench, Workload};

/// Compare datadrop with an uploader in memory, the same with a durable table, and curl
#[derive(Parser)]
struct Options {
    /// What to measure [default: all but `waiting` and `million`]
    workloads: Vec<Workload>,
    /// Rounds of each workload [default: 5; 1 for idle, counts, waiting, million]
    #[arg(long)]
    rounds: Option<usize>,
    /// Uploads at the same time
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// The datadrop binary to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_datadrop"))]
    binary: PathBuf,
    /// Folder of the runs, on the disk whose fsync is measured
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"))]
    dir: PathBuf,
    /// Write PATH.json and PATH.svg [default: `result` in the directory of the runs]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    sizes: Sizes,
    /// cargo adds it
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(clap::Args)]
struct Sizes {
    /// Files of `burst` and `backlog`
    #[arg(long, default_value_t = 5000)]
    files: usize,
    /// Bytes of a file
    #[arg(long, default_value_t = 10_000)]
    size: usize,
    /// Files of `latency`
    #[arg(long, default_value_t = 200)]
    singles: usize,
    /// Files of `json` and `multipart`
    #[arg(long, default_value_t = 10)]
    large: usize,
    /// Bytes of such a file
    #[arg(long, default_value_t = 50_000_000)]
    large_size: usize,
    /// Files before `idle`
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Files of `counts`
    #[arg(long, default_value_t = 2000)]
    counted: usize,
    /// Files of `waiting`
    #[arg(long, default_value_t = 100_000)]
    waiting: usize,
    /// Jobs of `million`
    #[arg(long, default_value_t = 1_000_000)]
    jobs: usize,
    /// Seconds for which `idle` and `waiting` are watched
    #[arg(long, default_value_t = 30)]
    watch: u64,
}

fn main() {
    let words = std::env::args_os();
    if std::env::args_os().nth(1).is_some_and(|word| word == "peer") {
        return peer::run(peer::Options::parse_from(words.skip(1)));
    }
    let options = Options::parse_from(words);
    std::fs::create_dir_all(&options.dir).unwrap();
    // datadrop takes no relative paths.
    let dir = options.dir.canonicalize().unwrap();
    let out = options.out.unwrap_or_else(|| dir.join("result"));
    let sink = sink::Sink::start();
    let setup = Setup {
        binary: options.binary,
        sink: sink.address,
        in_flight: options.in_flight,
        style: "put-json",
        is_limited: false,
        under: Vec::new(),
        logs_statements: false,
    };
    let bench = Bench { sizes: options.sizes, sink, setup, dir };
    let has_curl = Command::new("curl").arg("-V").output().is_ok_and(|output| output.status.success());
    if !has_curl {
        eprintln!("SKIPPED: curl, because it is not there");
    }
    let workloads = if options.workloads.is_empty() { Workload::USUAL.to_vec() } else { options.workloads };
    let mut report = Report::new();
    for workload in workloads {
        let name = clap::ValueEnum::to_possible_value(&workload).unwrap();
        let stage = workload.stage(&bench);
        let rounds = options.rounds.unwrap_or(workload.rounds());
        for round in 1..=rounds {
            for kind in workload.kinds().iter().filter(|kind| has_curl || **kind != Kind::Curl) {
                eprintln!("{}, round {round} of {rounds}: {}", name.get_name(), kind.name());
                for (measure, value) in workload.run(&bench, *kind, &stage) {
                    report.add(name.get_name(), measure, *kind, value);
                }
            }
        }
    }
    println!("{}", report.table());
    report.write(&out);
}
