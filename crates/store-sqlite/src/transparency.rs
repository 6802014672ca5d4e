//! The transparency log.

use async_trait::async_trait;
use countersign_domain::fact::{Fact, FactEntry};
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    FactKey, LogBeginning, LogState, LogStep, StoredEntry, Transparency,
};
use countersign_store_sql::rows::log::{fact, log_state, stored_entry};
use countersign_store_sql::values::limit;
use countersign_store_sql::{fact_columns, log_state_columns, stored_entry_columns};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::facts;
use crate::statement::{all, execute, exists, one, statements};
use crate::store::SqliteStore;

/// Entries of a bundle: what is pruned at once.
const BUNDLE: i64 = 256;

/// Notes a fact about the log itself.
macro_rules! note_log {
    ($kind:literal) => {
        concat!(
            "INSERT INTO tlog_facts (number, noise, kind, subject) \
             VALUES (coalesce((SELECT max(number) FROM tlog_facts), 0) + 1, zeroblob(16), 'log.",
            $kind,
            "', zeroblob(16))"
        )
    };
}

statements! {
    STATE = concat!("SELECT ", log_state_columns!(), " FROM tlog_state WHERE id = 1");
    BEGIN = "INSERT INTO tlog_state (id, origin, key, size, pruned, published) VALUES (1, ?1, ?2, 0, 0, 0) ON CONFLICT DO NOTHING";
    NOTE_BEGIN = note_log!("created");
    NOTE_RESUMED = note_log!("changed");
    NOTE_PAUSED = note_log!("ended");
    GROW = "UPDATE tlog_state SET size = ?2 WHERE id = 1 AND size = ?1";
    FACTS = concat!(
        "SELECT ", fact_columns!(), " FROM tlog_facts f LEFT JOIN challenges c ON c.sid = f.subject \
         LEFT JOIN signed_answers s ON s.challenge_sid = f.subject WHERE f.number > ?1 \
         ORDER BY f.number, f.noise LIMIT ?2"
    );
    TAKE = "DELETE FROM tlog_facts WHERE number = ?1 AND noise = ?2";
    IS_LIVING = "SELECT 1 FROM entities WHERE service_sid = ?1 AND sid = ?2";
    INSERT = "INSERT INTO tlog_entries (number, at, kind, subject, account_sid, entity_sid, entry, salt, opening) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    PUT_TILE = "INSERT INTO tlog_tiles (level, number, hashes) VALUES (?1, ?2, ?3) \
                ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes";
    WATCH = "INSERT INTO tlog_watches (expires_at, challenge_sid) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    WATCHED = "SELECT expires_at, challenge_sid FROM tlog_watches WHERE expires_at <= ?1 ORDER BY expires_at, challenge_sid LIMIT ?2";
    LOOKED_AT = "DELETE FROM tlog_watches WHERE expires_at = ?1 AND challenge_sid = ?2";
    IS_PENDING = "SELECT 1 FROM challenges WHERE sid = ?1 AND state = 'pending'";
    NOTE_EXPIRY = "INSERT INTO tlog_facts (number, noise, kind, subject, at) \
                   VALUES (coalesce((SELECT max(number) FROM tlog_facts), 0) + 1, zeroblob(16), 'challenge.expired', ?1, ?2)";
    PUBLISH = "UPDATE tlog_state SET published = ?1, checkpoint = ?2 WHERE id = 1 AND published < ?1 AND size >= ?1";
    TILE = "SELECT hashes FROM tlog_tiles WHERE level = ?1 AND number = ?2";
    ENTRIES = concat!("SELECT ", stored_entry_columns!(), " FROM tlog_entries WHERE number >= ?1 ORDER BY number LIMIT ?2");
    OF_ACCOUNT = concat!(
        "SELECT ", stored_entry_columns!(), " FROM tlog_entries WHERE account_sid = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
    );
    OF_SUBJECT = concat!(
        "SELECT ", stored_entry_columns!(), " FROM tlog_entries WHERE subject = ?1 ORDER BY number LIMIT ?2"
    );
    YOUNG = "SELECT 1 FROM tlog_entries WHERE number >= ?1 AND number < ?2 AND at > ?3";
    PRUNE = "DELETE FROM tlog_entries WHERE number >= ?1 AND number < ?2";
    PRUNED = "UPDATE tlog_state SET pruned = ?1 WHERE id = 1";
    /// Erases the openings of entries about a deleted person. The commitments stay.
    ERASE = "UPDATE tlog_entries SET salt = NULL, opening = NULL, entity_sid = NULL WHERE number IN (\
             SELECT number FROM tlog_entries WHERE entity_sid = ?1 AND salt IS NOT NULL LIMIT ?2)";
}

fn state(db: &Connection) -> Result<Option<LogState>, DatabaseError> {
    one(db, STATE, (), |row| log_state(cells_of(row, "tlog_state")))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Begin(LogBeginning);

impl Command for Begin {
    type Output = LogState;

    fn run(&self, db: &Connection) -> Result<LogState, DatabaseError> {
        let LogBeginning { origin, key } = &self.0;
        let is_new = execute(db, BEGIN, params![origin, key.as_bytes()])? > 0;
        let were_present = facts::begin(db)?;
        if is_new {
            execute(db, NOTE_BEGIN, ())?;
        } else if !were_present {
            execute(db, NOTE_RESUMED, ())?;
        }
        state(db)?.ok_or_else(|| DatabaseError::Corrupt("tlog_state".to_owned()))
    }
}

struct Pause;

impl Command for Pause {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        if facts::end(db)? {
            execute(db, NOTE_PAUSED, ())?;
        }
        Ok(())
    }
}

