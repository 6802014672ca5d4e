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
use rusqlite::Connection;

use crate::audited::insert;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::statements;
use crate::store::SqliteStore;

statements! {
    UP = upwards!("sid"; "SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = ?1");
    DOWN = downwards!("sid"; "SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = ?1");
    OLD = "DELETE FROM audit_entries WHERE (account_sid, sid) IN \
           (SELECT account_sid, sid FROM audit_entries WHERE at <= ?1 LIMIT ?2)";
}

struct Add(Vec<AuditEntry>, usize);

impl Command for Add {
    type Output = ();

    fn run(&self, db: &Connection) -> Result<(), DatabaseError> {
        self.0.iter().try_for_each(|entry| insert(db, entry, self.1))
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
