//! Commands that store an entry of the audit trail in their own transaction.

use std::sync::Arc;

use countersign_domain::audit::{AuditEntry, MAX_ENTRIES};
use countersign_store::seam::Outcome;
use countersign_store_sql::audit_entry_columns;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, statements};

statements! {
    INSERT = concat!(
        "INSERT INTO audit_entries (", audit_entry_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING"
    );
    TRIM = "DELETE FROM audit_entries WHERE (account_sid, sid) IN \
            (SELECT account_sid, sid FROM audit_entries WHERE account_sid = ?1 AND sid <= \
            (SELECT sid FROM audit_entries WHERE account_sid = ?1 ORDER BY sid DESC LIMIT 1 OFFSET ?2) ORDER BY sid LIMIT ?3)";
}

/// Entries that one entry removes at most.
const MAX_TRIMMED: usize = 1_000;

/// Stores an entry, and removes the oldest beyond `most`, if it causes that.
pub(crate) fn insert(
    db: &Connection,
    entry: &AuditEntry,
    most: usize,
) -> Result<(), DatabaseError> {
    let row = params![
        entry.account.as_bytes(),
        entry.sid.as_bytes(),
        entry.at.as_micros(),
        entry.actor,
        entry.event,
        entry.subject,
        entry.refusal,
        entry.address.map(|address| address.to_string()),
    ];
    execute(db, INSERT, row)?;
    if entry.causes_trimming() {
        let account = entry.account.as_bytes();
        execute(db, TRIM, params![account, limit(most), limit(MAX_TRIMMED)])?;
    }
    Ok(())
}

/// A command with the entry that it stores if it is done.
pub(crate) struct Audited<C>(pub(crate) C, pub(crate) Arc<AuditEntry>);

impl<C: Command> Command for Audited<C>
where
    C::Output: Outcome,
{
    type Output = C::Output;

    fn run(&self, db: &Connection) -> Result<C::Output, DatabaseError> {
        let output = self.0.run(db)?;
        if output.is_done() {
            insert(db, &self.1, MAX_ENTRIES)?;
        }
        Ok(output)
    }
}
