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
//! until size and SHA-256 are those of the job log), never silent (every step stands in the job log before the world
//! can see its effect).
//!
//! # The way of one file
//!
//! 1. `sales.txt` is renamed into `/srv/datadrop/callcentre`. The account's thread in [`inbox`] hears of it, looks at it
//!    without following links, and asks [`inbox::readiness`] for a verdict: a rename proves completeness, so it is ready at once. A
//!    file that is still being written waits until it has been quiet for long enough.
//! 2. The thread hashes it, counts its rows and checks them ([`check`]) in one pass, and hands it all to [`joblog`]: a row
//!    in state `queued`, durable. From here on the job log knows the content, and nothing else is ever sent for this job.
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
//!    [`alert`] tells who asked to be told.
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
//! | `alert` | `adobe`, `clock`, `config`, `job`, `joblog`, `retry` |
//! | `status` | `adobe`, `clock`, `config`, `job`, `joblog` |
//! | `recover` | `adobe`, `clock`, `config`, `folder`, `inbox`, `job`, `joblog`, `track` |
//! | `daemon` | everything but `cli`, `emulator`, `recover` |
//! | `cli` | `adobe`, `check`, `clock`, `config`, `daemon`, `emulator`, `folder`, `inbox`, `job`, `joblog`, `recover`, `status` |
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
//!   [`inbox`], `backoff` in [`retry`], `signal-hook` in `daemon::signals` and in the commands that wait.
//! - **No clock, no chance, no I/O in what decides**: [`job`], [`check`], [`inbox::readiness`], [`track::reconcile`], [`retry`], `upload::decide`,
//!   `track::judge`, `track::schedule`, `alert::group`, `alert::missing` and `alert::message` take facts and `now` as arguments. [`clock`] is where both come from.
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
//!   must do. They count no writers: the close of a second one is taken for that of the first.
//! - A copy that broke off and was closed at the end of a line, or was renamed, looks like a whole file. Markers and renames
//!   by who knows that it is whole protect from that.
//! - A file that is written to while it is sent, or before it is filed, is a new file from there on, and sent whole (F2, F7).
//! - Where a file system keeps no time of birth, another file of the same name and bytes that comes while the first is on its
//!   way is taken for the same one.
//! - Whoever may give a file a second name (a hard link) could also have copied it, as Linux sees to unless
//!   `fs.protected_hardlinks` is off. So a hard link into a folder is a file like any other, and each account sends it once.
//! - Content is not transformed. Row counts are compared, values are not.
//!
//! # How the promise is held against the code
//!
//! - `testing::simulation` (tests only): the real stages, with the job log and its SQL, under a clock, a server, people (who drop files
//!   and give instructions) and accidents that a seed decides; the process may end at each commit, request, rename and
//!   sync. Programs hold files open, write them by two or in pieces and break off; machines and job logs are set back to an
//!   earlier state; some folders give each path an inode of its own. The promises are held against the server's ledger after
//!   each step and at rest. A seed that fails is shortened and told. 100,000 steps in each run of the tests, which must come by
//!   each situation of a list; 150,527 from seed 1 in the longest so far (1,752 seeds, 1,194 crashes). Defects that were
//!   planted were told after so many steps: leases ignored 299, identity by inode alone 426, resent in spite of an unowned
//!   remote job 906, no look for remote jobs after a set-back 10,937.
//! - `tests/kills.rs`: the real binary, killed at random instants under fifteen faults, while three other processes look at the
//!   job log, back it up and lock it; counted at the emulator's ledger. 100 kills in each run, 1,000 in the longest.
//! - `tests/looking.rs`: other processes at the job log, which look, copy, lock, remove, replace and restore it.
//! - `tests/links.rs`: somebody who plants links, pipes, devices and directories under every name that is used in a folder.
//! - `tests/mounts.rs`, `identity.rs`: real `sshfs`, `mergerfs` and overlays, folders that were copied, files that were renamed.
//! - `tests/shares.rs`, `isolation.rs`: a share that hangs in each operation, links, rows that make no sense: F10.
//! - `tests/machine.rs`, `frozen.rs`: disks that are full, read-only, gone or frozen, moves that fail, no watches.
//! - `tests/systemd.rs`: the package, the unit and the daemon under a real systemd in a throw-away copy of the machine.
//! - `tests/settling.rs`, `recovery.rs`, `faults.rs`, `bad_answers.rs`, `transport.rs`, `recover.rs`: one promise each, by
//!   its name, from outside.
//! - `tests/writers.rs`, `programs.rs`: writers that pause, come back and break off; `rsync`, `scp`, FTP, editors, archives.
//! - Properties: every state and event, readiness, delays, wire types, configuration and data files of any bytes.
//!
//! # The rules that comments cite
//!
//! Comments name the rules of the design by letter and number (`DESIGN A2`). In short:
//!
//! | rule | says |
//! | --- | --- |
//! | R1 | renamed into the folder: ready at once |
//! | R2 | its marker came after its last change, as we saw it happen: ready at once |
//! | R3 | closed after writing: ready after `watch.settle` without a change |
//! | R4 | found by a scan alone: ready after `watch.settle_unwatched` of sameness since our own first sight |
//! | R5 | never ready while somebody has it open for writing: the kernel says so, or else the events |
//! | R6 | `wait_for_fin`: besides, its marker must be there; a rejected marker is none |
//! | R7 | changed after it was taken in: the account's quiet period doubles, up to `watch.settle_max` |
//! | R8 | renamed with the time of a broken transfer: the rename proves nothing |
//! | R9 | written in place, and no line end at its end: ready after `watch.settle_max` |
//! | A1 | one transaction claims the job and makes the attempt |
//! | A2 | streamed and hashed; the last bytes wait for size, hash and a durable `committing` |
//! | A3 | an end before that cannot have been ingested; after it, only a clear answer ends the attempt |
//! | A4 | one upload of one wire name, one file and one content at a time for each account |
//! | A5 | a job keeps the target of its first attempt |
//! | S1 | baseline: what was in the remote list before us cannot be ours |
//! | S2 | a look counts only if it read every page and shows what it must show |
//! | S3 | found and uncontradicted: adopted; ambiguous: `held` |
//! | S4 | absent in three looks over `upload.confirm_for`: sent again |
//! | S5 | a remote job under a name of ours that no job owns: told, and files of that name are `held` |
//! | S6 | how the API changes names is learnt; an unowned remote job that may be ours is never followed by a resend, but `held` |
//! | F1 | moves are renames that never overwrite; unfinished ones are tried again before the next scan |
//! | F2 | what is to be moved is compared with what was sent: numbers and times are hints, the content decides; another is a new file. What is written into a sent file later makes its job `partial`, until a day after its end |
//! | F3 | `.why` beside each file in `failed/` and `held/` |
//! | F4 | the hidden mark `.datadrop` proves that this is the account's folder |
//! | F5 | what cannot be filed is not sent: a folder that fails a trial blocks its account, a file that is held fast waits |
//! | F6 | "removed by a person" takes two complete scans that agree |
//! | F7 | a file changed while `queued` ends its job and makes a new one |
//! | F8 | at an account's first start, names already in the remote list are `held` |
//! | F9 | nothing in a watched folder is trusted: reached by name from open directories, never through a link; files are made anew |
//! | F10 | one account's folder, file or row in the job log stops no other account, command, start or reload |

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

// Step 5: what became of it, and of an upload that nobody answered for.
pub mod track;

// Step 6, to be told: who needs to hear of it.
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
