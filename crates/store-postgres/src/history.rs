//! The parts that the history lies in, each with what was made in some days. They are made ahead of time; one that is past
//! the retention is dropped whole. What no part takes lies in the rest, which the cleaner sweeps row by row.
//!
//! To attach or drop a part takes a lock that everybody else's statements would queue behind, so it is waited for no longer
//! than [`PATIENCE`], and tried again at the next sweep. (`DETACH … CONCURRENTLY` would not lock, but a table that has a part
//! for the rest cannot be split so, and it can run in no transaction.) One node at a time does it.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::seam::Retention;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bounds::Hurry;
use crate::cells::Cells;
use crate::command::Command;
use crate::database::{Database, Session};
use crate::params::{id, params};
use crate::statement::{all, exists};
use crate::trouble::Trouble;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Parts are there so long before they are needed.
const AHEAD: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// A longer retention is not kept in more parts but in longer ones.
const PARTS_IN_RETENTION: u32 = 30;

/// Everybody else waits so long at most for a part to be attached or dropped.
const PATIENCE: &str = "SET LOCAL lock_timeout = '100ms'";
/// Any number will do.
const ALONE: &str = "SELECT 1 WHERE pg_try_advisory_xact_lock(4804911934)";
/// `OFFSET 0` has the bounds asked for once: of a part that is being dropped there are none any more at the second time.
const PARTS: &str = "SELECT name, edges[1]::uuid, edges[2]::uuid FROM (SELECT c.relname::text AS name, \
                     regexp_match(pg_get_expr(c.relpartbound, c.oid), $2) AS edges \
                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                     WHERE i.inhparent = to_regclass($1) OFFSET 0) AS parts WHERE edges IS NOT NULL ORDER BY 2";
const EDGES: &str = r"^FOR VALUES FROM \('([0-9a-f-]+)'\) TO \('([0-9a-f-]+)'\)$";

/// A table in parts.
struct Table {
    name: &'static str,
    /// Of each part.
    fillfactor: u8,
    /// Whether there is anything in the rest from `$1` up to `$2`.
    rest: &'static str,
    /// Challenges of these types have rows in it.
    kinds: &'static [FactorType],
}

const TABLES: [Table; 3] = [
    Table {
        name: "challenges",
        fillfactor: 90,
        rest: "SELECT 1 FROM challenges_rest WHERE sid >= $1 AND sid < $2 LIMIT 1",
        kinds: &[FactorType::Push, FactorType::Totp],
    },
    Table {
        name: "notifications",
        fillfactor: 85,
        rest: "SELECT 1 FROM notifications_rest WHERE challenge_sid >= $1 AND challenge_sid < $2 LIMIT 1",
        kinds: &[FactorType::Push],
    },
    // written once
    Table {
        name: "calls_taken",
        fillfactor: 100,
        rest: "SELECT 1 FROM calls_taken_rest WHERE challenge_sid >= $1 AND challenge_sid < $2 LIMIT 1",
        kinds: &[FactorType::Push, FactorType::Totp],
    },
];

/// What lies from one challenge's SID up to another.
struct Part {
    name: String,
    from: Uuid,
    to: Uuid,
}

/// The least SID of a type that could have been minted then.
fn edge(kind: FactorType, at: Instant) -> Uuid {
    id(ChallengeSid::least(kind, at).as_bytes())
}

/// When it could have been minted.
fn instant(edge: Uuid) -> Instant {
    let millis = edge.as_bytes()[1..7].iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    Instant::from_micros(millis * 1_000)
}

