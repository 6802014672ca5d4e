//! The records that an operator looks at: single challenges, and the calls that fail.

use async_trait::async_trait;
use countersign_domain::attention::CallCounts;
use countersign_domain::challenge::Challenge;
use countersign_domain::event::CallId;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, FactorSid, NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_domain::webhook_call::{Call, TakenCall};

use crate::error::StoreResult;
use crate::page::Cursor;

/// A webhook with its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookState {
    /// The service.
    pub service: ServiceSid,
    /// The webhook.
    pub webhook: WebhookSid,
    /// Its name.
    pub name: String,
    /// Its calls.
    pub calls: CallCounts,
    /// The error of the failed call that is tried next, or else of one that was given up.
    pub error: Option<String>,
}

/// The lists of a webhook's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallList {
    /// Calls that failed at least once and are tried again, in the order of their next try.
    Failing,
    /// Calls that were given up, the latest first.
    GivenUp,
}

/// The call at which a page of such a list begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallCursor {
    /// Its [`Call::wake_at`].
    pub wake_at: Instant,
    /// Its id.
    pub id: CallId,
}

/// Single challenges, and the calls that fail.
#[async_trait]
pub trait Recent {
    /// Reads a challenge of an account by its SID alone.
    async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> StoreResult<Option<Challenge>>;
    /// Reads the challenge of an account that a notification belongs to. Searches the challenges that could have sent it, at
    /// most `rows` of them, newest first.
    async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
        rows: usize,
    ) -> StoreResult<Option<Challenge>>;
    /// Reads the webhooks of an account with their calls, at most `most`.
    async fn webhook_states(
        &self,
        account: AccountSid,
        most: usize,
    ) -> StoreResult<Vec<WebhookState>>;
    /// Counts the calls of a webhook.
    async fn call_counts(&self, webhook: WebhookSid) -> StoreResult<CallCounts>;
    /// Lists calls of a webhook: those of `list` behind or before the cursor, or from its start, at most `most`, in the order of the
    /// list.
    async fn list_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        at: Option<Cursor<CallCursor>>,
        most: usize,
    ) -> StoreResult<Vec<Call>>;
    /// Lists the calls of a webhook about a factor that are still to be made or were given up, at most `most`; with a
    /// challenge, only those that tell of it.
    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> StoreResult<Vec<Call>>;
    /// Lists the calls about a challenge that were taken, at most `most`, in no order.
    async fn taken_calls(
        &self,
        challenge: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<TakenCall>>;
    /// Makes due at `now` a call of a webhook that waits for its next try or was given up. A given-up call gets another day of
    /// tries, and waits behind an earlier call of its factor. Returns whether there was such a call.
    async fn resend_call(&self, webhook: WebhookSid, id: CallId, now: Instant)
    -> StoreResult<bool>;
    /// Makes due at `now` at most `most` calls of a list of a webhook, those of one event if one is given: of the failing ones
    /// those that wait for their next try, of the given-up ones the earliest, as [`Recent::resend_call`] does. Returns how many.
    async fn resend_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        event: Option<EventType>,
        now: Instant,
        most: usize,
    ) -> StoreResult<usize>;
}
