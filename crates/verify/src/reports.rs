//! Reports for the console: summaries, single challenges, and calls of webhooks that fail.

use countersign_domain::challenge::Challenge;
use countersign_domain::event::CallId;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, FactorSid, NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::summary::Grain;
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_domain::webhook_call::{Call, TakenCall};
use countersign_store::Cursor;
use countersign_store::seam::{
    CallCounts, CallCursor, CallList, PeriodSummary, ServiceSummary, SummaryQuery,
};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

/// Challenges of an account that one report reads at most.
pub const MAX_SCANNED: usize = 5_000;
/// Calls of one webhook about a challenge that are listed at most. A challenge has fewer unless it was pushed very often.
const MAX_CALLS: usize = 100;
/// Delivered calls about a challenge that are listed at most. A challenge has fewer unless many webhooks subscribe to many pushes.
const MAX_TAKEN: usize = 500;
/// Calls that one request resends at most.
pub const MAX_RESENT: usize = 1_000;

/// The calls of a webhook that failed, a page of each list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCalls {
    /// How many calls the webhook has.
    pub counts: CallCounts,
    /// Calls that are retried, the next retry first.
    pub failing: Vec<Call>,
    /// Calls that were given up, the latest first.
    pub given_up: Vec<Call>,
}

/// Where the pages of both lists are; `None` means at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailedCallsCursor {
    /// Behind or before this call.
    pub failing: Option<Cursor<CallCursor>>,
    /// Behind or before this call.
    pub given_up: Option<Cursor<CallCursor>>,
}

impl Verify {
    /// Returns the counts of an account's challenges and pushes by period and platform, in the last `periods` periods: the present one
    /// is the last.
    ///
    /// # Errors
    /// The database failed.
    pub async fn summaries(
        &self,
        account: AccountSid,
        service: Option<ServiceSid>,
        grain: Grain,
        periods: u32,
    ) -> VerifyResult<Vec<PeriodSummary>> {
        let from = self.first_period(grain, periods);
        let report = self.store.summaries(SummaryQuery { account, grain, from, service });
        Ok(self.reports.run(report).await?)
    }

    /// Returns the same counts by service.
    ///
    /// # Errors
    /// The database failed.
    pub async fn service_summaries(
        &self,
        account: AccountSid,
        service: Option<ServiceSid>,
        grain: Grain,
        periods: u32,
    ) -> VerifyResult<Vec<ServiceSummary>> {
        let from = self.first_period(grain, periods);
        let report = self.store.service_summaries(SummaryQuery { account, grain, from, service });
        Ok(self.reports.run(report).await?)
    }

    /// The beginning of the first of this many periods, of which the present one is the last.
    pub fn first_period(&self, grain: Grain, periods: u32) -> Instant {
        grain.begin(self.now()) - grain.duration() * periods.saturating_sub(1)
    }

    /// Returns a challenge by its SID alone, and its factor, if that still exists.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> VerifyResult<(Challenge, Option<Factor>)> {
        let found = self.store.challenge_of_account(account, sid).await?;
        let owner = found.ok_or(VerifyError::NotFound)?.owner;
        let found = self.store.challenge(owner.service, &owner.identity, sid).await?;
        found.ok_or(VerifyError::NotFound)
    }

    /// Returns the challenge that a notification belongs to.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also if the notification is not among the challenges that a report reads.
    pub async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> VerifyResult<Challenge> {
        let report = self.store.challenge_of_notification(account, sid, MAX_SCANNED);
        self.reports.run(report).await?.ok_or(VerifyError::NotFound)
    }

    /// Whether a device is present now.
    ///
    /// # Errors
    /// Those of [`Verify::factor`].
    pub async fn is_connected(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> VerifyResult<bool> {
        self.factor(&Caller::Application(account), service, identity, sid).await?;
        Ok(self.bus.is_attached(sid).await)
    }

    /// Returns the calls of a webhook that failed at least once and have not succeeded since, at most `most` of each list, and
    /// how many calls the webhook has.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn failed_calls(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
        at: FailedCallsCursor,
        most: usize,
    ) -> VerifyResult<FailedCalls> {
        self.webhook(account, service, sid).await?;
        let counts = self.reports.run(self.store.call_counts(sid)).await?;
        let list = |list, at| self.store.list_calls(sid, list, at, most);
        let failing = list(CallList::Failing, at.failing).await?;
        let given_up = list(CallList::GivenUp, at.given_up).await?;
        Ok(FailedCalls { counts, failing, given_up })
    }

    /// Returns the calls of a webhook about a challenge that are still to be made or were given up.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn calls_about(
        &self,
        account: AccountSid,
        sid: WebhookSid,
        challenge: &Challenge,
    ) -> VerifyResult<Vec<Call>> {
        self.webhook(account, challenge.owner.service, sid).await?;
        let about = Some(challenge.sid);
        let mut calls = self.store.calls_about(sid, challenge.factor, about, MAX_CALLS).await?;
        calls.retain(|call| call.challenge == Some(challenge.sid));
        Ok(calls)
    }

    /// Returns the delivered calls about a challenge in the order of their delivery, including those of deleted webhooks. The
    /// caller checks that the operator may see the challenge.
    ///
    /// # Errors
    /// The database failed.
    pub async fn taken_calls(&self, challenge: ChallengeSid) -> VerifyResult<Vec<TakenCall>> {
        let mut calls = self.store.taken_calls(challenge, MAX_TAKEN).await?;
        calls.sort_by_key(|call| call.taken_at);
        Ok(calls)
    }

    /// Retries a failed call now.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also if the call has succeeded meanwhile.
    pub async fn resend_call(
        &self,
        account: AccountSid,
        service: ServiceSid,
        webhook: WebhookSid,
        call: CallId,
    ) -> VerifyResult<()> {
        self.webhook(account, service, webhook).await?;
        let action = self.unnamed_action();
        if !action.store().resend_call(webhook, call, self.now()).await? {
            return Err(VerifyError::NotFound);
        }
        action.done();
        self.handover.happened();
        Ok(())
    }

    /// Retries failed calls of a list now, those of one event if one is given, the earliest first. Returns how many: at most
    /// [`MAX_RESENT`], after which another request finds the next ones.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the webhook.
    pub async fn resend_calls(
        &self,
        account: AccountSid,
        service: ServiceSid,
        webhook: WebhookSid,
        list: CallList,
        event: Option<EventType>,
    ) -> VerifyResult<usize> {
        self.webhook(account, service, webhook).await?;
        let (action, now) = (self.unnamed_action(), self.now());
        let resent = action.store().resend_calls(webhook, list, event, now, MAX_RESENT).await?;
        if resent > 0 {
            action.done();
        }
        self.handover.happened();
        Ok(resent)
    }
}