/// Makes the parts of the days to come, and drops those that are past the retention.
pub(crate) async fn tend(db: &Database, now: Instant, retention: Retention) -> Result<(), Trouble> {
    for table in &TABLES {
        for &kind in table.kinds {
            let parts = parts(&db.session().await?, table, kind).await?;
            make(db, table, kind, &parts, (now, now), span(retention.challenges)).await?;
            let beyond = edge(kind, retention.beyond(now));
            for part in parts.into_iter().filter(|part| part.to <= beyond) {
                if !apply(db, &Change::Drop(part, now)).await? {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Makes the parts of the days from `from` on, for rows that are brought from elsewhere.
pub(crate) async fn expect(db: &Database, from: Instant, now: Instant) -> Result<(), Trouble> {
    for table in &TABLES {
        for &kind in table.kinds {
            let parts = parts(&db.session().await?, table, kind).await?;
            make(db, table, kind, &parts, (from, now), span(now.since(from))).await?;
        }
    }
    Ok(())
}

/// How much time a part takes in.
fn span(retention: Duration) -> Duration {
    let days = retention.as_secs().div_ceil(DAY.as_secs());
    DAY * u32::try_from(days).unwrap_or(u32::MAX).div_ceil(PARTS_IN_RETENTION).max(1)
}

/// The parts that hold what is of a type, in their order.
async fn parts(db: &Session, table: &Table, kind: FactorType) -> Result<Vec<Part>, Trouble> {
    let mut parts = all(db, PARTS, params![table.name, EDGES], part).await?;
    parts.retain(|part| part.from.as_bytes()[0] == kind.lead());
    Ok(parts)
}

/// Makes the parts that are missing behind the last one, from an instant to some days from `now`.
async fn make(
    db: &Database,
    table: &'static Table,
    kind: FactorType,
    parts: &[Part],
    (first, now): (Instant, Instant),
    span: Duration,
) -> Result<(), Trouble> {
    let day = first.as_seconds() - first.as_seconds() % DAY.as_secs().cast_signed();
    let day = Instant::from_seconds(day);
    let mut begin = parts.last().map_or(day, |last| instant(last.to).max(day));
    while begin < now + AHEAD {
        let (from, to) = (edge(kind, begin), edge(kind, begin + span));
        // a part whose rows are in the rest already cannot be attached
        if !exists(&db.session().await?, table.rest, params![from, to]).await? {
            let date = begin.to_string().replace('-', "");
            let date = date.split('T').next().unwrap_or_default();
            let name = format!("{}_{:02}_{date}", table.name, kind.lead());
            // none is left out between two others, since those behind the last one are not looked for again
            if !apply(db, &Change::Make(table, Part { name, from, to }, now)).await? {
                break;
            }
        }
        begin = begin + span;
    }
    Ok(())
}

fn part(row: &Row) -> Result<Part, Trouble> {
    let mut cells = Cells::of(row, "pg_class");
    Ok(Part { name: cells.take()?, from: cells.make(|at| id(&at))?, to: cells.make(|at| id(&at))? })
}

enum Change {
    /// By what time it is.
    Make(&'static Table, Part, Instant),
    /// Likewise.
    Drop(Part, Instant),
}

/// Changes a table, unless somebody is in the way; whether it did.
async fn apply(db: &Database, change: &Change) -> Result<bool, Trouble> {
    match db.transact(change).await {
        Err(trouble) if trouble.is_in_the_way() => {
            let error = StoreError::from(trouble);
            tracing::debug!(%error, "a part of the history is left for the next sweep");
            Ok(false)
        }
        done => done,
    }
}

#[async_trait]
impl Command for Change {
    /// Whether no other node was at it.
    type Answer = bool;
    const HURRY: Hurry = Hurry::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let (Self::Make(_, _, now) | Self::Drop(_, now)) = self;
        Some((*now, *now))
    }

    async fn run(&self, db: &Session) -> Result<bool, Trouble> {
        db.run_script(PATIENCE).await?;
        if !exists(db, ALONE, &[]).await? {
            return Ok(false);
        }
        let sql = match self {
            Self::Make(Table { name: table, fillfactor, .. }, Part { name, from, to }, _) => {
                format!(
                    "CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor}); \
                 ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
                )
            }
            Self::Drop(Part { name, .. }, _) => format!("DROP TABLE IF EXISTS {name}"),
        };
        db.run_script(&sql).await.map(|()| true)
    }
}
