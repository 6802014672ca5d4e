//! Sessions of operators that ended before they expired. Other sessions are not stored.

use async_trait::async_trait;
use countersign_domain::session::SessionId;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;

use super::writes::Inserted;
use crate::error::StoreResult;

/// Sessions of operators that ended before they expired.
#[async_trait]
pub trait Sessions {
    /// Ends a session of an account that would expire at `expires_at`. Ending it again is [`Inserted::Done`] too. The account
    /// may have `most` such sessions that have not expired at `now`, otherwise [`Inserted::TooMany`].
    async fn end_session(
        &self,
        account: AccountSid,
        id: SessionId,
        expires_at: Instant,
        most: u32,
        now: Instant,
    ) -> StoreResult<Inserted>;
    /// Returns whether a session was ended.
    async fn has_session_ended(&self, account: AccountSid, id: SessionId) -> StoreResult<bool>;
}
