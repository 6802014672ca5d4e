//! The audit trail of the console.

use async_trait::async_trait;
use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::AuditTrail;
use countersign_store_sql::audit_entry_columns;
use countersign_store_sql::rows::audit_entries::audit_entry;
use tokio_postgres::Row;

use crate::audited::insert;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::store::PostgresStore;

const LIST: &str =
    concat!("SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = $1");
struct Add(Vec<AuditEntry>, usize);

#[async_trait]
impl Command for Add {
    type Output = ();

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        for entry in &self.0 {
            insert(db, entry, self.1).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl AuditTrail for PostgresStore {
    async fn add_audit_entries(&self, entries: Vec<AuditEntry>, most: usize) -> StoreResult<()> {
        self.write(Add(entries, most)).await
    }

    async fn audit_entries(
        &self,
        account: AccountSid,
        page: PageQuery<AuditSid>,
    ) -> StoreResult<Page<AuditEntry>> {
        let db = self.session().await?;
        let account = id(account.as_bytes());
        let list = Listing { select: LIST, key: "sid", params: params![account] };
        let read = |row: &Row| audit_entry(cells_of(row, "audit_entries"));
        Ok(list.page(&db, by_id!(page), read, |entry| id(entry.sid.as_bytes())).await?)
    }
}
