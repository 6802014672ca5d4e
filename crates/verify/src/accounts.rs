//! Accounts, their tokens and API keys: what the command line manages.

use countersign_bus::Changed;
use countersign_domain::account::{Account, ApiKey, AuthToken};
use countersign_domain::secret::{Secret, SecretHash};
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_domain::world::random;
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery};

use crate::keys::CannotOpen;
use crate::security::{self, Event};
use crate::{Answer, Verify, VerifyError, quota};

/// How often an optimistic update is tried before it is a conflict.
pub(crate) const TRIES: usize = 8;

/// What became of the wish that there be a first account.
#[derive(Debug)]
pub enum FirstAccount {
    /// There are accounts already. `as_wished` tells whether the wished one is there with the wished token.
    Exists {
        /// Whether it is.
        as_wished: bool,
    },
    /// It was made.
    Made {
        /// Its SID.
        account: AccountSid,
        /// Its token: shown once, and kept sealed.
        token: Secret,
    },
}

impl Verify {
    /// Makes an account of that name, with a fresh token.
    ///
    /// # Errors
    /// The database failed.
    pub async fn create_account(&self, friendly_name: &str) -> Answer<(Account, Secret)> {
        let sid = AccountSid::mint(self.now(), &*self.entropy);
        let token = self.fresh_secret();
        let account = self.new_account(sid, friendly_name, &token);
        match self.store.create_account(&account).await? {
            Inserted::Done => {
                security::done(Event::AccountCreated, sid, sid);
                Ok((account, token))
            }
            Inserted::NoParent | Inserted::NotUnique | Inserted::TooMany => {
                Err(VerifyError::Conflict)
            }
        }
    }

