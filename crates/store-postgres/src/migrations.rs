//! The migrations of the schema, with the same numbers and titles as those of the other store.
//!
//! They run in one transaction that other nodes wait for, so any number of nodes may start at the same time. They need no prepared
//! statement, so they work through a pooler.

use async_trait::async_trait;
use countersign_store::error::StoreError;
use countersign_store::schema::{SchemaPolicy, Step, check};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::migrations;
use refinery::Migration;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::params::params;
use crate::session::Session;
use crate::statement::{self, one};
use crate::time_limits::TimeLimit;

/// All migrations, forward only.
const MIGRATIONS: [(&str, &str); 29] = [
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
    ("V11__protections", include_str!("../migrations/V11__protections.sql")),
    ("V12__quiet_challenges", include_str!("../migrations/V12__quiet_challenges.sql")),
    ("V13__presence", include_str!("../migrations/V13__presence.sql")),
    ("V14__answer_contexts", include_str!("../migrations/V14__answer_contexts.sql")),
    ("V15__challenge_groups", include_str!("../migrations/V15__challenge_groups.sql")),
    ("V16__integrations", include_str!("../migrations/V16__integrations.sql")),
    ("V17__summaries", include_str!("../migrations/V17__summaries.sql")),
    ("V18__search", include_str!("../migrations/V18__search.sql")),
    ("V19__call_responses", include_str!("../migrations/V19__call_responses.sql")),
    ("V20__service_logos", include_str!("../migrations/V20__service_logos.sql")),
    ("V21__operators", include_str!("../migrations/V21__operators.sql")),
    ("V22__signed_answers", include_str!("../migrations/V22__signed_answers.sql")),
    ("V23__transparency_log", include_str!("../migrations/V23__transparency_log.sql")),
    ("V24__openid", include_str!("../migrations/V24__openid.sql")),
    ("V27__account_labels", include_str!("../migrations/V27__account_labels.sql")),
    ("V28__one_time_rights", include_str!("../migrations/V28__one_time_rights.sql")),
    ("V29__sealing_keys", include_str!("../migrations/V29__sealing_keys.sql")),
    ("V30__enrolment_codes", include_str!("../migrations/V30__enrolment_codes.sql")),
    ("V31__parked_by_challenge", include_str!("../migrations/V31__parked_by_challenge.sql")),
];

/// The lock that a migrating node holds. The number is arbitrary.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4804911932)";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS refinery_schema_history \
                     (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";
/// Whether that table exists.
const HAS_TABLE: &str = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
const APPLIED: &str = "SELECT version::bigint, name::text, checksum::text FROM refinery_schema_history ORDER BY version";
const NOTE: &str = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                    VALUES ($1::bigint, $2, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), $3)";

/// Read from a schema with unknown migrations.
const SERVES_FROM: &str = "SELECT serves_from FROM installation WHERE id = 1";

/// Migrates the schema.
pub(crate) async fn run(db: &Database, schema_policy: SchemaPolicy) -> Result<(), StoreError> {
    let known = migrations::known(&MIGRATIONS)
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    db.transact(&Migrate(known, schema_policy)).await?.map_err(StoreError::Unavailable)
}

fn applied(row: &Row) -> RowResult<Step> {
    let mut cells = cells_of(row, "refinery_schema_history");
    Ok(Step { version: cells.take()?, name: cells.take()?, checksum: cells.take()? })
}

struct Migrate(Vec<Migration>, SchemaPolicy);

#[async_trait]
impl Command for Migrate {
    /// Why the schema cannot be used, if so.
    type Output = Result<(), String>;
    const TIME_LIMIT: TimeLimit = TimeLimit::Unlimited;

    async fn run(&self, db: &Session) -> Result<Self::Output, DatabaseError> {
        let Self(all, schema_policy) = self;
        db.run_script(LOCK).await?;
        let known: Vec<_> = all.iter().map(migrations::step).collect();
        let has_table = || one(db, HAS_TABLE, &[], |row| cells_of(row, "pg_class").take());
        let applied = if schema_policy.creates() {
            db.run_script(TABLE).await?;
            statement::all(db, APPLIED, &[], applied).await?
        } else if has_table().await? == Some(true) {
            statement::all(db, APPLIED, &[], applied).await?
        } else {
            Vec::new()
        };
        let serves_from = if migrations::is_newer(&applied, &known) {
            one(db, SERVES_FROM, &[], |row| cells_of(row, "installation").take()).await?
        } else {
            None
        };
        let begin = match check(*schema_policy, &known, &applied, serves_from) {
            Ok(begin) => begin,
            Err(why) => return Ok(Err(why)),
        };
        for (migration, step) in all.iter().zip(known).skip(begin) {
            db.run_script(migration.sql().unwrap_or_default()).await?;
            db.execute(NOTE, params![step.version, step.name, step.checksum]).await?;
        }
        Ok(Ok(()))
    }
}
