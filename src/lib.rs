//! datadrop is a daemon that feeds files dropped into folders to the Adobe Analytics Data Sources API. People and
//! programs put tab-delimited files, and empty `.fin` markers, into a watched folder; datadrop sends each of them once,
//! follows what Adobe makes of it, files it, and can say at any time where it stands.
//!
//! ```text
//!  inbox ───────► ready ───────► queue ───────► upload ──────► track ──────► status
//!  events and     complete?      the job log    one PUT        one list      CLI, JSON, CSV,
//!  scans of a     quiet, .fin,   (SQLite):      for each       for each      and the folders:
//!  folder         or a rename    due jobs       file           sweep         sent held done failed, alerts
//! ```
//!
//! **The promise**: never lost (a complete file ends accepted, or rests with a reason), never twice (an upload whose end
//! is unknown is settled by asking Adobe before anything is sent again), never partial (the last bytes of a request wait
//! until size and hash are those of the job log), never silent (every step stands in the job log before the world
//! can see its effect).
//!
//! # The way of one file
//!
//! 1. `sales.txt` is renamed into `/srv/datadrop/callcentre`. The account's thread in [`inbox`] hears of it, looks at it
//!    without following links, and asks [`inbox::readiness`] for a verdict: a rename proves completeness, so it is ready at once. A
//!    file that is still being written waits until it has been quiet for long enough.
//! 2. The thread hashes it (SHA-256, and BLAKE3 for step 3), counts its rows and checks them ([`check`]) in one pass, and hands it
//!    all to [`joblog`]: a row in state `queued`, durable. From here on the job log knows the content, and nothing else is ever
//!    sent for this job.
//!    A duplicate is `held`, and what Adobe would fail is `rejected` where the account wants that.
//! 3. [`upload`] takes a permit from the credential's request budget ([`adobe`]) and claims the job: `uploading`, durable,
//!    before a byte goes. The client streams the file, hashes it once more on the way, and keeps the last bytes back
//!    until everything agrees and the phase `committing` is durable. Only then can Adobe have the whole message.
//! 4. `upload::decide` reads the answer off one pure table: accepted, try again at a time that [`retry`] computes, refused
//!    for good, blocked account, or not known.
//! 5. What is not known is `unconfirmed`. [`track`] looks at Adobe's list, [`track::reconcile`] judges what it shows: the remote job
//!    is adopted, or proven absent and the file sent again, or a person has to decide (`held`).
//! 6. [`track`] sweeps: one list request for all open jobs of the account. Adobe's words and its row count make the end:
//!    `success`, `partial` or `failure`; what the check found is the likely cause, as Adobe gives none.
//! 7. The job log says where the file belongs now. The account's thread moves it there through [`folder`], with a `.why`
//!    beside it where a person is needed. [`status`] shows all of it, [`status::page`] serves it to browsers and monitoring, and
//!    [`alert`] sends alerts to those who asked for them.
//!
//! A crash between any two of these loses nothing: the next start reads the job log and goes on from there. What was
//! `uploading` is `queued` again if the request cannot have been complete, and `unconfirmed` if it can.
//!
//! # Who may import whom
//!
//! | module | may import |
//! | --- | --- |
//! | `job` | nothing of ours |
//! | `clock` | `job` |
//! | `config` | `job` |
//! | `check` | `job` |
//! | `retry` | `config` |
//! | `folder` | `clock`, `job` |
//! | `joblog`, `emulator` | `config`, `job` |
//! | `adobe` | `clock`, `config`, `folder`, `job` |
//! | `inbox` | `check`, `clock`, `config`, `folder`, `job`, `joblog` |
//! | `upload` | `adobe`, `clock`, `config`, `job`, `joblog`, `retry` |
//! | `track` | `adobe`, `clock`, `config`, `job`, `joblog`, `retry` |
//! | `coverage` | `config`, `job`, `joblog` |
//! | `alert` | `adobe`, `clock`, `config`, `coverage`, `job`, `joblog`, `retry` |
//! | `status` | `adobe`, `clock`, `config`, `coverage`, `job`, `joblog` |
//! | `recover` | `adobe`, `clock`, `config`, `folder`, `inbox`, `job`, `joblog`, `track` |
//! | `daemon` | everything but `cli`, `emulator`, `recover` |
//! | `cli` | `adobe`, `alert`, `check`, `clock`, `config`, `coverage`, `daemon`, `emulator`, `folder`, `inbox`, `job`, `joblog`, `recover`, `status` |
//!
//! The stages that run (`inbox`, `upload`, `track`, `alert`) never import each other: they meet in the job log, which is passive.
//! `daemon` starts them; nothing starts `daemon` but `cli`. `tests/tidy.rs` reads this table and holds the sources to it.
//!
//! # What holds, and what is absent on purpose
//!
//! - **One source of truth.** The job log is ahead of the folders and of every report; they follow it.
//! - **One way to change a state**: [`job::State::next`], a total function. Every step leaves a row in `job_event`.
//! - **One retry loop**: a job's due time in the job log. There is no loop around a request, and nothing below
//!   [`upload`] sends anything a second time, but for one new token after a 401.
//! - **One home for each thing that is hard to take back**: `rusqlite` in [`joblog`], `reqwest` in [`adobe`], `notify` in
//!   [`inbox`], `backoff` in [`retry`], `maud` in [`status::page`], `signal-hook` in `daemon::lifetime` and in the commands that wait.
//! - **No clock, no chance, no I/O in what decides**: [`job`], [`check`], [`inbox::readiness`], [`track::reconcile`], [`retry`], `upload::decide`,
//!   `track::judge`, `track::schedule`, `alert::group`, `alert::tally`, `alert::missing`, `alert::summary`, `alert::message` and `alert::bodies` take facts and `now` as arguments. [`clock`] is where both come from.
//! - **No work inside a transaction.** One writer thread; what arrives together shares one fsync.
//! - **Absent**: event buses, globals, traits with one implementation, mocks (the [`emulator`] stands in for Adobe),
//!   `unwrap` outside of tests, and `unsafe`, but for the one system call that says whether somebody writes to a file
//!   (`folder::directory`).
//!
//! # Limits
//!
//! - Linux only, one process for each state directory and folder (locks see to it).
//! - Adobe gives no key that would make an upload idempotent. Whether an unclear upload arrived is judged by its name and
//!   its rows in Adobe's list, and by the order of events. Where others send files too, a single candidate is `held`
//!   unless its name is unique. What is left: somebody's very first file of our name, sent after the last list and before
//!   or during an upload of ours that was lost, with no more rows than ours, is taken for ours.
//! - A server that ingests a file and shows it in no list for as long as `upload.confirm_for` takes, or longer than the
//!   looks that follow, makes us send it again. Its job is noticed when it shows (S5), but then it has counted twice.
//! - A job log that is lost is noticed by what lies in the folders, one that is older by what was filed since. Where both
//!   are gone, nothing tells what was sent.
//! - Where the kernel does not say who has a file open (no `CAP_LEASE` and another's file, file systems that are not local), events
//!   must do. They count no writers: inotify reports that a file is opened, but not whether to be read or to be written to, and
//!   datadrop's own looks open it too. So the close of a second writer is taken for that of the first.
//! - A copy that broke off and was closed at the end of a line, or was renamed, looks like a whole file. Markers and renames
//!   by who knows that it is whole protect from that.
//! - A file that is written to while it is sent, or before it is filed, is a new file from there on, and sent whole (F2, F7).
//! - Where a file system keeps no time of birth, another file of the same name and bytes that comes while the first is on its
//!   way is taken for the same one.
//! - A user who may give a file a second name (a hard link) could also have copied it: Linux ensures that, unless
//!   `fs.protected_hardlinks` is off. So a hard link into a folder is a file like any other, and each account sends it once.
//! - Content is not transformed. Row counts are compared, values are not.
//! - `success` proves that Adobe called the job a success and counted at least the file's rows. Adobe's texts contradict each
//!   other on what it counts. Where an account's jobs have shown that it counts processed rows, none is missing. Where it
//!   counts the rows of the file, or has not shown which, only the file check says that Adobe had no documented reason to
//!   skip a row, and with `check = "off"` nothing does.
//!
//! # Where to change
//!
//! Each row names where to begin. rustdoc checks the links, and `tests/tidy/citations.rs` the paths. If people or programs
//! can see the change, a snapshot of `tests/surface.rs` shows it.
//!
//! | to change | begin at | also |
//! | --- | --- | --- |
//! | the quiet period | [`inbox::readiness::Candidate::verdict`]: the rules R1 to R9; [`inbox::readiness::Waits`]: the times | the defaults in `config/default.toml`, how the period grows in [`inbox::readiness::Pieces`], [`config::WatchConfig`] for a new key |
//! | a check rule | [`check::Code`]: the table of rules, with their words | the code that finds it, such as `src/check/data_row.rs` or `src/check/header.rs`, a file in `tests/check_data`, and `src/check/RULES.md`, which a test writes |
//! | what `check --fix` mends | `src/check/mend/notation.rs`: dates and numbers; `src/check/mend/western.rs`: encodings | [`check::Mender`], which decides line by line; `src/cli/check/fix.rs`, which writes |
//! | what a data day adds up to | [`job::DataDays`], [`job::Decimal`] | `src/check/data_row.rs`, which reads each value once; `src/cli/check/day_table.rs` shows it |
//! | what a 409 means | [`upload::decide`]: the table of outcomes | [`design`] §5, "Outcomes" |
//! | the wording of `held` | [`job::Verdict`]: what happened and what can be done, for the `.why`, `explain`, `jobs show` and the page | the reason itself: [`track::reconcile::judge`] and [`upload::decide`], `src/joblog/duplicates.rs`; how the `.why` is laid out: `src/inbox/file_moves.rs` |
//! | a column of `jobs list` | [`status::jobs_table`] for people; [`joblog::JobRow`], [`status::JOB_COLUMNS`] and the view `job_log` (`src/joblog/schema.sql`) for programs | [`design`] §8: columns only ever come at the end |
//! | a state or an event of a job | [`job::State::next`] | [`design`] §4, "States"; the named sets of states in `src/job/sets.rs`, and the checks of `src/joblog/schema.sql` |
//! | what a word or a row count of Adobe's means | [`track::judge`] | [`design`] §4, "Tracking" |
//! | which days are missing or double | [`coverage::Coverage`], [`coverage::Rhythm`] | `src/joblog/day_totals.rs`, which adds up what counts; `src/joblog/covered_days.rs`, for `hold-days` |
//! | how much Adobe takes over all files | `src/joblog/data_days.rs` | [`joblog::AllowanceLimits`], the keys `max_data_days` and `max_at_adobe` |
//! | when Adobe's list is requested | [`track::Schedule`] | `src/adobe/budget.rs` shares requests out |
//! | what is read of a report suite | `src/adobe/suite_requests.rs` | [`job::SuiteFacts`]; `src/daemon/report_suites.rs`, which reads them daily; `src/emulator/suites.rs` |
//! | which names are ignored, or look like copies | [`inbox::FolderSettings::kind_of`], [`job::looks_like_copy`] | [`config::NamePatterns`]; `src/joblog/duplicates.rs`, which holds copies |
//! | what `doctor --probe` sends and concludes | `src/cli/doctor/probe/probe_files.rs`, `src/cli/doctor/probe/probe_answers.rs` | `src/cli/doctor/probe/probe_session.rs`, which sends and looks |
//! | what a bug report holds | `src/cli/support_bundle/mod.rs` | `src/cli/support_bundle/shown_configuration.rs`: a new key is hidden unless it is named there |
//! | the form of an upload request | `src/adobe/body.rs` | `src/emulator/wire_body.rs`, which reads it strictly |
//! | a key of the configuration | `config/default.toml`, [`config::Config`] | the reader of its section, such as `src/config/stage_sections.rs`, and a case in `tests/bad_configs` |
//! | what a verb may do | [`job::Verb::decide`] | `src/joblog/carry_out.rs`, which does it in one transaction |
//! | an alert | [`config::AlertEvent`], `src/alert/message.rs` | `src/joblog/alerts.rs`, which reads what happened; `src/alert/tally.rs`, which keeps back what is muted; `src/alert/summary.rs` |
//! | a metric | `src/status/page/metrics.rs` | `tests/snapshots` |
//! | a command or a flag | `src/cli/args/mod.rs` | the command's own file in `src/cli` |
//!
//! # The design, and how it is tested
//!
//! [`design`] holds the promises P1 to P7 and the rules that comments cite by letter and number (`DESIGN A2`).
//! `tests/README.md` says how both are held against the code, and `.github/CONTRIBUTING.md` how to build, test and replay a
//! seed.

