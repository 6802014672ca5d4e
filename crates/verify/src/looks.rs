//! What an operator looks at: what happened lately, and what is stuck.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::entity::Entity;
use countersign_domain::event::CallId;
use countersign_domain::factor::{Factor, FactorType};
use countersign_domain::sid::{
    AccountSid, ChallengeSid, FactorSid, NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{Call, TakenCall};
use countersign_store::PageQuery;
use countersign_store::seam::{CallCounts, CallList, CallMark, Fate, Glance, Look};
use tokio::sync::{OnceCell, Semaphore};

use crate::{Answer, Caller, Verify, VerifyError};

/// Challenges of the account that one look passes at most.
pub const MOST_PASSED: usize = 5_000;
/// How far back a list of challenges reaches: no retention is longer than that.
const LONG_AGO: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Calls of one webhook about a challenge that are shown at most: more than it has, unless it was pushed that often.
const MOST_CALLS: usize = 100;
/// Calls about a challenge that are shown at most: more than it has, unless many webhooks hear of many pushes.
const MOST_TAKEN: usize = 500;
/// Services in which an identity is sought at most.
const MOST_SERVICES: u16 = 1_000;

/// The calls of a webhook that are in trouble, a page of each list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubles {
    /// All of its calls, counted.
    pub counts: CallCounts,
    /// Those that are tried again, the next try first.
    pub failing: Vec<Call>,
    /// Those that were given up, the latest first.
    pub given_up: Vec<Call>,
}

/// Where the pages of both lists begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TroublesAfter {
    /// Behind this call.
    pub failing: Option<CallMark>,
    /// Behind this call.
    pub given_up: Option<CallMark>,
}

/// A look at how an account's notifications stand; callers who come while it is made share it.
type Flight = Arc<OnceCell<Glance<Fate>>>;

/// What bounds looks. They read more than any request of the API does, so one is made at a time.
pub(crate) struct Looks {
    one: Semaphore,
    flights: Mutex<HashMap<AccountSid, Flight>>,
}

impl Looks {
    pub(crate) fn new() -> Self {
        Self { one: Semaphore::new(1), flights: Mutex::default() }
    }

    /// Makes one look, once no other one is made.
    async fn alone<T>(&self, look: impl Future<Output = T>) -> T {
        // it is never closed
        let _turn = self.one.acquire().await;
        look.await
    }

    /// The look that is being made for an account, or a new one.
    fn join(&self, account: AccountSid) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(account).or_default())
    }

    /// It is made: who comes now wants another one.
    fn leave(&self, account: AccountSid, flight: &Flight) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&account).is_some_and(|is| Arc::ptr_eq(is, flight)) {
            flights.remove(&account);
        }
    }
}

