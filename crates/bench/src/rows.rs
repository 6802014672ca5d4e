//! The store of the second floor: one SQLite table, one writer thread, one row per request, and one commit for all
//! waiting requests.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use anyhow::Result;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// Rows that may wait, and rows that share a commit.
const QUEUE: usize = 4_096;
const BATCH: usize = 512;

/// Any large odd number.
const SCATTER: i64 = 0x1e37_79b9_7f4a_7c15;

const TABLE: &str = "CREATE TABLE notifications (
    sid TEXT NOT NULL PRIMARY KEY, account_sid TEXT NOT NULL, service_sid TEXT NOT NULL, entity_sid TEXT NOT NULL,
    identity TEXT NOT NULL, challenge_sid TEXT NOT NULL, factor_sid TEXT NOT NULL, priority TEXT NOT NULL,
    ttl INTEGER NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL, deadline INTEGER NOT NULL
) STRICT, WITHOUT ROWID";
const INSERT: &str =
    "INSERT INTO notifications VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?5, 'high', ?6, 'queued', ?7, ?7)";

/// The row of a request.
pub(crate) struct Row {
    pub(crate) account: String,
    pub(crate) service: String,
    pub(crate) identity: String,
    pub(crate) challenge: String,
    pub(crate) ttl: u32,
}

type Waiting = (Row, oneshot::Sender<()>);

/// The handle of the writer thread.
#[derive(Clone)]
pub(crate) struct Rows {
    queue: SyncSender<Waiting>,
}

impl Rows {
    /// Creates the table and starts the thread.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let db = Connection::open(file)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;",
        )?;
        db.execute_batch(TABLE)?;
        let (queue, waiting) = sync_channel(QUEUE);
        std::thread::Builder::new().name("writer".into()).spawn(move || {
            // requests of a lost commit see their channel closed
            let _ = write(&db, &waiting);
        })?;
        Ok(Self { queue })
    }

    /// Inserts a row; returns whether it is durable.
    pub(crate) async fn insert(&self, row: Row) -> bool {
        let (done, committed) = oneshot::channel();
        match self.queue.try_send((row, done)) {
            Ok(()) => committed.await.is_ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn write(db: &Connection, waiting: &Receiver<Waiting>) -> rusqlite::Result<()> {
    let mut number: i64 = 0;
    let mut done = Vec::with_capacity(BATCH);
    while let Ok(first) = waiting.recv() {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = db.prepare_cached(INSERT)?;
        let mut next = Some(first);
        while let Some((row, caller)) = next {
            // grows like the time-ordered SIDs of the real server, with random-looking low bits
            number += 1;
            let sid = format!("NT{number:016x}{:016x}", number.wrapping_mul(SCATTER));
            let Row { account, service, identity, challenge, ttl } = row;
            insert.execute((sid, account, service, identity, challenge, ttl, number))?;
            done.push(caller);
            next = if done.len() < BATCH { waiting.try_recv().ok() } else { None };
        }
        db.execute_batch("COMMIT")?;
        for caller in done.drain(..) {
            let _ = caller.send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_inserted_row_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.db");
        let rows = Rows::open(&file).unwrap();
        let word = || "x".to_owned();
        for ttl in 0..3 {
            let (account, service, identity, challenge) = (word(), word(), word(), word());
            assert!(rows.insert(Row { account, service, identity, challenge, ttl }).await);
        }
        let count = "SELECT count(*) FROM notifications";
        let db = Connection::open(&file).unwrap();
        assert_eq!(db.query_row(count, (), |row| row.get::<_, i64>(0)).unwrap(), 3);
    }
}
