//! The transparency log.

use async_trait::async_trait;
use countersign_domain::fact::{Fact, FactEntry};
use countersign_domain::sid::{AccountSid, EntitySid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    FactKey, LogBeginning, LogState, LogStep, LogTile, StoredEntry, Transparency,
};
use countersign_store_sql::rows::log::{fact, log_state, stored_entry};
use countersign_store_sql::values::limit;
use countersign_store_sql::{fact_columns, log_state_columns, stored_entry_columns};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::facts;
use crate::params::{column, id, params};
use crate::session::Session;
use crate::statement::{all, exists, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;

/// Entries of a bundle: what is pruned at once.
const BUNDLE: i64 = 256;

/// Nodes begin and pause the log one after another. The number is arbitrary.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4804911933)";
const STATE: &str = concat!("SELECT ", log_state_columns!(), " FROM tlog_state WHERE id = 1");
const BEGIN: &str = "INSERT INTO tlog_state (id, origin, key, size, pruned, published) VALUES (1, $1, $2, 0, 0, 0) \
                     ON CONFLICT DO NOTHING";
const NOTE: &str = "INSERT INTO tlog_facts (number, noise, kind, subject) \
                    VALUES (tlog_number(), gen_random_uuid(), $1, '00000000-0000-0000-0000-000000000000')";
/// Locks the state, so that of two nodes at the same size one adds entries.
const GROW: &str = "UPDATE tlog_state SET size = $2 WHERE id = 1 AND size = $1";
const FACTS: &str = concat!(
    "SELECT ",
    fact_columns!(),
    " FROM (SELECT * FROM tlog_facts ORDER BY number, noise LIMIT $1) AS f \
     LEFT JOIN LATERAL (SELECT * FROM challenges WHERE sid = f.subject OFFSET 0) AS c ON true \
     LEFT JOIN LATERAL (SELECT jws FROM signed_answers WHERE challenge_sid = f.subject OFFSET 0) AS s ON true ORDER BY f.number, f.noise"
);
const TAKE: &str = "DELETE FROM tlog_facts f USING unnest($1, $2) AS u (number, noise) \
                    WHERE f.number = u.number AND f.noise = u.noise";
/// The opening of an entry about a person who was deleted is not stored.
const INSERT: &str = "INSERT INTO tlog_entries (number, at, kind, subject, account_sid, entity_sid, entry, salt, opening) \
                      SELECT u.number, u.at, u.kind, u.subject, u.account, CASE WHEN k.kept THEN u.person END, u.entry, \
                      CASE WHEN k.kept THEN u.salt END, CASE WHEN k.kept THEN u.opening END \
                      FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                      AS u (number, at, kind, subject, account, person, entry, salt, opening, service) \
                      CROSS JOIN LATERAL (SELECT u.person IS NULL OR u.service IS NULL OR EXISTS (SELECT 1 FROM entities e \
                      WHERE e.service_sid = u.service AND e.sid = u.person) AS kept) AS k";
const PUT_TILES: &str = "INSERT INTO tlog_tiles (level, number, hashes) SELECT * FROM unnest($1, $2, $3) \
                         ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes";
const WATCH: &str = "INSERT INTO tlog_watches (expires_at, challenge_sid) SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING";
/// Of two nodes that look at the same challenges, one gets them.
const NOTE_EXPIRIES: &str = "WITH due AS MATERIALIZED (SELECT expires_at, challenge_sid FROM tlog_watches \
                             WHERE expires_at <= $1 ORDER BY expires_at, challenge_sid LIMIT $2 FOR UPDATE SKIP LOCKED), \
                             gone AS (DELETE FROM tlog_watches w USING due WHERE w.expires_at = due.expires_at \
                             AND w.challenge_sid = due.challenge_sid RETURNING w.expires_at, w.challenge_sid), \
                             noted AS (INSERT INTO tlog_facts (number, noise, kind, subject, at) \
                             SELECT tlog_number(), gen_random_uuid(), 'challenge.expired', c.sid, gone.expires_at FROM gone \
                             CROSS JOIN LATERAL (SELECT sid FROM challenges WHERE sid = gone.challenge_sid AND state = 'pending' \
                             OFFSET 0) AS c) SELECT count(*) FROM gone";
const PUBLISH: &str = "UPDATE tlog_state SET published = $1, checkpoint = $2 WHERE id = 1 AND published < $1 AND size >= $1";
const TILE: &str = "SELECT hashes FROM tlog_tiles WHERE level = $1 AND number = $2";
const ENTRIES: &str = concat!(
    "SELECT ",
    stored_entry_columns!(),
    " FROM tlog_entries WHERE number >= $1 ORDER BY number LIMIT $2"
);
const OF_ACCOUNT: &str = concat!(
    "SELECT ",
    stored_entry_columns!(),
    " FROM tlog_entries WHERE account_sid = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
);
const OF_SUBJECT: &str = concat!(
    "SELECT ",
    stored_entry_columns!(),
    " FROM tlog_entries WHERE subject = $1 ORDER BY number LIMIT $2"
);
const YOUNG: &str =
    "SELECT 1 FROM tlog_entries WHERE number >= $1 AND number < $2 AND at > $3 LIMIT 1";
const PRUNE: &str = "DELETE FROM tlog_entries WHERE number >= $1 AND number < $2";
const PRUNED: &str = "UPDATE tlog_state SET pruned = $2 WHERE id = 1 AND pruned = $1";

async fn state(db: &Session) -> Result<Option<LogState>, DatabaseError> {
    one(db, STATE, params![], |row| log_state(cells_of(row, "tlog_state"))).await
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Begin(LogBeginning);

#[async_trait]
impl Command for Begin {
    type Output = LogState;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<LogState, DatabaseError> {
        db.query(LOCK, params![]).await?;
        let LogBeginning { origin, key } = &self.0;
        let is_new = db.execute(BEGIN, params![origin.as_str(), key.as_bytes()]).await? > 0;
        let were_present = facts::begin(db).await?;
        if is_new {
            db.execute(NOTE, params!["log.created"]).await?;
        } else if !were_present {
            db.execute(NOTE, params!["log.changed"]).await?;
        }
        state(db).await?.ok_or_else(|| DatabaseError::Corrupt("tlog_state".to_owned()))
    }
}

struct Pause;

#[async_trait]
impl Command for Pause {
    type Output = ();
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        db.query(LOCK, params![]).await?;
        if facts::end(db).await? {
            db.execute(NOTE, params!["log.ended"]).await?;
        }
        Ok(())
    }
}

struct NoteExpiries(Instant, usize);

#[async_trait]
impl Command for NoteExpiries {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let bounds = params![self.0.as_micros(), limit(self.1)];
        let read = |row: &Row| cells_of(row, "tlog_watches").map(|rows: u32| rows as usize);
        Ok(one(db, NOTE_EXPIRIES, bounds, read).await?.unwrap_or(0))
    }
}

