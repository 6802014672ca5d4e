//! Operators and the links that sign them in.

use async_trait::async_trait;
use countersign_domain::operator::{Operator, OperatorChange, OperatorName};
use countersign_domain::secret::SecretHash;
use countersign_domain::sid::{AccountSid, OperatorSid};
use countersign_domain::time::Instant;

use super::writes::Inserted;
use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// Operators and the links that sign them in.
#[async_trait]
pub trait Operators {
    /// Stores a new operator; [`Inserted::NoParent`] without its account, [`Inserted::TooMany`] if the account has `most`,
    /// [`Inserted::NotUnique`] if an operator of any account has its name.
    async fn create_operator(&self, operator: &Operator, most: u32) -> StoreResult<Inserted>;
    /// Reads an operator.
    async fn operator(&self, sid: OperatorSid) -> StoreResult<Option<Operator>>;
    /// Reads the operator of a name.
    async fn operator_named(&self, name: &OperatorName) -> StoreResult<Option<Operator>>;
    /// Lists the operators of an account.
    async fn operators(
        &self,
        account: AccountSid,
        page: PageQuery<OperatorSid>,
    ) -> StoreResult<Page<Operator>>;
    /// Changes an operator; another password ends its sessions and its link. Returns whether the operator exists.
    async fn change_operator(
        &self,
        sid: OperatorSid,
        change: &OperatorChange,
        at: Instant,
    ) -> StoreResult<bool>;
    /// Removes an operator with its sessions and its link. Returns whether it existed.
    async fn delete_operator(&self, sid: OperatorSid) -> StoreResult<bool>;
    /// Stores the link of an operator, in place of the one before. Returns whether the operator exists.
    async fn put_operator_link(
        &self,
        sid: OperatorSid,
        hash: SecretHash,
        expires_at: Instant,
    ) -> StoreResult<bool>;
    /// Uses up a link that has not expired at `now`. Returns its operator; of concurrent calls one does.
    async fn take_operator_link(
        &self,
        hash: SecretHash,
        now: Instant,
    ) -> StoreResult<Option<Operator>>;
}
