//! Counts per file of a burst, which hardly depend on the machine.
//!
//! There are two bursts, because counting slows a process down. The first counts fsyncs and requests, which costs little.
//! The second counts each write and each SQL statement.

use super::contestant::{Kind, Setup};
use super::stage::Stage;
use super::workload::{Bench, Figures};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The size of a page of SQLite. The head of its frame in the write-ahead log is a write of its own.
const PAGE: &str = ", 4096, ";

pub fn run(bench: &Bench, kind: Kind, stage: &Stage) -> Figures {
    let can_trace = Command::new("strace").arg("true").output().is_ok_and(|output| output.status.success());
    if !can_trace {
        eprintln!("SKIPPED: fsyncs and page writes are not counted, because strace is missing or may not trace");
    }
    let mut figures = Figures::new();
    for logs_statements in [false, true] {
        let trace = stage.state().with_extension("strace");
        let mut setup = Setup { logs_statements, ..bench.setup.clone() };
        if can_trace {
            let calls = if logs_statements { "-etrace=pwrite64" } else { "-etrace=fsync,fdatasync" };
            let path = trace.display().to_string();
            let words = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-y", "-s0", calls, "-o", &path];
            setup.under = words.map(str::to_owned).into();
        }
        let files = bench.sizes.counted;
        let running = bench.warm(kind, &setup, stage);
        let requests = bench.sink.look(|book| book.requests);
        let (traced, said) = (lines(&trace).len(), lines(&running.log).len());
        bench.deliver(kind, stage, files);
        running.wait_done(files + stage.warm);
        // The tracer writes a little later.
        std::thread::sleep(Duration::from_secs(1));
        let (trace, log) = (lines(&trace), lines(&running.log));
        let mut count = |measure, lines: &[String], is_one: &dyn Fn(&str) -> bool| {
            figures.push((measure, lines.iter().filter(|line| is_one(line)).count() as f64 / files as f64));
        };
        if logs_statements {
            let is_trigger = |line: &str| line.contains("sql=\"--");
            let is_statement = |line: &str| line.contains("SQL statement");
            count("SQL statements per file", &log[said..], &|line| is_statement(line) && !is_trigger(line));
            count("runs of triggers per file", &log[said..], &|line| is_statement(line) && is_trigger(line));
        }
        if can_trace && logs_statements {
            count("page writes per file", &trace[traced..], &|line| line.contains(PAGE) && line.contains(".db"));
        } else if can_trace {
            count("fsyncs per file", &trace[traced..], &|line| line.contains("sync("));
        }
        if !logs_statements {
            let requests = bench.sink.look(|book| book.requests) - requests;
            figures.push(("requests per file", requests as f64 / files as f64));
        }
    }
    figures
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
