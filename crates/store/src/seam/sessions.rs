//! Sessions of the console.

use async_trait::async_trait;
use countersign_domain::session::{SessionId, SessionRecord};
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, OperatorSid};
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// Sessions of the console.
#[async_trait]
pub trait Sessions {
    /// Stores a new session. Of the sessions of its opener the newest `most` are kept, with this one.
    async fn open_session(&self, session: &SessionRecord, most: u32) -> StoreResult<()>;
    /// Reads a session, which may have expired.
    async fn session(&self, id: SessionId) -> StoreResult<Option<SessionRecord>>;
    /// Lists the newest sessions of an account, which may have expired.
    async fn sessions(&self, account: AccountSid, most: usize) -> StoreResult<Vec<SessionRecord>>;
    /// Notes that a person used a session at `at`, unless that is noted for later already.
    async fn see_session(&self, id: SessionId, at: Instant) -> StoreResult<()>;
    /// Notes the prompt that a half-open session waits for, in place of the one before. Returns whether there is such a session.
    async fn prompt_session(&self, id: SessionId, prompt: ChallengeGroupSid) -> StoreResult<bool>;
    /// Opens a half-open session that waits for `prompt`, until `expires_at`. Returns whether there is such a session.
    async fn complete_session(
        &self,
        id: SessionId,
        prompt: ChallengeGroupSid,
        expires_at: Instant,
    ) -> StoreResult<bool>;
    /// Ends a session of an account. Returns whether it existed.
    async fn end_session(&self, account: AccountSid, id: SessionId) -> StoreResult<bool>;
    /// Ends all sessions of an operator. Returns how many there were.
    async fn end_sessions_of(&self, operator: OperatorSid) -> StoreResult<usize>;
}
