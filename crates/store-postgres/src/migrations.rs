//! The schema: the same numbers and titles as every other backend's, written down in the same table.
//!
//! All of it happens in one transaction that keeps other nodes waiting, so any number of them may start at once. It needs
//! no statement that stays prepared, so it works through a pooler.

use async_trait::async_trait;
use countersign_store::StoreError;
use countersign_store::schema::{SchemaPolicy, Step, check};
use refinery::Migration;
use tokio_postgres::Row;

use crate::bounds::Hurry;
use crate::cells::Cells;
use crate::command::Command;
use crate::database::{Database, Session};
use crate::params::params;
use crate::statement::{all, one};
use crate::trouble::Trouble;

/// Forward only. A change of the schema is another line here.
const MIGRATIONS: [(&str, &str); 10] = [
    ("V1__first_schema", include_str!("../migrations/V1__first_schema.sql")),
    ("V2__totp", include_str!("../migrations/V2__totp.sql")),
    ("V3__webhook_calls", include_str!("../migrations/V3__webhook_calls.sql")),
    ("V4__history_by_time", include_str!("../migrations/V4__history_by_time.sql")),
    ("V5__calls_taken", include_str!("../migrations/V5__calls_taken.sql")),
    ("V6__serves_from", include_str!("../migrations/V6__serves_from.sql")),
    ("V7__call_numbers", include_str!("../migrations/V7__call_numbers.sql")),
    ("V8__tenants", include_str!("../migrations/V8__tenants.sql")),
    ("V9__console", include_str!("../migrations/V9__console.sql")),
    ("V10__provider_tokens", include_str!("../migrations/V10__provider_tokens.sql")),
];

/// Whoever migrates holds this lock; any number will do.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4804911932)";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS refinery_schema_history \
                     (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";
/// Whether that table is there.
const HAS_TABLE: &str = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
const APPLIED: &str = "SELECT version::bigint, name::text, checksum::text FROM refinery_schema_history ORDER BY version";
const NOTE: &str = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                    VALUES ($1::bigint, $2, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), $3)";

/// Of a schema with migrations that are not known here.
const SERVES_FROM: &str = "SELECT serves_from FROM installation WHERE id = 1";

/// Makes the schema fit.
pub(crate) async fn run(db: &Database, schema_policy: SchemaPolicy) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql));
    let known: Vec<Migration> = known
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    db.transact(&Migrate(known, schema_policy)).await?.map_err(StoreError::Unavailable)
}

fn step(migration: &Migration) -> Step {
    Step {
        version: i64::from(migration.version()),
        name: migration.name().to_owned(),
        checksum: migration.checksum().to_string(),
    }
}

fn applied(row: &Row) -> Result<Step, Trouble> {
    let mut cells = Cells::of(row, "refinery_schema_history");
    Ok(Step { version: cells.take()?, name: cells.take()?, checksum: cells.take()? })
}

struct Migrate(Vec<Migration>, SchemaPolicy);

#[async_trait]
impl Command for Migrate {
    /// Why the schema cannot be used, if so.
    type Answer = Result<(), String>;
    const HURRY: Hurry = Hurry::None;

    async fn run(&self, db: &Session) -> Result<Self::Answer, Trouble> {
        let Self(migrations, schema_policy) = self;
        db.run_script(LOCK).await?;
        let known: Vec<_> = migrations.iter().map(step).collect();
        let has_table = || one(db, HAS_TABLE, &[], |row| Cells::of(row, "pg_class").take());
        let applied = if schema_policy.creates() {
            db.run_script(TABLE).await?;
            all(db, APPLIED, &[], applied).await?
        } else if has_table().await? == Some(true) {
            all(db, APPLIED, &[], applied).await?
        } else {
            Vec::new()
        };
        let serves_from = if applied.len() > known.len() && applied.starts_with(&known) {
            one(db, SERVES_FROM, &[], |row| Cells::of(row, "installation").take()).await?
        } else {
            None
        };
        let begin = match check(*schema_policy, &known, &applied, serves_from) {
            Ok(begin) => begin,
            Err(why) => return Ok(Err(why)),
        };
        for (migration, step) in migrations.iter().zip(known).skip(begin) {
            db.run_script(migration.sql().unwrap_or_default()).await?;
            db.execute(NOTE, params![step.version, step.name, step.checksum]).await?;
        }
        Ok(Ok(()))
    }
}
