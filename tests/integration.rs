//! The real binary, a real folder, the emulator, and the job log read with plain SQL.
//!
//! The server's ledger counts deliveries. Tests wait on events, never for a fixed time. A wait ends as soon as its
//! condition holds. If it never does, the wait fails and prints the whole state.

#![allow(unreachable_pub, reason = "a harness is public to the tests beside it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::unnecessary_debug_formatting, reason = "a path as Debug prints it is a TOML string")]
#![allow(clippy::print_stderr, reason = "figures and skipped tests are printed")]
#![allow(missing_docs, reason = "its names say it")]

mod accounts;
mod alert_formats;
mod alerts;
mod backup;
mod bad_answers;
mod bad_input;
mod check;
mod checked;
mod cli;
mod commands;
mod coverage;
mod day;
mod doctor;
mod dry_run;
mod duplicates;
mod exclude;
mod explain;
mod faults;
mod find_jobs;
mod fixing;
mod flow;
mod folders;
mod frozen;
mod harness;
mod identity;
mod in_view;
mod init;

mod isolation;
mod keep;
mod kills;
mod lenient;
mod limits;
mod links;
mod load;
mod looking;
mod machine;
mod modes;
mod mounts;
mod muted_alerts;
mod nth_call;
mod ours;
mod page;
mod page_actions;
mod pages;
mod probe;
mod programs;
mod prometheus;
mod rate;
mod readiness;
mod recover;
mod recovery;
mod report_suites;
mod secrets;
mod service;
mod settling;
mod shares;
mod soak;
mod summaries;
mod support_bundle;
mod surface;
mod systemd;
mod templates;
mod tidy;
mod transport;
mod unsaid;
mod verbs;
mod verify;
mod watching;
mod ways_out;
mod writers;
