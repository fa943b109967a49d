//! One SQLite table that knows each step of each file, as durable as datadrop's: what arrives together is one commit.

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Steps that share a commit at most.
const GROUP: usize = 512;

/// The names of files, the step that they come to, and who waits until that is durable.
type Step = (Vec<String>, &'static str, oneshot::Sender<()>);

#[derive(Clone)]
pub struct Table(mpsc::Sender<Step>);

impl Table {
    pub fn open(dir: &Path) -> Self {
        let mut connection = Connection::open(dir.join("peer.db")).unwrap();
        let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                      CREATE TABLE upload (name TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT;";
        connection.execute_batch(schema).unwrap();
        if std::env::var_os("BENCH_STATEMENTS").is_some() {
            let log = |event: TraceEvent<'_>| {
                if let TraceEvent::Stmt(_, sql) = event {
                    eprintln!("SQL statement sql=\"{sql}\"");
                }
            };
            connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(log)).unwrap();
        }
        let (sender, inbox) = mpsc::channel::<Step>();
        std::thread::spawn(move || {
            while let Ok(first) = inbox.recv() {
                let group: Vec<Step> = std::iter::once(first).chain(inbox.try_iter().take(GROUP)).collect();
                write(&mut connection, &group).unwrap();
                for (_, _, durable) in group {
                    let _ = durable.send(());
                }
            }
        });
        Self(sender)
    }

    /// Returns once it is durable that these files came to this step.
    pub async fn note(&self, names: Vec<String>, state: &'static str) {
        let (durable, is_durable) = oneshot::channel();
        self.0.send((names, state, durable)).unwrap();
        is_durable.await.unwrap();
    }
}

fn write(connection: &mut Connection, group: &[Step]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (names, state, _) in group {
        let upsert = "INSERT INTO upload VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state";
        let mut statement = transaction.prepare_cached(upsert)?;
        for name in names {
            statement.execute(params![name, state])?;
        }
    }
    transaction.commit()
}
