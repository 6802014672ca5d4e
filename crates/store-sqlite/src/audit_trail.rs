//! The audit trail of the console.

use async_trait::async_trait;
use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::AuditTrail;
use countersign_store_sql::audit_entry_columns;
use countersign_store_sql::paging::keyed;
use countersign_store_sql::rows::audit_entries::audit_entry;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{execute, statements};
use crate::store::SqliteStore;

statements! {
    UP = upwards!("sid"; "SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = ?1");
    DOWN = downwards!("sid"; "SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = ?1");
    INSERT = concat!(
        "INSERT INTO audit_entries (", audit_entry_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    );
    TRIM = "DELETE FROM audit_entries WHERE (account_sid, sid) IN \
            (SELECT account_sid, sid FROM audit_entries WHERE account_sid = ?1 AND sid <= \
            (SELECT sid FROM audit_entries WHERE account_sid = ?1 ORDER BY sid DESC LIMIT 1 OFFSET ?2) ORDER BY sid LIMIT ?3)";
    OLD = "DELETE FROM audit_entries WHERE (account_sid, sid) IN \
           (SELECT account_sid, sid FROM audit_entries WHERE at <= ?1 LIMIT ?2)";
}

/// Entries that one entry removes at most.
const MAX_TRIMMED: usize = 1_000;

struct Add(Vec<AuditEntry>, usize);

impl Command for Add {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        for entry in &self.0 {
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
                execute(db, TRIM, params![account, limit(self.1), limit(MAX_TRIMMED)])?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AuditTrail for SqliteStore {
    async fn add_audit_entries(&self, entries: Vec<AuditEntry>, most: usize) -> StoreResult<()> {
        self.write(Add(entries, most)).await
    }

    async fn audit_entries(
        &self,
        account: AccountSid,
        page: PageQuery<AuditSid>,
    ) -> StoreResult<Page<AuditEntry>> {
        let listing = Listing { up: UP, down: DOWN, owner: account.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| audit_entry(cells_of(row, "audit_entries")),
                |entry| *entry.sid.as_bytes(),
            )
        })
    }
}
