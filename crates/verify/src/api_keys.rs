//! API keys: second credentials of an account, each of which can be revoked alone.

use countersign_bus::Changed;
use countersign_domain::account::ApiKey;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_store::seam::Inserted;
use countersign_store::{Page, PageQuery};

use crate::error::{VerifyError, VerifyResult};
use crate::security::Event;
use crate::verify::{Verify, page_up_to};

impl Verify {
    /// Whether a secret belongs to an API key. Keys of older releases have a hash that is not bound to their row.
    pub(crate) fn is_secret_of(&self, key: &ApiKey, secret: &str) -> bool {
        let bound = self.keys.api_key_hash(key.sid, key.account, secret);
        key.hash == bound || key.hash == self.keys.hash(secret)
    }

    /// Creates an API key. Its secret is returned once and not stored.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the account; [`VerifyError::TooManyApiKeys`].
    pub async fn create_api_key(
        &self,
        account: AccountSid,
        friendly_name: &str,
    ) -> VerifyResult<(ApiKey, Secret)> {
        let secret = self.fresh_secret();
        let sid = ApiKeySid::mint(self.now(), &*self.entropy);
        let key = ApiKey {
            sid,
            account,
            friendly_name: friendly_name.to_owned(),
            hash: self.keys.api_key_hash(sid, account, secret.expose()),
            created_at: self.now(),
        };
        let most = self.settings.limits.api_keys_per_account;
        let _lock = self.creating.lock().await;
        if let Some(page) = page_up_to(most)
            && self.store.api_keys(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyApiKeys(most));
        }
        let action = self.action(Event::ApiKeyCreated, account, sid);
        match action.store().create_api_key(&key).await? {
            Inserted::Done => {
                action.done();
                Ok((key, secret))
            }
            Inserted::NoParent => Err(VerifyError::NotFound),
            Inserted::NotUnique | Inserted::TooMany => Err(VerifyError::Conflict),
        }
    }

    /// Lists an account's API keys.
    ///
    /// # Errors
    /// The database failed.
    pub async fn api_keys(
        &self,
        account: AccountSid,
        page: PageQuery<ApiKeySid>,
    ) -> VerifyResult<Page<ApiKey>> {
        Ok(self.store.api_keys(account, page).await?)
    }

    /// Returns an API key of an account.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn api_key(&self, account: AccountSid, sid: ApiKeySid) -> VerifyResult<ApiKey> {
        let key = self.store.api_key(sid).await?;
        key.filter(|key| key.account == account).ok_or(VerifyError::NotFound)
    }

    /// Revokes an API key of an account.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn revoke_api_key(&self, account: AccountSid, sid: ApiKeySid) -> VerifyResult<()> {
        self.api_key(account, sid).await?;
        self.remove_api_key(Some(account), sid).await
    }

    /// Revokes an API key of any account, for the person at the command line.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_api_key(&self, sid: ApiKeySid) -> VerifyResult<()> {
        self.remove_api_key(None, sid).await
    }

    async fn remove_api_key(
        &self,
        account: Option<AccountSid>,
        sid: ApiKeySid,
    ) -> VerifyResult<()> {
        let action = self.action(Event::ApiKeyRevoked, account, sid);
        let was_there = action.store().delete_api_key(sid).await?;
        self.bus.announce(Changed::ApiKey(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }
}