struct Grow(LogStep);

/// Stores entries, the first of which has the index `from`.
async fn insert(db: &Session, from: u64, entries: &[FactEntry]) -> Result<(), DatabaseError> {
    let numbers: Vec<_> = (from..).take(entries.len()).map(number).collect();
    let row = params![
        numbers,
        column(entries, |entry| entry.at.as_micros()),
        column(entries, |entry| entry.kind.to_string()),
        column(entries, |entry| id(&entry.subject)),
        column(entries, |entry| entry.account.as_ref().map(|sid| id(sid.as_bytes()))),
        column(entries, |entry| entry.person.as_ref().map(|sid: &EntitySid| id(sid.as_bytes()))),
        column(entries, |entry| entry.entry.as_str()),
        column(entries, |entry| entry.salt.as_slice()),
        column(entries, |entry| entry.opening.as_str()),
        column(entries, |entry| entry.service.as_ref().map(|sid| id(sid.as_bytes()))),
    ];
    db.execute(INSERT, row).await.map(|_| ())
}

async fn put_tiles(db: &Session, tiles: &[LogTile]) -> Result<(), DatabaseError> {
    let rows = params![
        column(tiles, |(level, ..)| i64::from(*level)),
        column(tiles, |(_, tile, _)| number(*tile)),
        column(tiles, |(.., hashes)| hashes.as_slice()),
    ];
    db.execute(PUT_TILES, rows).await.map(|_| ())
}

