//! The audit trail of the console.

use async_trait::async_trait;
use countersign_domain::audit::AuditEntry;
use countersign_domain::sid::{AccountSid, AuditSid};

use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// The audit trail of the console.
#[async_trait]
pub trait AuditTrail {
    /// Stores entries with SIDs of their own: all, or none. One that [causes it](AuditEntry::causes_trimming) removes up to 1,000 of the
    /// oldest of its account that are more than `most`.
    async fn add_audit_entries(&self, entries: Vec<AuditEntry>, most: usize) -> StoreResult<()>;
    /// Lists the entries of an account.
    async fn audit_entries(
        &self,
        account: AccountSid,
        page: PageQuery<AuditSid>,
    ) -> StoreResult<Page<AuditEntry>>;
}
