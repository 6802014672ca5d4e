//! Commands that store an entry of the audit trail in their own transaction.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::audit::{AuditEntry, MAX_ENTRIES};
use countersign_domain::time::Instant;
use countersign_store::seam::Outcome;
use countersign_store_sql::audit_entry_columns;
use countersign_store_sql::values::limit;

use crate::command::{Command, OnUnknownCommit, Planning};
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::time_limits::TimeLimit;

const INSERT: &str = concat!(
    "INSERT INTO audit_entries (",
    audit_entry_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);

const TRIM: &str = "DELETE FROM audit_entries WHERE account_sid = $1 AND sid IN \
     (SELECT sid FROM audit_entries WHERE account_sid = $1 AND sid <= \
     (SELECT sid FROM audit_entries WHERE account_sid = $1 ORDER BY sid DESC LIMIT 1 OFFSET $2) ORDER BY sid LIMIT $3)";
/// Entries that one entry removes at most.
const MAX_TRIMMED: usize = 1_000;

/// Stores an entry, and removes the oldest beyond `most`, if it causes that.
pub(crate) async fn insert(
    db: &Session,
    entry: &AuditEntry,
    most: usize,
) -> Result<(), DatabaseError> {
    let row = params![
        id(entry.account.as_bytes()),
        id(entry.sid.as_bytes()),
        entry.at.as_micros(),
        entry.actor.as_str(),
        entry.event.as_str(),
        entry.subject.as_deref(),
        entry.refusal.as_deref(),
        entry.address.map(|address| address.to_string()),
    ];
    db.execute(INSERT, row).await?;
    if entry.causes_trimming() {
        let account = id(entry.account.as_bytes());
        db.execute(TRIM, params![account, limit(most), limit(MAX_TRIMMED)]).await?;
    }
    Ok(())
}

/// A command with the entry that it stores if it is done. The command must not be one that commits by itself
/// ([`Session::commit_with`]).
pub(crate) struct Audited<C>(pub(crate) C, pub(crate) Arc<AuditEntry>);

#[async_trait]
impl<C: Command> Command for Audited<C>
where
    C::Output: Outcome,
{
    type Output = C::Output;
    const PLANNING: Planning = C::PLANNING;
    const TIME_LIMIT: TimeLimit = C::TIME_LIMIT;
    const ON_UNKNOWN_COMMIT: OnUnknownCommit = C::ON_UNKNOWN_COMMIT;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        self.0.decides_at()
    }

    async fn run(&self, db: &Session) -> Result<C::Output, DatabaseError> {
        let output = self.0.run(db).await?;
        if output.is_done() {
            insert(db, &self.1, MAX_ENTRIES).await?;
        }
        Ok(output)
    }
}