#[doc = include_str!("DESIGN.md")]
pub mod design {}

// In the order of the flow. The blank lines keep rustfmt from sorting it.

// Time and chance, for the parts that take them as arguments.
pub mod clock;

// The domain: names, kinds, states and the one function between them.
pub mod job;

// What the person who runs it wants: layers, checks, sections.
pub mod config;

// Would Adobe process it? The rules of the file format.
pub mod check;

// Steps 1 and 2: folders, events, scans; takes in what is complete.
pub mod inbox;

// Ways into a watched folder that follow no link, moves within it, its mark, the `.why`.
pub mod folder;

// Step 3: the queue and the record, in SQLite.
pub mod joblog;

// Step 4: one request a file.
pub mod upload;

// Adobe's API: requests, tokens, the request budget.
pub mod adobe;

// When to try again.
pub mod retry;

// Step 5: what became of it, and of an upload without an answer.
pub mod track;

// What Adobe has of each data day: which are missing, which are double.
pub mod coverage;

// Step 6: who needs to hear of it.
pub mod alert;

// Step 6, to look at: one model of how it stands; tables, JSON, CSV, metrics and the page show it.
pub mod status;

// Starts the stages and watches over them; takes instructions.
pub mod daemon;

// What a lost or old job log must know, from the folders and from Adobe's list.
pub mod recover;

// A local Data Sources API for the demo, the tests and rehearsals.
pub mod emulator;

// The command line.
pub mod cli;

// All of it under a clock, a server and accidents by a seed.
#[cfg(test)]
mod testing;