struct NoteExpiries(Instant, usize);

impl Command for NoteExpiries {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let bounds = params![self.0.as_micros(), limit(self.1)];
        let watched = all(db, WATCHED, bounds, |row| {
            let mut cells = cells_of(row, "tlog_watches");
            Ok((cells.take::<i64>()?, cells.take::<[u8; 16]>()?))
        })?;
        for (expires_at, challenge) in &watched {
            if exists(db, IS_PENDING, [challenge])? {
                execute(db, NOTE_EXPIRY, params![challenge, expires_at])?;
            }
            execute(db, LOOKED_AT, params![expires_at, challenge])?;
        }
        Ok(watched.len())
    }
}

struct Grow(LogStep);

impl Grow {
    fn insert(db: &Connection, at: u64, entry: &FactEntry) -> Result<(), DatabaseError> {
        let person = entry.person.as_ref().map(EntitySid::as_bytes);
        let service = entry.service.as_ref().map(ServiceSid::as_bytes);
        // An opening about a deleted person is not kept.
        let is_kept = match service.zip(person) {
            Some((service, person)) => exists(db, IS_LIVING, [service, person])?,
            None => true,
        };
        let row = params![
            number(at),
            entry.at.as_micros(),
            entry.kind.to_string(),
            entry.subject,
            entry.account.as_ref().map(AccountSid::as_bytes),
            person.filter(|_| is_kept),
            entry.entry,
            is_kept.then_some(entry.salt),
            is_kept.then_some(entry.opening.as_str()),
        ];
        execute(db, INSERT, row).map(|_| ())
    }
}

impl Command for Grow {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let LogStep { from, facts, entries, tiles, watches } = &self.0;
        let size = from + entries.len() as u64;
        if execute(db, GROW, [number(*from), number(size)])? == 0 {
            return Ok(false);
        }
        for (fact, noise) in facts {
            execute(db, TAKE, params![fact, noise])?;
        }
        for (at, entry) in (*from..).zip(entries) {
            Self::insert(db, at, entry)?;
        }
        for (level, tile, hashes) in tiles {
            execute(db, PUT_TILE, params![level, number(*tile), hashes])?;
        }
        for (expires_at, challenge) in watches {
            execute(db, WATCH, params![expires_at.as_micros(), challenge.as_bytes()])?;
        }
        Ok(true)
    }
}

struct Publish(u64, String);

impl Command for Publish {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        Ok(execute(db, PUBLISH, params![number(self.0), self.1])? > 0)
    }
}

struct Prune(Instant);

impl Command for Prune {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let Some(state) = state(db)? else { return Ok(0) };
        let (from, to) = (number(state.pruned), number(state.pruned) + BUNDLE);
        let young = params![from, to, self.0.as_micros()];
        if to > number(state.published) || exists(db, YOUNG, young)? {
            return Ok(0);
        }
        execute(db, PRUNED, [to])?;
        execute(db, PRUNE, [from, to])
    }
}

#[async_trait]
impl Transparency for SqliteStore {
    async fn begin_log(&self, beginning: &LogBeginning) -> StoreResult<LogState> {
        self.write(Begin(beginning.clone())).await
    }

    async fn pause_log(&self) -> StoreResult<()> {
        self.write(Pause).await
    }

    async fn log_state(&self) -> StoreResult<Option<LogState>> {
        self.read(state)
    }

    async fn note_expiries(&self, before: Instant, most: usize) -> StoreResult<usize> {
        self.write(NoteExpiries(before, most)).await
    }

    async fn facts(&self, most: usize) -> StoreResult<Vec<(FactKey, Fact)>> {
        self.read_blocking(move |db| {
            all(db, FACTS, [i64::MIN, limit(most)], |row| fact(cells_of(row, "tlog_facts")))
        })
        .await
    }

    async fn add_entries(&self, step: &LogStep) -> StoreResult<bool> {
        self.write(Grow(step.clone())).await
    }

    async fn publish_log(&self, size: u64, checkpoint: &str) -> StoreResult<bool> {
        self.write(Publish(size, checkpoint.to_owned())).await
    }

    async fn log_tile(&self, level: u8, tile: u64) -> StoreResult<Option<Vec<u8>>> {
        self.read(|db| {
            one(db, TILE, params![level, number(tile)], |row| cells_of(row, "tlog_tiles").take())
        })
    }

    async fn log_entries(&self, from: u64, most: usize) -> StoreResult<Vec<StoredEntry>> {
        self.read_blocking(move |db| {
            let range = [number(from), limit(most)];
            all(db, ENTRIES, range, |row| stored_entry(cells_of(row, "tlog_entries")))
        })
        .await
    }

    async fn log_entries_of(
        &self,
        account: AccountSid,
        before: u64,
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>> {
        self.read(|db| {
            let key = params![account.as_bytes(), number(before), limit(most)];
            all(db, OF_ACCOUNT, key, |row| stored_entry(cells_of(row, "tlog_entries")))
        })
    }

    async fn log_entries_about(
        &self,
        subject: [u8; 16],
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>> {
        self.read(|db| {
            let key = params![subject, limit(most)];
            all(db, OF_SUBJECT, key, |row| stored_entry(cells_of(row, "tlog_entries")))
        })
    }

    async fn prune_log(&self, before: Instant) -> StoreResult<usize> {
        self.write(Prune(before)).await
    }
}
