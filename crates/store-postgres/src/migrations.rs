//! The schema: the same numbers and titles as every other backend's, written down in the same table.
//!
//! All of it happens in one transaction that keeps other nodes waiting, so any number of them may start at once. It needs
//! no statement that stays prepared, so it works through a pooler.

use async_trait::async_trait;
use countersign_store::StoreError;
use refinery::Migration;

use crate::cells::Cells;
use crate::database::{Command, Database, Session};
use crate::params::params;
use crate::trouble::Trouble;

/// Forward only. A change of the schema is another line here.
const MIGRATIONS: [(&str, &str); 5] = [
    ("V1__first_schema", include_str!("../migrations/V1__first_schema.sql")),
    ("V2__totp", include_str!("../migrations/V2__totp.sql")),
    ("V3__webhook_calls", include_str!("../migrations/V3__webhook_calls.sql")),
    ("V4__history_by_time", include_str!("../migrations/V4__history_by_time.sql")),
    ("V5__calls_taken", include_str!("../migrations/V5__calls_taken.sql")),
];

/// Whoever migrates holds this lock; any number will do.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4804911932)";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS refinery_schema_history \
                     (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";
const APPLIED: &str = "SELECT version::bigint, name::text, checksum::text FROM refinery_schema_history ORDER BY version";
const NOTE: &str = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                    VALUES ($1::bigint, $2, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), $3)";

/// Brings the schema up to date, if it may.
pub(crate) async fn run(db: &Database, may: bool) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql));
    let known: Vec<Migration> = known
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let refused = db.transact(&Migrate(known, may)).await?;
    refused.map_or(Ok(()), |why| Err(StoreError::Unavailable(why)))
}

struct Migrate(Vec<Migration>, bool);

#[async_trait]
impl Command for Migrate {
    /// Why the schema is none of ours, if so.
    type Answer = Option<String>;

    async fn run(&self, db: &Session) -> Result<Option<String>, Trouble> {
        db.run_script(LOCK).await?;
        db.run_script(TABLE).await?;
        let mut applied = 0;
        for row in db.query(APPLIED, &[]).await? {
            let mut cells = Cells::of(&row, "refinery_schema_history");
            let (version, name, checksum): (i64, String, String) =
                (cells.take()?, cells.take()?, cells.take()?);
            let ours = self.0.get(applied).is_some_and(|ours| {
                i64::from(ours.version()) == version
                    && ours.name() == name
                    && ours.checksum().to_string() == checksum
            });
            if !ours {
                return Ok(Some(format!(
                    "the schema was made by a newer version, or changed: this one knows no migration V{version}__{name}"
                )));
            }
            applied += 1;
        }
        if applied < self.0.len() && !self.1 {
            return Ok(Some(format!(
                "the schema has {applied} of {} migrations: start this version of the server on it first",
                self.0.len()
            )));
        }
        for migration in &self.0[applied..] {
            db.run_script(migration.sql().unwrap_or_default()).await?;
            let checksum = migration.checksum().to_string();
            let version = i64::from(migration.version());
            db.execute(NOTE, params![version, migration.name(), checksum]).await?;
        }
        Ok(None)
    }
}