#[async_trait]
impl Command for Grow {
    type Output = bool;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let LogStep { from, facts, entries, tiles, watches } = &self.0;
        let size = from + entries.len() as u64;
        if db.execute(GROW, params![number(*from), number(size)]).await? == 0 {
            return Ok(false);
        }
        let taken =
            params![column(facts, |(number, _)| *number), column(facts, |(_, noise)| id(noise)),];
        db.execute(TAKE, taken).await?;
        insert(db, *from, entries).await?;
        put_tiles(db, tiles).await?;
        if watches.is_empty() {
            return Ok(true);
        }
        let watched = params![
            column(watches, |(at, _)| at.as_micros()),
            column(watches, |(_, challenge)| id(challenge.as_bytes())),
        ];
        db.execute(WATCH, watched).await?;
        Ok(true)
    }
}

struct Publish(u64, String);

#[async_trait]
impl Command for Publish {
    type Output = bool;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        Ok(db.execute(PUBLISH, params![number(self.0), self.1.as_str()]).await? > 0)
    }
}

struct Prune(Instant);

#[async_trait]
impl Command for Prune {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let Some(state) = state(db).await? else { return Ok(0) };
        let (from, to) = (number(state.pruned), number(state.pruned) + BUNDLE);
        let young = params![from, to, self.0.as_micros()];
        if to > number(state.published) || exists(db, YOUNG, young).await? {
            return Ok(0);
        }
        if db.execute(PRUNED, params![from, to]).await? == 0 {
            return Ok(0);
        }
        db.execute(PRUNE, params![from, to]).await
    }
}

fn read_entry(row: &Row) -> countersign_store_sql::cells::RowResult<StoredEntry> {
    stored_entry(cells_of(row, "tlog_entries"))
}

#[async_trait]
impl Transparency for PostgresStore {
    async fn begin_log(&self, beginning: &LogBeginning) -> StoreResult<LogState> {
        self.write(Begin(beginning.clone())).await
    }

    async fn pause_log(&self) -> StoreResult<()> {
        self.write(Pause).await
    }

    async fn log_state(&self) -> StoreResult<Option<LogState>> {
        Ok(state(&self.session().await?).await?)
    }

    async fn note_expiries(&self, before: Instant, most: usize) -> StoreResult<usize> {
        self.write(NoteExpiries(before, most)).await
    }

    async fn facts(&self, most: usize) -> StoreResult<Vec<(FactKey, Fact)>> {
        let db = self.session().await?;
        let read = |row: &Row| fact(cells_of(row, "tlog_facts"));
        Ok(all(&db, FACTS, params![limit(most)], read).await?)
    }

    async fn add_entries(&self, step: &LogStep) -> StoreResult<bool> {
        self.write(Grow(step.clone())).await
    }

    async fn publish_log(&self, size: u64, checkpoint: &str) -> StoreResult<bool> {
        self.write(Publish(size, checkpoint.to_owned())).await
    }

    async fn log_tile(&self, level: u8, tile: u64) -> StoreResult<Option<Vec<u8>>> {
        let db = self.session().await?;
        let read = |row: &Row| cells_of(row, "tlog_tiles").take();
        Ok(one(&db, TILE, params![i64::from(level), number(tile)], read).await?)
    }

    async fn log_entries(&self, from: u64, most: usize) -> StoreResult<Vec<StoredEntry>> {
        let db = self.session().await?;
        Ok(all(&db, ENTRIES, params![number(from), limit(most)], read_entry).await?)
    }

    async fn log_entries_of(
        &self,
        account: AccountSid,
        before: u64,
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>> {
        let db = self.session().await?;
        let key = params![id(account.as_bytes()), number(before), limit(most)];
        Ok(all(&db, OF_ACCOUNT, key, read_entry).await?)
    }

    async fn log_entries_about(
        &self,
        subject: [u8; 16],
        most: usize,
    ) -> StoreResult<Vec<StoredEntry>> {
        let db = self.session().await?;
        Ok(all(&db, OF_SUBJECT, params![id(&subject), limit(most)], read_entry).await?)
    }

    async fn prune_log(&self, before: Instant) -> StoreResult<usize> {
        self.write(Prune(before)).await
    }
}
