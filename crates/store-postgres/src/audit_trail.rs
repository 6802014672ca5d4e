//! The audit trail of the console.

use async_trait::async_trait;
use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::{AccountSid, AuditSid};
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::AuditTrail;
use countersign_store_sql::audit_entry_columns;
use countersign_store_sql::rows::audit_entries::audit_entry;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::store::PostgresStore;

const LIST: &str =
    concat!("SELECT ", audit_entry_columns!(), " FROM audit_entries WHERE account_sid = $1");
const INSERT: &str = concat!(
    "INSERT INTO audit_entries (",
    audit_entry_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
);

const TRIM: &str = "DELETE FROM audit_entries WHERE account_sid = $1 AND sid IN \
     (SELECT sid FROM audit_entries WHERE account_sid = $1 AND sid <= \
     (SELECT sid FROM audit_entries WHERE account_sid = $1 ORDER BY sid DESC LIMIT 1 OFFSET $2) ORDER BY sid LIMIT $3)";
/// Entries that one entry removes at most.
const MAX_TRIMMED: usize = 1_000;

struct Add(Vec<AuditEntry>, usize);

#[async_trait]
impl Command for Add {
    type Output = ();

    async fn run(&self, db: &Session) -> Result<(), DatabaseError> {
        for entry in &self.0 {
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
                db.execute(TRIM, params![account, limit(self.1), limit(MAX_TRIMMED)]).await?;
            }
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
