//! Accounts and their tokens, which the command line manages.

use countersign_bus::Changed;
use countersign_domain::account::{Account, AuthToken};
use countersign_domain::secret::{Secret, SecretHash};
use countersign_domain::sid::AccountSid;
use countersign_domain::world::random;
use countersign_store::seam::{Inserted, Updated};
use countersign_store::{Page, PageQuery, StoreError};
use data_encoding::HEXLOWER;

use crate::error::{VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::verify::{MAX_TRIES, Verify};

/// The result of [`Verify::first_account`].
#[derive(Debug)]
pub enum FirstAccount {
    /// There are accounts already.
    Exists {
        /// Whether the wanted account is one of them and accepts the wanted token. True if none was wanted.
        as_wanted: bool,
    },
    /// The account was created.
    Created {
        /// Its SID.
        account: AccountSid,
        /// Its token, which is shown once and stored sealed.
        token: Secret,
    },
}

impl Verify {
    /// Creates an account with a new token.
    ///
    /// # Errors
    /// The database failed.
    pub async fn create_account(&self, friendly_name: &str) -> VerifyResult<(Account, Secret)> {
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

    /// Creates the wanted account, or a new one, unless any account exists.
    ///
    /// # Errors
    /// The database failed.
    pub async fn first_account(
        &self,
        wanted: Option<(AccountSid, Secret)>,
    ) -> VerifyResult<FirstAccount> {
        let is_wanted = wanted.is_some();
        let (sid, token) = wanted.unwrap_or_else(|| self.draw_account());
        let account = self.new_account(sid, "first account", &token);
        // Of several servers that start at the same time, one creates the account.
        if self.store.create_first_account(&account).await? == Inserted::Done {
            // The log does not name the SID: it is shown only together with the token.
            security::done(Event::AccountCreated, None, "first");
            return Ok(FirstAccount::Created { account: sid, token });
        }
        let as_wanted = !is_wanted || {
            let account = self.store.account(sid).await?;
            let hash = self.keys.hash(token.expose());
            match account {
                Some(account) => self.with_own_hashes(account).await?.accepts(hash),
                None => false,
            }
        };
        Ok(FirstAccount::Exists { as_wanted })
    }

    /// A new SID and a new token for an account that does not exist yet.
    pub fn draw_account(&self) -> (AccountSid, Secret) {
        (AccountSid::mint(self.now(), &*self.entropy), self.fresh_secret())
    }

    /// Whether any account exists.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_accounts(&self) -> VerifyResult<bool> {
        Ok(!self.store.accounts(PageQuery::first(1)).await?.items.is_empty())
    }

    /// Returns an account, read from the database.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn account(&self, sid: AccountSid) -> VerifyResult<Account> {
        self.store.account(sid).await?.ok_or(VerifyError::NotFound)
    }

    /// Lists all accounts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list_accounts(&self, page: PageQuery<AccountSid>) -> VerifyResult<Page<Account>> {
        Ok(self.store.accounts(page).await?)
    }

    /// Gives an account a new secondary token, which is valid at once beside the primary one. The previous secondary token
    /// becomes invalid.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn rotate_token(&self, sid: AccountSid) -> VerifyResult<Secret> {
        let token = self.fresh_secret();
        self.change_account(sid, |account| {
            account.secondary = Some(self.keep_token(sid, &token));
            Ok(())
        })
        .await?;
        security::done(Event::TokenRotated, sid, sid);
        Ok(token)
    }

    /// Gives an account a new primary token and makes its other tokens invalid at once: for a token that has leaked.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn evict_tokens(&self, sid: AccountSid) -> VerifyResult<Secret> {
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
    /// ([`AuthError::Suspended`](crate::AuthError::Suspended)). Its records are kept.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn suspend_account(&self, sid: AccountSid) -> VerifyResult<()> {
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
    pub async fn resume_account(&self, sid: AccountSid) -> VerifyResult<()> {
        self.change_account(sid, |account| {
            account.suspended_at = None;
            Ok(())
        })
        .await?;
        security::done(Event::AccountResumed, sid, sid);
        Ok(())
    }

    /// Swaps an account's tokens: the secondary one becomes primary and signs webhooks. Both stay valid.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], or [`VerifyError::Conflict`] without a secondary token.
    pub async fn promote_token(&self, sid: AccountSid) -> VerifyResult<()> {
        self.change_account(sid, |account| {
            let secondary = account.secondary.take().ok_or(VerifyError::Conflict)?;
            account.secondary = Some(std::mem::replace(&mut account.primary, secondary));
            Ok(())
        })
        .await?;
        security::done(Event::TokenPromoted, sid, sid);
        Ok(())
    }

    /// Opens the primary token, which signs the account's webhooks.
    ///
    /// # Errors
    /// The database failed; or the token was sealed under another master key, or for another account.
    pub async fn primary_token(&self, account: &Account) -> Result<Secret, StoreError> {
        self.open_stored(&account.primary.sealed, &token_seal_context(account.sid)).await
    }

    /// The account with hashes that are computed from its sealed tokens. Sealed tokens are bound to their row and stored hashes are
    /// not, so a hash that was copied from another account's row is ignored.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn with_own_hashes(
        &self,
        mut account: Account,
    ) -> Result<Account, StoreError> {
        let place = token_seal_context(account.sid);
        for token in [&mut account.primary].into_iter().chain(&mut account.secondary) {
            token.hash = match self.open_stored(&token.sealed, &place).await {
                Ok(token) => self.keys.hash(token.expose()),
                // No token has this hash.
                Err(StoreError::Corrupt(_)) => SecretHash([0; 32]),
                Err(error) => return Err(error),
            };
        }
        Ok(account)
    }

    /// Fails if an account is suspended, as of ten seconds ago at most: nothing is sent for it.
    ///
    /// # Errors
    /// [`VerifyError::AccountSuspended`]; the database failed.
    pub(crate) async fn refuse_suspended(&self, account: AccountSid) -> VerifyResult<()> {
        let account = self.cached_account(account).await?;
        if account.is_some_and(|account| account.suspended_at.is_some()) {
            return Err(VerifyError::AccountSuspended);
        }
        Ok(())
    }

    pub(crate) fn new_account(
        &self,
        sid: AccountSid,
        friendly_name: &str,
        token: &Secret,
    ) -> Account {
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
        change: impl Fn(&mut Account) -> VerifyResult<()>,
    ) -> VerifyResult<()> {
        for _ in 0..MAX_TRIES {
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
                Updated::NotFound => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    fn keep_token(&self, account: AccountSid, token: &Secret) -> AuthToken {
        AuthToken {
            sealed: self.keys.seal(token, &token_seal_context(account), &*self.entropy),
            hash: self.keys.hash(token.expose()),
        }
    }

    /// A random secret of 32 hexadecimal digits, as Twilio's tokens have.
    pub(crate) fn fresh_secret(&self) -> Secret {
        Secret::new(HEXLOWER.encode(&random::<16>(&*self.entropy)))
    }
}

/// The context that the tokens of an account are sealed for. Both tokens share it, so that they can be swapped.
pub(crate) fn token_seal_context(account: AccountSid) -> String {
    format!("accounts/{account}/token")
}
