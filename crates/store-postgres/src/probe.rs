//! Checks whether the database can be written.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_store::error::StoreError;
use countersign_store::health::{Health, PROBE_EVERY};

use crate::cells::cells_of;
use crate::command::{Command, OnUnknownCommit};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::session::Session;
use crate::statement::one;

/// Locks all tables as a write does: a table that another session has locked makes the check fail, as it makes requests fail.
const LOCK_TABLES: &str = "SET LOCAL lock_timeout TO 1000; LOCK TABLE ONLY accounts, ONLY api_keys, ONLY services, ONLY entities, \
                           ONLY factors, ONLY totp_factors, ONLY challenges, ONLY challenge_groups, ONLY notifications, ONLY deliveries, \
                           ONLY access_tokens, ONLY webhooks, ONLY integrations, ONLY webhook_calls, ONLY calls_taken, ONLY signed_answers, ONLY protections, ONLY sessions_ended, \
                           ONLY credentials, ONLY provider_tokens, ONLY signing_keys, ONLY sealing_keys, ONLY backchannel_requests, ONLY rights_used, ONLY operators, ONLY operator_links, ONLY console_sessions, \
                           ONLY audit_entries, ONLY removals, ONLY summaries, ONLY summary_cursors, ONLY tlog_state, \
                           ONLY tlog_facts, ONLY tlog_entries, ONLY tlog_tiles, ONLY tlog_watches IN ROW EXCLUSIVE MODE";
const READ_ONLY: &str =
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only";
const PULSE: &str = "UPDATE installation SET pulse = pulse + 1 WHERE id = 1";

/// Locks all tables and changes a counter that nothing reads.
pub(crate) struct TestWrite;

#[async_trait]
impl Command for TestWrite {
    type Output = ();

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        db.run_script(LOCK_TABLES).await?;
        db.execute(PULSE, &[]).await.map(|_| ())
    }
}

/// Does what a command does before it writes. Writes nothing.
pub(crate) struct CheckWritable;

#[async_trait]
impl Command for CheckWritable {
    type Output = ();
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = OnUnknownCommit::RunAgain;

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        let is_read_only =
            one::<bool>(db, READ_ONLY, &[], |row| cells_of(row, "installation").take());
        if is_read_only.await?.unwrap_or(true) {
            return Err(DatabaseError::NoConnection("the database is read-only".to_owned()));
        }
        db.run_script(LOCK_TABLES).await
    }
}

/// Starts the prober, which tries to write every second until that succeeds.
pub(crate) fn probe(db: &Database, health: &Arc<Health>) {
    let (db, health) = (db.clone(), Arc::clone(health));
    tokio::spawn(async move {
        while health.keep_probing() {
            tokio::time::sleep(PROBE_EVERY).await;
            let outcome = db.transact(&TestWrite).await.map_err(StoreError::from);
            health.record(outcome.as_ref().err());
        }
    });
}