    /// Sees to it that there is an account: the wished one, or a fresh one. Changes nothing if there is any already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn first_account(
        &self,
        wished: Option<(AccountSid, Secret)>,
    ) -> Answer<FirstAccount> {
        let is_wished = wished.is_some();
        let (sid, token) = wished.unwrap_or_else(|| self.draw_account());
        let account = self.new_account(sid, "first account", &token);
        // of servers that start at once one makes it
        if self.store.create_first_account(&account).await? == Inserted::Done {
            // Its SID is told only where its token is.
            security::done(Event::AccountCreated, None, "first");
            return Ok(FirstAccount::Made { account: sid, token });
        }
        let as_wished = !is_wished || {
            let account = self.store.account(sid).await?;
            let hash = self.keys.hash(token.expose());
            account.is_some_and(|account| self.with_own_hashes(account).accepts(hash))
        };
        Ok(FirstAccount::Exists { as_wished })
    }

    /// The SID and the token of an account that is yet to be made.
    pub fn draw_account(&self) -> (AccountSid, Secret) {
        (AccountSid::mint(self.now(), &*self.entropy), self.fresh_secret())
    }

    /// Whether there is any account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_accounts(&self) -> Answer<bool> {
        Ok(!self.store.accounts(PageQuery::first(1)).await?.items.is_empty())
    }

    /// The account, as the database has it.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn account(&self, sid: AccountSid) -> Answer<Account> {
        self.store.account(sid).await?.ok_or(VerifyError::NotFound)
    }

    /// Lists all accounts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list_accounts(&self, page: PageQuery<AccountSid>) -> Answer<Page<Account>> {
        Ok(self.store.accounts(page).await?)
    }

    /// Gives an account a fresh secondary token, which works beside the primary one at once; an older secondary one
    /// stops working.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn rotate_token(&self, sid: AccountSid) -> Answer<Secret> {
        let token = self.fresh_secret();
        self.change_account(sid, |account| {
            account.secondary = Some(self.keep_token(sid, &token));
            Ok(())
        })
        .await?;
        security::done(Event::TokenRotated, sid, sid);
        Ok(token)
    }

    /// Gives an account a fresh primary token and ends all others at once: for a token that has leaked.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn evict_tokens(&self, sid: AccountSid) -> Answer<Secret> {
        let token = self.fresh_secret();
        self.change_account(sid, |account| {
            account.primary = self.keep_token(sid, &token);
            account.secondary = None;
            Ok(())
        })
        .await?;
        security::done(Event::TokensEvicted, sid, sid);
        Ok(token)
    }

    /// Suspends an account: its tokens, API keys, devices, access tokens and sessions are refused from now on
    /// ([`AuthFault::Suspended`](crate::AuthFault::Suspended)). Everything of it is kept.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn suspend_account(&self, sid: AccountSid) -> Answer<()> {
        let now = self.now();
        self.change_account(sid, |account| {
            account.suspended_at.get_or_insert(now);
            Ok(())
        })
        .await?;
        security::done(Event::AccountSuspended, sid, sid);
        Ok(())
    }

    /// Ends the suspension of an account, if it is suspended.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn resume_account(&self, sid: AccountSid) -> Answer<()> {
        self.change_account(sid, |account| {
            account.suspended_at = None;
            Ok(())
        })
        .await?;
        security::done(Event::AccountResumed, sid, sid);
        Ok(())
    }

    /// Swaps an account's tokens: the secondary one becomes primary and signs webhooks; the other still works.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], or [`VerifyError::Conflict`] without a secondary token.
    pub async fn promote_token(&self, sid: AccountSid) -> Answer<()> {
        self.change_account(sid, |account| {
            let secondary = account.secondary.take().ok_or(VerifyError::Conflict)?;
            account.secondary = Some(std::mem::replace(&mut account.primary, secondary));
            Ok(())
        })
        .await?;
        security::done(Event::TokenPromoted, sid, sid);
        Ok(())
    }

    /// The token that signs an account's webhooks.
    ///
    /// # Errors
    /// The row was sealed under another key, or for another account.
    pub fn primary_token(&self, account: &Account) -> Result<Secret, CannotOpen> {
        self.keys.open(&account.primary.sealed, &token_place(account.sid))
    }

    /// The account with the hashes of the tokens that are sealed in its row. The stored hashes are not bound to the row and
    /// the sealed tokens are, so a hash that was copied from another account's row is of no use here.
    pub(crate) fn with_own_hashes(&self, mut account: Account) -> Account {
        let place = token_place(account.sid);
        let own = |token: &mut AuthToken| {
            let opened = self.keys.open(&token.sealed, &place);
            // Nothing has that hash.
            token.hash = opened.map_or(SecretHash([0; 32]), |token| self.keys.hash(token.expose()));
        };
        own(&mut account.primary);
        account.secondary.iter_mut().for_each(own);
        account
    }

    /// Whether a secret is that of an API key. The keys of older releases have a hash that is not bound to their row.
    pub(crate) fn is_secret_of(&self, key: &ApiKey, secret: &str) -> bool {
        let bound = self.keys.api_key_hash(key.sid, key.account, secret);
        key.hash == bound || key.hash == self.keys.hash(secret)
    }

    /// Makes an API key; its secret is shown once and not kept.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the account; [`VerifyError::TooManyApiKeys`].
    pub async fn create_api_key(
        &self,
        account: AccountSid,
        friendly_name: &str,
    ) -> Answer<(ApiKey, Secret)> {
        let secret = self.fresh_secret();
        let sid = ApiKeySid::mint(self.now(), &*self.entropy);
        let key = ApiKey {
            sid,
            account,
            friendly_name: friendly_name.to_owned(),
            hash: self.keys.api_key_hash(sid, account, secret.expose()),
            created_at: self.now(),
        };
        let most = self.options.limits.api_keys_per_account;
        let _one = self.making.lock().await;
        if let Some(page) = quota(most)
            && self.store.api_keys(account, page).await?.items.len() >= most as usize
        {
            return Err(VerifyError::TooManyApiKeys(most));
        }
        match self.store.create_api_key(&key).await? {
            Inserted::Done => {
                security::done(Event::ApiKeyCreated, account, sid);
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
    ) -> Answer<Page<ApiKey>> {
        Ok(self.store.api_keys(account, page).await?)
    }

    /// Revokes an API key.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_api_key(&self, sid: ApiKeySid) -> Answer<()> {
        let was_there = self.store.delete_api_key(sid).await?;
        self.bus.announce(Changed::ApiKey(sid)).await;
        if !was_there {
            return Err(VerifyError::NotFound);
        }
        security::done(Event::ApiKeyRevoked, None, sid);
        Ok(())
    }

    fn new_account(&self, sid: AccountSid, friendly_name: &str, token: &Secret) -> Account {
        let now = self.now();
        Account {
            sid,
            friendly_name: friendly_name.to_owned(),
            primary: self.keep_token(sid, token),
            secondary: None,
            suspended_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    async fn change_account(
        &self,
        sid: AccountSid,
        change: impl Fn(&mut Account) -> Answer<()>,
    ) -> Answer<()> {
        for _ in 0..TRIES {
            let mut account = self.store.account(sid).await?.ok_or(VerifyError::NotFound)?;
            let was = account.updated_at;
            change(&mut account)?;
            account.updated_at = self.later_than(was);
            match self.store.update_account(&account, was).await? {
                Updated::Done => {
                    self.bus.announce(Changed::Account(sid)).await;
                    return Ok(());
                }
                Updated::Stale => {}
                Updated::Gone => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    fn keep_token(&self, account: AccountSid, token: &Secret) -> AuthToken {
        AuthToken {
            sealed: self.keys.seal(token, &token_place(account), &*self.entropy),
            hash: self.keys.hash(token.expose()),
        }
    }

    /// 32 hexadecimal digits, as Twilio's tokens have.
    fn fresh_secret(&self) -> Secret {
        let digits = random::<16>(&*self.entropy).map(|byte| format!("{byte:02x}"));
        Secret::new(digits.concat())
    }
}

/// Both tokens share it, so that they can be swapped.
fn token_place(account: AccountSid) -> String {
    format!("accounts/{account}/token")
}
