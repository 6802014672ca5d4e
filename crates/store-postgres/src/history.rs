//! The partitions of the history, each with the rows of some days.
//!
//! Partitions are created ahead of time, and dropped whole when they are older than the retention. Rows that no partition takes are in
//! the default partition, `<table>_rest`, from which the cleaner removes them row by row.
//!
//! Attaching or dropping a partition takes a lock that all other statements would queue behind. So it waits at most
//! [`LOCK_TIMEOUT`] for the lock, and tries again at the next sweep. (`DETACH … CONCURRENTLY` would not lock, but is impossible for a table
//! with a default partition, and inside a transaction.) One node at a time does this.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreError;
use countersign_store::seam::Retention;
use countersign_store_sql::cells::RowResult;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::command::Command;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, exists};
use crate::time_limits::TimeLimit;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before they are needed partitions are created.
const AHEAD: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// The number of partitions that the retention is divided into; a longer retention has longer partitions.
const PARTITIONS_IN_RETENTION: u32 = 30;

/// The longest time that other statements wait for a partition to be attached or dropped.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '100ms'";
/// A lock that lets one node at a time change partitions. The number is arbitrary.
const ALONE: &str = "SELECT 1 WHERE pg_try_advisory_xact_lock(4804911934)";
/// `OFFSET 0` makes the server read the bounds once: a second read would fail for a partition that is being dropped.
const PARTITIONS: &str = "SELECT name, edges[1]::uuid, edges[2]::uuid FROM (SELECT c.relname::text AS name, \
                     regexp_match(pg_get_expr(c.relpartbound, c.oid), $2) AS edges \
                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                     WHERE i.inhparent = to_regclass($1) OFFSET 0) AS partitions WHERE edges IS NOT NULL ORDER BY 2";
const EDGES: &str = r"^FOR VALUES FROM \('([0-9a-f-]+)'\) TO \('([0-9a-f-]+)'\)$";

/// A partitioned table.
struct Table {
    name: &'static str,
    /// The fill factor of each partition.
    fillfactor: u8,
    /// Whether the default partition has rows from `$1` up to `$2`.
    rest: &'static str,
    /// The types of challenges that have rows in it.
    kinds: &'static [FactorType],
}

const TABLES: [Table; 4] = [
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
    // Rows are written once.
    Table {
        name: "calls_taken",
        fillfactor: 100,
        rest: "SELECT 1 FROM calls_taken_rest WHERE challenge_sid >= $1 AND challenge_sid < $2 LIMIT 1",
        kinds: &[FactorType::Push, FactorType::Totp],
    },
    Table {
        name: "signed_answers",
        fillfactor: 100,
        rest: "SELECT 1 FROM signed_answers_rest WHERE challenge_sid >= $1 AND challenge_sid < $2 LIMIT 1",
        kinds: &[FactorType::Push],
    },
];

/// The rows from one challenge's SID up to another.
struct Partition {
    name: String,
    from: Uuid,
    to: Uuid,
}

/// The least SID of a type that could have been minted at an instant.
fn edge(kind: FactorType, at: Instant) -> Uuid {
    id(ChallengeSid::least(kind, at).as_bytes())
}

/// The instant at which the SID of an edge could have been minted.
fn instant(edge: Uuid) -> Instant {
    let millis = edge.as_bytes()[1..7].iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    Instant::from_micros(millis * 1_000)
}

