//! Holds all writes of a database, so that a test can act while a write is under way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

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

/// All locks at once, or none yet: a transaction of the server that waited for one of them while this waited for another would be
/// a deadlock.
const LOCK_EVERY_TABLE: &str = "\\set ON_ERROR_STOP on\n\
    BEGIN;\n\
    DO $do$\n\
    DECLARE every text;\n\
    BEGIN\n\
      SELECT string_agg(oid::regclass::text, ', ') INTO every \
      FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace;\n\
      LOOP\n\
        BEGIN\n\
          EXECUTE format('LOCK TABLE %s IN EXCLUSIVE MODE NOWAIT', every);\n\
          EXIT;\n\
        EXCEPTION WHEN lock_not_available THEN\n\
          PERFORM pg_sleep(0.001);\n\
        END;\n\
      END LOOP;\n\
    END $do$;\n\
    \\echo held\n";

impl TestApp {
    /// Holds writes. They must be released within the time-outs of the store.
    pub async fn hold_writes(&self) -> HeldWrites {
        let Some(database) = &self.database else {
            let db = Connection::open(self.database_file()).expect("the database opens twice");
            db.busy_timeout(Duration::from_secs(60)).expect("a bound");
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
