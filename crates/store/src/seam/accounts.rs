//! Accounts and their API keys.

use async_trait::async_trait;
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::time::Instant;

use super::writes::{Inserted, Updated};
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Accounts and their API keys.
#[async_trait]
pub trait Accounts {
    /// Stores a new account.
    async fn create_account(&self, account: &Account) -> StoreResult<Inserted>;
    /// Stores a new account only if no account exists, however many processes try at the same time; otherwise
    /// [`Inserted::NotUnique`].
    async fn create_first_account(&self, account: &Account) -> StoreResult<Inserted>;
    /// Reads an account.
    async fn account(&self, sid: AccountSid) -> StoreResult<Option<Account>>;
    /// Lists all accounts.
    async fn accounts(&self, page: PageQuery<AccountSid>) -> StoreResult<Page<Account>>;
    /// Replaces an account, only if its `updated_at` is still `was`.
    async fn update_account(&self, account: &Account, was: Instant) -> StoreResult<Updated>;
    /// Stores a new API key; [`Inserted::NoParent`] without its account.
    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<Inserted>;
    /// Reads an API key.
    async fn api_key(&self, sid: ApiKeySid) -> StoreResult<Option<ApiKey>>;
    /// Lists the API keys of an account.
    async fn api_keys(
        &self,
        account: AccountSid,
        page: PageQuery<ApiKeySid>,
    ) -> StoreResult<Page<ApiKey>>;
    /// Removes an API key. Returns whether it existed.
    async fn delete_api_key(&self, sid: ApiKeySid) -> StoreResult<bool>;
}
