//! Fills a database with history: entities, their devices, answered challenges and delivered notifications.
//!
//! Writes directly into the file of a stopped server, since requests would take hours. Each row is a copy of a real
//! one with other keys and times, so only the keys of the schema are known here.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_phone::system_time;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// The history reaches from 20 days ago, when nothing is cleaned up yet, to yesterday.
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
const OLDEST_DAYS: i64 = 20;
/// Notifications of a challenge of which more were asked for: the automatic one and three more.
pub(crate) const PER_CHALLENGE: u64 = 4;
const ROWS_PER_COMMIT: u64 = 200_000;

/// The size of the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistorySize {
    pub(crate) entities: u64,
    pub(crate) notifications: u64,
    pub(crate) per_challenge: u64,
}

/// Fills the database. It must hold an approved challenge with a delivered notification to copy.
pub(crate) fn fill(database: &Path, past: HistorySize) -> Result<()> {
    // what is written here gets the checksums that the server looks for
    anyhow::ensure!(countersign_sqlite_file::install(), "SQLite takes no layer for checksums");
    let db = Connection::open(database)
        .with_context(|| format!("cannot open {}", database.display()))?;
    // a crash costs a benchmark and no data
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
         PRAGMA cache_size = -262144; PRAGMA wal_autocheckpoint = 100000;",
    )?;
    let challenge = Copy::of(&db, "challenges", "state = 'approved'")?;
    let notification = Copy::of(&db, "notifications", "ending = 'delivered'")?;
    let factor = Copy::of(&db, "factors", "status = 'verified'")?;
    let entity = Copy::of(&db, "entities", "1")?;

    let now = system_time() * 1_000_000;
    let yesterday = now - DAY_MICROS;
    let at = |number: u64, of: u64| {
        let span = (OLDEST_DAYS - 1) * DAY_MICROS;
        let share = i128::from(span) * i128::from(number) / i128::from(of.max(1));
        yesterday - span + i64::try_from(share).unwrap_or(0)
    };
    let mut batch = Batch { db: &db, rows: 0 };
    db.execute_batch("BEGIN")?;
    for number in 0..past.entities {
        let created = at(number, past.entities);
        let times = ["created_at", "updated_at", "day_began_at", "addressed_at"];
        let mut keys: HashMap<_, _> = times.map(|name| (name, Value::Integer(created))).into();
        keys.insert("identity", identity(number, past.entities).into());
        keys.insert("sid", sid(0x0e, created, number));
        batch.insert(&entity, &keys)?;
        keys.insert("entity_sid", sid(0x0e, created, number));
        keys.insert("sid", sid(0x03, created, number));
        keys.insert("key_sid", sid(0x0c, created, number));
        batch.insert(&factor, &keys)?;
    }
    let challenges = past.notifications / past.per_challenge.max(1);
    for number in 0..challenges {
        let created = at(number, challenges);
        let owner = number % past.entities.max(1);
        let since = at(owner, past.entities);
        let times = ["created_at", "updated_at", "answered_at", "expires_at"];
        let mut keys: HashMap<_, _> = times.map(|name| (name, Value::Integer(created))).into();
        keys.insert("identity", identity(owner, past.entities).into());
        keys.insert("entity_sid", sid(0x0e, since, owner));
        keys.insert("factor_sid", sid(0x03, since, owner));
        keys.insert("sid", sid(0x03, created, number));
        batch.insert(&challenge, &keys)?;
        keys.insert("challenge_sid", sid(0x03, created, number));
        for ordinal in 0..past.per_challenge {
            keys.insert("ordinal", Value::Integer(i64::try_from(ordinal)?));
            keys.insert("sid", sid(0, created, number * past.per_challenge + ordinal));
            batch.insert(&notification, &keys)?;
        }
    }
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

/// A row to copy.
struct Copy {
    insert: String,
    cells: Vec<(String, Value)>,
}

impl Copy {
    fn of(db: &Connection, table: &str, which: &str) -> Result<Self> {
        let mut found = db.prepare(&format!("SELECT * FROM {table} WHERE {which} LIMIT 1"))?;
        let names: Vec<_> = found.column_names().map(str::to_owned).collect();
        let values = found.query_row((), |row| {
            (0..names.len()).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>()
        });
        let values = values.with_context(|| format!("no row of {table} to copy"))?;
        let places = vec!["?"; names.len()].join(", ");
        let insert = format!("INSERT INTO {table} ({}) VALUES ({places})", names.join(", "));
        Ok(Self { insert, cells: names.into_iter().zip(values).collect() })
    }
}

struct Batch<'db> {
    db: &'db Connection,
    rows: u64,
}

impl Batch<'_> {
    /// Inserts a copy with other values in the named columns, where they exist.
    fn insert(&mut self, copy: &Copy, keys: &HashMap<&str, Value>) -> Result<()> {
        let cells = copy.cells.iter().map(|(name, value)| keys.get(name.as_str()).unwrap_or(value));
        self.db.prepare_cached(&copy.insert)?.execute(params_from_iter(cells))?;
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_PER_COMMIT) {
            self.db.execute_batch("COMMIT; BEGIN")?;
        }
        Ok(())
    }
}

/// A time-ordered SID like the server's: a byte for its kind, milliseconds, and random-looking bits.
fn sid(kind: u8, micros: i64, number: u64) -> Value {
    let mut bytes = vec![kind];
    bytes.extend(&(micros / 1_000).to_be_bytes()[2..]);
    bytes.push(kind);
    bytes.extend(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Value::Blob(bytes)
}

/// Identities in alphabetical order, spread over all letters.
fn identity(number: u64, of: u64) -> String {
    format!("{:016x}-past-{number:09}", u64::MAX / of.max(1) * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_copied_with_keys_and_times_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("past.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch(
            "CREATE TABLE entities (identity TEXT PRIMARY KEY, sid BLOB UNIQUE, created_at INTEGER);
             CREATE TABLE factors (entity_sid BLOB, sid BLOB UNIQUE, key_sid BLOB UNIQUE, status TEXT);
             CREATE TABLE challenges (sid BLOB UNIQUE, factor_sid BLOB, state TEXT, message TEXT);
             CREATE TABLE notifications (challenge_sid BLOB, ordinal INTEGER, sid BLOB, ending TEXT,
                                         PRIMARY KEY (challenge_sid, ordinal));
             INSERT INTO entities VALUES ('real', x'01', 5);
             INSERT INTO factors VALUES (x'01', x'02', x'03', 'verified');
             INSERT INTO challenges VALUES (x'04', x'02', 'approved', 'Log in?');
             INSERT INTO notifications VALUES (x'04', 0, x'05', 'delivered');",
        )
        .unwrap();
        fill(&file, HistorySize { entities: 5, notifications: 80, per_challenge: 4 }).unwrap();
        let count = |sql| db.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM entities"), 6);
        assert_eq!(count("SELECT count(*) FROM challenges WHERE message = 'Log in?'"), 21);
        assert_eq!(count("SELECT count(*) FROM notifications"), 81);
        let owned = "SELECT count(*) FROM challenges JOIN factors ON factors.sid = factor_sid
                     JOIN entities ON entities.sid = entity_sid";
        assert_eq!(count(owned), 21);
    }
}
