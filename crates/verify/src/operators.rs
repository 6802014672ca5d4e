//! Operators of the console, which the command line manages.

use std::time::Duration;

use countersign_domain::operator::{Operator, OperatorChange, OperatorName};
use countersign_domain::role::Role;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, OperatorSid};
use countersign_domain::time::Instant;
use countersign_store::seam::Inserted;
use countersign_store::{Page, PageQuery, StoreError};

use crate::error::{VerifyError, VerifyResult};
use crate::passwords::Passwords;
use crate::security::Event;
use crate::verify::Verify;

pub use crate::passwords::LENGTH as PASSWORD_LENGTH;

/// How long a link can be used.
pub const LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The most operators of an account.
pub const MAX_OPERATORS: u32 = 200;

/// Why an operator was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewOperatorError {
    /// The account does not exist.
    #[error("there is no {0}")]
    NoAccount(AccountSid),
    /// An operator of this or another account has the name.
    #[error("there is an operator {0} already")]
    NameTaken(OperatorName),
    /// The account has [`MAX_OPERATORS`].
    #[error("an account may have {MAX_OPERATORS} operators")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Verify {
    /// Creates an operator without a password.
    ///
    /// # Errors
    /// See [`NewOperatorError`].
    pub async fn create_operator(
        &self,
        account: AccountSid,
        name: OperatorName,
        role: Role,
    ) -> Result<Operator, NewOperatorError> {
        let now = self.now();
        let sid = OperatorSid::mint(now, &*self.entropy);
        let operator =
            Operator { sid, account, name, role, password: None, created_at: now, updated_at: now };
        let action = self.action(Event::OperatorCreated, account, sid);
        match action.store().create_operator(&operator, MAX_OPERATORS).await? {
            Inserted::Done => {
                action.done();
                Ok(operator)
            }
            Inserted::NoParent => Err(NewOperatorError::NoAccount(account)),
            Inserted::NotUnique => Err(NewOperatorError::NameTaken(operator.name)),
            Inserted::TooMany => Err(NewOperatorError::TooMany),
        }
    }

    /// Returns an operator of an account.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn operator(&self, account: AccountSid, sid: OperatorSid) -> VerifyResult<Operator> {
        let found = self.store.operator(sid).await?.filter(|found| found.account == account);
        found.ok_or(VerifyError::NotFound)
    }

    /// Returns the operator of a name.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn operator_named(&self, name: &OperatorName) -> VerifyResult<Operator> {
        self.store.operator_named(name).await?.ok_or(VerifyError::NotFound)
    }

    /// Lists the operators of an account.
    ///
    /// # Errors
    /// The database failed.
    pub async fn operators(
        &self,
        account: AccountSid,
        page: PageQuery<OperatorSid>,
    ) -> VerifyResult<Page<Operator>> {
        Ok(self.store.operators(account, page).await?)
    }

    /// Gives an operator another role, from the next request on.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn set_operator_role(&self, operator: &Operator, role: Role) -> VerifyResult<()> {
        self.change_operator(operator, OperatorChange::Role(role)).await
    }

    /// Gives an operator another password: a chosen one, or else a drawn one, which is returned and not stored. Ends the
    /// operator's sessions and link.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn set_operator_password(
        &self,
        operator: &Operator,
        chosen: Option<Secret>,
    ) -> VerifyResult<Secret> {
        let password = chosen.unwrap_or_else(|| Passwords::draw(&*self.entropy));
        let hash = self.passwords.hash(password.clone(), &*self.entropy).await;
        self.change_operator(operator, OperatorChange::Password(hash)).await?;
        Ok(password)
    }

    async fn change_operator(
        &self,
        operator: &Operator,
        change: OperatorChange,
    ) -> VerifyResult<()> {
        let action = self.action(Event::OperatorChanged, operator.account, operator.sid);
        if !action.store().change_operator(operator.sid, &change, self.now()).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok(())
    }

    /// Makes the key of a link that signs an operator in once, until the returned instant. The one before no longer works.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn create_operator_link(
        &self,
        operator: &Operator,
    ) -> VerifyResult<(Secret, Instant)> {
        let (key, expires_at) = (Secret::new(self.nonce()), self.time().await? + LINK_LIFETIME);
        let hash = self.keys.hash(key.expose());
        let action = self.action(Event::OperatorLink, operator.account, operator.sid);
        if !action.store().put_operator_link(operator.sid, hash, expires_at).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        Ok((key, expires_at))
    }

    /// Removes an operator with all sessions and devices.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn delete_operator(&self, operator: &Operator) -> VerifyResult<()> {
        let action = self.action(Event::OperatorDeleted, operator.account, operator.sid);
        if !action.store().delete_operator(operator.sid).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        self.forget_devices(operator).await?;
        Ok(())
    }
}