impl Verify {
    /// The newest challenges of an account, of either type, that are older than `before`; at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn recent_challenges(
        &self,
        account: AccountSid,
        before: Option<ChallengeSid>,
        most: usize,
    ) -> Answer<Glance<Challenge>> {
        let now = self.now();
        let look = Look { since: now - LONG_AGO, rows: MOST_PASSED };
        let before = |kind| match before {
            Some(sid) if sid.kind() == kind => sid,
            Some(sid) => ChallengeSid::least(kind, sid.minted_at()),
            // what another node makes, whose clock is ahead, is seen as well
            None => ChallengeSid::least(kind, now + Duration::from_secs(60)),
        };
        let of = |kind| self.store.recent_challenges(account, before(kind), look, most);
        let looks = async { Ok((of(FactorType::Push).await?, of(FactorType::Totp).await?)) };
        let (push, totp) = self.looks.alone(looks).await.map_err(VerifyError::Store)?;
        let mut items = [push.items, totp.items].concat();
        items.sort_by_key(|challenge| std::cmp::Reverse(challenge.created_at));
        items.truncate(most);
        Ok(Glance { items, ended_at: push.ended_at.max(totp.ended_at) })
    }

    /// How the notifications of an account stand that were made from `since` on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn recent_fates(&self, account: AccountSid, since: Instant) -> Answer<Glance<Fate>> {
        let flight = self.looks.join(account);
        let look = || self.looks.alone(self.look_at_fates(account, since));
        let found = flight.get_or_try_init(look).await.cloned();
        self.looks.leave(account, &flight);
        found
    }

    async fn look_at_fates(&self, account: AccountSid, since: Instant) -> Answer<Glance<Fate>> {
        let until = self.now() + Duration::from_secs(60);
        // A challenge lives for an hour, in which it may be pushed again.
        let look = Look { since: since - Duration::from_secs(60 * 60), rows: MOST_PASSED };
        let mut glance = self.store.recent_fates(account, until, look).await?;
        glance.items.retain(|fate| fate.created_at >= since);
        Ok(glance)
    }

    /// A challenge by its SID alone, with its factor, if that is still there.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> Answer<(Challenge, Option<Factor>)> {
        let found = self.store.challenge_of_account(account, sid).await?;
        let owner = found.ok_or(VerifyError::NotFound)?.owner;
        let found = self.store.challenge(owner.service, &owner.identity, sid).await?;
        found.ok_or(VerifyError::NotFound)
    }

    /// The challenge that a notification belongs to.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also if it lies too far back.
    pub async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Answer<Challenge> {
        let look = self.store.challenge_of_notification(account, sid, MOST_PASSED);
        self.looks.alone(look).await?.ok_or(VerifyError::NotFound)
    }

    /// The entities of that identity, one in a service at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entities_of_identity(
        &self,
        account: AccountSid,
        identity: &Identity,
    ) -> Answer<Vec<Entity>> {
        let mut found = Vec::new();
        for service in self.store.services(account, PageQuery::first(MOST_SERVICES)).await?.items {
            found.extend(self.store.entity(service.sid, identity).await?);
        }
        Ok(found)
    }

    /// Whether a device holds its stream now.
    ///
    /// # Errors
    /// Those of [`Verify::factor`].
    pub async fn is_connected(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<bool> {
        self.factor(&Caller::Application(account), service, identity, sid).await?;
        Ok(self.bus.is_attached(sid).await)
    }

    /// The calls of a webhook that failed at least once and were not taken since, at most `most` of each list, and how many
    /// calls there are.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn troubles(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: WebhookSid,
        after: TroublesAfter,
        most: usize,
    ) -> Answer<Troubles> {
        self.webhook(account, service, sid).await?;
        let counts = self.looks.alone(self.store.call_counts(sid)).await?;
        let list = |list, after| self.store.calls_in_trouble(sid, list, after, most);
        let failing = list(CallList::Failing, after.failing).await?;
        let given_up = list(CallList::GivenUp, after.given_up).await?;
        Ok(Troubles { counts, failing, given_up })
    }

    /// The calls of a webhook about a challenge that are still to be made or were given up.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn calls_about(
        &self,
        account: AccountSid,
        sid: WebhookSid,
        challenge: &Challenge,
    ) -> Answer<Vec<Call>> {
        self.webhook(account, challenge.owner.service, sid).await?;
        let about = Some(challenge.sid);
        let mut calls = self.store.calls_about(sid, challenge.factor, about, MOST_CALLS).await?;
        calls.retain(|call| call.challenge == Some(challenge.sid));
        Ok(calls)
    }

    /// The calls about a challenge that were taken, in that order; also those of webhooks that are gone. `challenge` is one
    /// that the caller may see.
    ///
    /// # Errors
    /// The database failed.
    pub async fn taken_calls(&self, challenge: ChallengeSid) -> Answer<Vec<TakenCall>> {
        let mut calls = self.store.taken_calls(challenge, MOST_TAKEN).await?;
        calls.sort_by_key(|call| call.taken_at);
        Ok(calls)
    }

    /// Has a call made now that failed.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also if it was taken meanwhile.
    pub async fn resend_call(
        &self,
        account: AccountSid,
        service: ServiceSid,
        webhook: WebhookSid,
        call: CallId,
    ) -> Answer<()> {
        self.webhook(account, service, webhook).await?;
        if !self.store.resend_call(webhook, call, self.now()).await? {
            return Err(VerifyError::NotFound);
        }
        self.handover.happened();
        Ok(())
    }
}
