//! Holds all writes of a database, so that a test can act while a write is under way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::TestApp;

/// Writes that wait until this is dropped; reads go on.
pub enum HeldWrites {
    /// A transaction that holds SQLite's one write lock.
    Sqlite(#[expect(dead_code, reason = "dropped, it rolls back")] Connection),
    /// A transaction that holds a lock on every table.
    Postgres(Child),
}

const LOCK_EVERY_TABLE: &str = "BEGIN;\n\
    SELECT format('LOCK TABLE %s IN EXCLUSIVE MODE', string_agg(oid::regclass::text, ', ')) \
    FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace \\gexec\n\
    \\echo held\n";

impl TestApp {
    /// Holds writes. They must be released within the time-outs of the store.
    pub async fn hold_writes(&self) -> HeldWrites {
        let Some(database) = &self.database else {
            let db = Connection::open(self.database_file()).expect("the database opens twice");
            db.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
            return HeldWrites::Sqlite(db);
        };
        let mut psql = database.psql_session();
        let psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut psql = psql.spawn().expect("psql runs");
        psql.stdin.as_mut().expect("piped").write_all(LOCK_EVERY_TABLE.as_bytes()).expect("taken");
        let lines = BufReader::new(psql.stdout.take().expect("piped")).lines();
        // On another thread: the lock may wait for a transaction of the server, which runs on this one.
        let held = spawn_blocking(|| lines.map_while(Result::ok).any(|line| line == "held"));
        assert!(held.await.expect("it reads"), "psql locked the tables");
        HeldWrites::Postgres(psql)
    }
}

impl Drop for HeldWrites {
    fn drop(&mut self) {
        if let Self::Postgres(psql) = self {
            // The end of its input ends the session, and with it the transaction.
            drop(psql.stdin.take());
            psql.wait().expect("psql ends");
        }
    }
}
