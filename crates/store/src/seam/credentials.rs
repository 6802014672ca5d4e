//! Push credentials.

use async_trait::async_trait;
use countersign_domain::credential::Credential;
use countersign_domain::sid::{AccountSid, CredentialSid};
use countersign_domain::time::Instant;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Push credentials.
#[async_trait]
pub trait Credentials {
    /// Stores a new credential; [`Inserted::NoParent`] without its account.
    async fn create_credential(&self, credential: &Credential) -> StoreResult<Inserted>;
    /// Reads a credential.
    async fn credential(&self, sid: CredentialSid) -> StoreResult<Option<Credential>>;
    /// Lists the credentials of an account.
    async fn credentials(
        &self,
        account: AccountSid,
        page: PageQuery<CredentialSid>,
    ) -> StoreResult<Page<Credential>>;
    /// Replaces a credential, only if its `updated_at` is still `was`.
    async fn update_credential(
        &self,
        credential: &Credential,
        was: Instant,
    ) -> StoreResult<Updated>;
    /// Removes a credential. Returns whether it existed.
    async fn delete_credential(&self, sid: CredentialSid) -> StoreResult<bool>;
}