/// Creates the partitions of the next days, and drops those older than the retention.
pub(crate) async fn maintain(
    db: &Database,
    now: Instant,
    retention: Retention,
) -> Result<(), DatabaseError> {
    for table in &TABLES {
        for &kind in table.kinds {
            let partitions = partitions(&db.session().await?, table, kind).await?;
            create(db, table, kind, &partitions, (now, now), span(retention.challenges)).await?;
            let beyond = edge(kind, retention.beyond(now));
            for partition in partitions.into_iter().filter(|partition| partition.to <= beyond) {
                if !apply(db, &Change::Drop(partition, now)).await? {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Creates the partitions of the days from `from` on, for rows that are moved from another database.
pub(crate) async fn create_from(
    db: &Database,
    from: Instant,
    now: Instant,
) -> Result<(), DatabaseError> {
    for table in &TABLES {
        for &kind in table.kinds {
            let partitions = partitions(&db.session().await?, table, kind).await?;
            create(db, table, kind, &partitions, (from, now), span(now.since(from))).await?;
        }
    }
    Ok(())
}

/// The length of a partition.
fn span(retention: Duration) -> Duration {
    let days = retention.as_secs().div_ceil(DAY.as_secs());
    DAY * u32::try_from(days).unwrap_or(u32::MAX).div_ceil(PARTITIONS_IN_RETENTION).max(1)
}

/// The partitions of a type, in their order.
async fn partitions(
    db: &Session,
    table: &Table,
    kind: FactorType,
) -> Result<Vec<Partition>, DatabaseError> {
    let mut partitions = all(db, PARTITIONS, params![table.name, EDGES], partition).await?;
    partitions.retain(|partition| partition.from.as_bytes()[0] == kind.lead());
    Ok(partitions)
}

/// Creates the missing partitions behind the last one, from an instant to some days from `now`.
async fn create(
    db: &Database,
    table: &'static Table,
    kind: FactorType,
    partitions: &[Partition],
    (first, now): (Instant, Instant),
    span: Duration,
) -> Result<(), DatabaseError> {
    let day = first.as_seconds() - first.as_seconds() % DAY.as_secs().cast_signed();
    let day = Instant::from_seconds(day);
    let mut begin = partitions.last().map_or(day, |last| instant(last.to).max(day));
    while begin < now + AHEAD {
        let (from, to) = (edge(kind, begin), edge(kind, begin + span));
        // A partition whose rows are in the default partition cannot be attached.
        if !exists(&db.session().await?, table.rest, params![from, to]).await? {
            let date = begin.to_string().replace('-', "");
            let date = date.split('T').next().unwrap_or_default();
            let name = format!("{}_{:02}_{date}", table.name, kind.lead());
            // No gap is left, since only partitions behind the last one are created.
            if !apply(db, &Change::Create(table, Partition { name, from, to }, now)).await? {
                break;
            }
        }
        begin = begin + span;
    }
    Ok(())
}

fn partition(row: &Row) -> RowResult<Partition> {
    let mut cells = cells_of(row, "pg_class");
    Ok(Partition {
        name: cells.take()?,
        from: cells.map(|at| id(&at))?,
        to: cells.map(|at| id(&at))?,
    })
}

enum Change {
    /// Creates a partition, at this time.
    Create(&'static Table, Partition, Instant),
    /// Drops a partition, at this time.
    Drop(Partition, Instant),
}

/// Changes a table, unless another transaction conflicts. Returns whether it did.
async fn apply(db: &Database, change: &Change) -> Result<bool, DatabaseError> {
    match db.transact(change).await {
        Err(failure) if failure.is_table_conflict() => {
            let error = StoreError::from(failure);
            tracing::debug!(%error, "a partition of the history is left for the next sweep");
            Ok(false)
        }
        done => done,
    }
}

#[async_trait]
impl Command for Change {
    /// Whether no other node was changing partitions.
    type Output = bool;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        let (Self::Create(_, _, now) | Self::Drop(_, now)) = self;
        Some((*now, *now))
    }

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        db.run_script(LOCK_TIMEOUT).await?;
        if !exists(db, ALONE, &[]).await? {
            return Ok(false);
        }
        let sql = match self {
            Self::Create(
                Table { name: table, fillfactor, .. },
                Partition { name, from, to },
                _,
            ) => {
                format!(
                    "CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor}); \
                 ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from}') TO ('{to}')"
                )
            }
            Self::Drop(Partition { name, .. }, _) => format!("DROP TABLE IF EXISTS {name}"),
        };
        db.run_script(&sql).await.map(|()| true)
    }
}
