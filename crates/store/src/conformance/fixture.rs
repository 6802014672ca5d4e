//! The fixture of a rule: an empty store, and a maker of records to store.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::account::Account;
use countersign_domain::address::Platform;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::{InitialState, Lease, NewNotification};
use countersign_domain::ending::Ending;
use countersign_domain::factor::Factor;
use countersign_domain::factor::FactorStatus;
use countersign_domain::notification::Notification;
use countersign_domain::outcome::{AfterAttempt, Attempt, Outcome};
use countersign_domain::prospect::Prospect;
use countersign_domain::protection::PromptLimits;
use countersign_domain::service::Service;
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::sid::{AccessTokenSid, EntitySid, WebhookSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::totp::TotpFactor;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook_call::CallLease;
use countersign_testkit::Fixtures;

use crate::page::{Cursor, Order, Page, PageQuery, Side};
use crate::seam::{
    Answer, CallsFound, CallsWanted, Enrolled, Enrolment, Inserted, JudgedCode, Notified, Opened,
    Opening, Recorded, Store, TotpEnrolment,
};

/// An empty store and a maker of records.
#[derive(Clone)]
pub struct Fixture {
    /// The store under test, empty.
    pub store: Arc<dyn Store>,
    /// Makes records, and holds the clock of the test.
    pub make: Fixtures,
}

impl Fixture {
    /// Makes a fixture of an unused store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, make: Fixtures::new(7) }
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.make.now()
    }

    /// The instant that many seconds from now.
    pub fn later(&self, seconds: u64) -> Instant {
        self.now() + Duration::from_secs(seconds)
    }

    /// Moves the clock that many seconds forward.
    pub fn pass(&self, seconds: u64) {
        self.make.clock.advance(Duration::from_secs(seconds));
    }

    /// Stores an account.
    pub async fn account(&self) -> Account {
        let account = self.make.account();
        assert_eq!(self.store.create_account(&account).await, Ok(Inserted::Done));
        account
    }

    /// Stores a service of a new account.
    pub async fn service(&self) -> Service {
        let service = self.make.service(&self.account().await);
        assert_eq!(self.store.create_service(&service).await, Ok(Inserted::Done));
        service
    }

    /// Stores a factor of `identity`, and its entity if it has none.
    pub async fn factor_of(&self, service: &Service, identity: &Identity) -> Factor {
        let mut factor = self.make.factor(&self.make.entity(service, identity).owner);
        match self.enrol(&factor, None).await {
            Enrolled::Done(entity) => factor.owner.entity = entity,
            refused => panic!("{refused:?}"),
        }
        factor
    }

    /// Stores a factor of a new entity of a new service.
    pub async fn factor(&self) -> Factor {
        self.factor_of(&self.service().await, &self.make.identity()).await
    }

    /// Enrols a factor without limits.
    pub async fn enrol(&self, factor: &Factor, token: Option<AccessTokenSid>) -> Enrolled {
        let enrolment =
            Enrolment { factor: factor.clone(), token, most_per_entity: 0, most_per_day: 0 };
        self.store.enrol_factor(&enrolment).await.unwrap()
    }

    /// The factor as it is stored now.
    pub async fn stored(&self, factor: &Factor) -> Option<Factor> {
        let owner = &factor.owner;
        self.store.factor(owner.service, &owner.identity, factor.sid).await.unwrap()
    }

    /// Enrols a TOTP factor without limits.
    pub async fn enrol_totp(&self, factor: &TotpFactor) -> Enrolled {
        let enrolment =
            TotpEnrolment { factor: factor.clone(), most_per_entity: 0, most_per_day: 0 };
        self.store.enrol_totp_factor(&enrolment).await.unwrap()
    }

    /// Stores a TOTP factor of `identity`, and its entity if it has none.
    pub async fn totp_factor_of(&self, service: &Service, identity: &Identity) -> TotpFactor {
        self.totp(service, identity, FactorStatus::Verified).await
    }

    /// Stores a TOTP factor of a new entity of a new service.
    pub async fn totp_factor_in(&self, status: FactorStatus) -> TotpFactor {
        self.totp(&self.service().await, &self.make.identity(), status).await
    }

    /// Stores a verified TOTP factor.
    pub async fn totp_factor(&self) -> TotpFactor {
        self.totp_factor_in(FactorStatus::Verified).await
    }

    async fn totp(
        &self,
        service: &Service,
        identity: &Identity,
        status: FactorStatus,
    ) -> TotpFactor {
        let made = self.make.totp_factor(&self.make.entity(service, identity).owner);
        let mut factor = TotpFactor { status, ..made };
        match self.enrol_totp(&factor).await {
            Enrolled::Done(entity) => factor.owner.entity = entity,
            refused => panic!("{refused:?}"),
        }
        factor
    }

    /// The TOTP factor as it is stored now.
    pub async fn totp_stored(&self, factor: &TotpFactor) -> Option<TotpFactor> {
        let owner = &factor.owner;
        self.store.totp_factor(owner.service, &owner.identity, factor.sid).await.unwrap()
    }

    /// A code of a factor, judged by the settings of its enrolment, without a limit of wrong codes in a row.
    pub fn shown(&self, factor: &TotpFactor, code: CodeVerdict) -> JudgedCode {
        JudgedCode { code, config: factor.config, most_in_a_row: 0 }
    }

    /// Stores a challenge that a code answers.
    pub async fn code_challenge(&self, factor: &TotpFactor) -> Challenge {
        let challenge = self.make.code_challenge(factor);
        assert_eq!(self.open(&challenge, None).await, Opened::Done);
        challenge
    }

    /// Stores a challenge without an automatic notification.
    pub async fn challenge(&self, factor: &Factor) -> Challenge {
        let challenge = self.make.challenge(factor);
        assert_eq!(self.open(&challenge, None).await, Opened::Done);
        challenge
    }

    /// Approves a challenge.
    pub async fn answer(&self, challenge: &Challenge) {
        let recorded = self
            .store
            .answer_challenge(Answer::new(challenge.sid, Verdict::Approved, self.now()))
            .await;
        assert_eq!(recorded, Ok(Recorded::Done));
    }

    /// Opens a challenge without limits.
    pub async fn open(
        &self,
        challenge: &Challenge,
        notification: Option<NewNotification>,
    ) -> Opened {
        let opening = Opening {
            challenge: challenge.clone(),
            notification,
            code: None,
            most_per_factor_hour: 0,
            most_per_factor_day: 0,
            most_per_entity_hour: 0,
            prompts: PromptLimits::OFF,
        };
        self.store.open_challenge(&opening).await.unwrap()
    }

    /// The challenge as it is stored now.
    pub async fn challenge_now(&self, challenge: &Challenge) -> Option<Challenge> {
        let owner = &challenge.owner;
        let found = self.store.challenge(owner.service, &owner.identity, challenge.sid).await;
        found.unwrap().map(|(challenge, _)| challenge)
    }

    /// Stores a notification, planned for the platform that the factor has now. Checks that the prospect that the store returns is the
    /// one that it reads.
    pub async fn notify(
        &self,
        challenge: &Challenge,
        ttl: u16,
        birth: InitialState,
    ) -> NewNotification {
        let owner = &challenge.owner;
        let found = self.store.challenge(owner.service, &owner.identity, challenge.sid).await;
        let (_, factor) = found.unwrap().unwrap();
        let platform = factor.unwrap().address.platform();
        let new = NewNotification { platform, ..self.make.notification(challenge, ttl, birth) };
        let Notified::Done(told) = self.store.notify(&new, 0).await.unwrap() else {
            panic!("not stored");
        };
        if let Some(told) = told {
            let lease = new.lease().expect("an attempt begins");
            assert_eq!(self.store.prospects(&[lease]).await, Ok(vec![told]));
        }
        new
    }

    /// Stores a notification that this node has leased for 30 s.
    pub async fn leased(&self, challenge: &Challenge) -> Lease {
        let birth = InitialState::Leased { until: self.later(30) };
        self.notify(challenge, 300, birth).await.lease().unwrap()
    }

    /// Stores a notification that is due at once.
    pub async fn due(&self, challenge: &Challenge) -> NewNotification {
        self.notify(challenge, 300, InitialState::Due).await
    }

    /// Stores a parked notification.
    pub async fn parked(&self, challenge: &Challenge) -> NewNotification {
        self.notify(challenge, 300, InitialState::Parked).await
    }

    /// Leases due deliveries for 30 s.
    pub async fn lease_due(&self, most: usize) -> Vec<Lease> {
        let (now, until) = (self.now(), self.later(30));
        self.store.lease_due(self.make.node, now, until, most).await.unwrap()
    }

    /// Leases due calls for 30 s, with that many free permits.
    pub async fn look_for_calls(&self, free: usize, turn: WebhookSid) -> CallsFound {
        let (now, until) = (self.now(), self.later(30));
        let permits = PermitPool { free, ..PermitPool::default() };
        let concurrency = CallConcurrency::default();
        let wanted = CallsWanted { node: self.make.node, now, until, permits, concurrency, turn };
        self.store.lease_calls(&wanted).await.unwrap()
    }

    /// Leases due calls, with plenty of permits.
    pub async fn lease_calls(&self) -> Vec<CallLease> {
        self.look_for_calls(256, WebhookSid::from_bytes([0; 16])).await.leases
    }

    /// The notification of `lease` as it is stored now.
    pub async fn notification(&self, lease: impl Into<Which>) -> Notification {
        let Which(lease) = lease.into();
        let (challenge, sid) = (lease.challenge, lease.notification);
        self.store.notification(challenge, sid).await.unwrap().unwrap()
    }

    /// Its ending, if it has ended.
    pub async fn ending(&self, lease: impl Into<Which>) -> Option<Ending> {
        self.notification(lease).await.ending
    }

    /// The facts that an attempt needs.
    pub async fn prospect(&self, lease: &Lease) -> Prospect {
        let mut prospects = self.store.prospects(std::slice::from_ref(lease)).await.unwrap();
        prospects.pop().unwrap()
    }

    /// Settles one delivery now. Returns whether its lease held.
    pub async fn settle(&self, lease: &Lease, what: DeliveryEvent) -> bool {
        let settled = Settled { lease: *lease, event: what, at: self.now() };
        self.store.settle(&[settled]).await.unwrap().lost.is_empty()
    }

    /// The record of an attempt that starts now.
    pub fn record(&self, outcome: Outcome) -> AttemptRecord {
        let took = Duration::from_millis(12);
        Attempt::plain(outcome, None).record(Platform::Stream, self.now(), took)
    }

    /// An attempt with that outcome, and what follows.
    pub fn attempted(&self, outcome: Outcome, after: AfterAttempt) -> DeliveryEvent {
        DeliveryEvent::Attempted { record: self.record(outcome), after, forget: None }
    }

    /// An attempt that the device acknowledged.
    pub fn delivered(&self) -> DeliveryEvent {
        self.attempted(Outcome::Acknowledged, AfterAttempt::Done(Ending::DELIVERED))
    }

    /// Stores an entity without anything below it.
    pub async fn entity(&self, service: &Service, identity: &Identity) -> EntitySid {
        let entity = self.make.entity(service, identity);
        assert_eq!(self.store.create_entity(&entity).await, Ok(Inserted::Done));
        entity.owner.entity
    }
}

/// A notification, given by its lease or by its plan.
pub struct Which(countersign_domain::delivery::Delivery);

impl From<&Lease> for Which {
    fn from(lease: &Lease) -> Self {
        Self(lease.delivery)
    }
}

impl From<&NewNotification> for Which {
    fn from(new: &NewNotification) -> Self {
        Self(new.delivery)
    }
}

/// Reads a list forwards and backwards, in both orders and in pages of several sizes. `expected` is in ascending order.
pub(super) async fn walks<S: Copy + Eq + Hash + Debug>(
    expected: &[S],
    read: impl AsyncFn(PageQuery<S>) -> Page<S>,
) {
    let distinct: HashSet<_> = expected.iter().collect();
    assert_eq!(distinct.len(), expected.len());
    for order in [Order::Ascending, Order::Descending] {
        let mut list = expected.to_vec();
        if order == Order::Descending {
            list.reverse();
        }
        for size in [1, 2, expected.len(), expected.len() + 1] {
            walks_in(&list, order, size, &read).await;
        }
    }
}

async fn walks_in<S: Copy + Eq + Debug>(
    list: &[S],
    order: Order,
    size: usize,
    read: &impl AsyncFn(PageQuery<S>) -> Page<S>,
) {
    let query = |cursor| PageQuery { size: u16::try_from(size).unwrap(), order, cursor };
    let place = |sid, side| query(Some(Cursor { sid, side }));
    let (mut at, mut next) = (0, query(None));
    loop {
        let end = list.len().min(at + size);
        let page = read(next).await;
        assert_eq!(page.items, list[at..end]);
        assert_eq!((page.has_previous, page.has_next), (at > 0, end < list.len()));
        if !page.has_next {
            break;
        }
        (at, next) = (end, place(list[end - 1], Side::After));
    }
    // Behind the last item there is nothing, and all items precede.
    let beyond = read(place(list[list.len() - 1], Side::After)).await;
    assert_eq!((beyond.items, beyond.has_previous, beyond.has_next), (vec![], true, false));

    while at > 0 {
        let page = read(place(list[at], Side::Before)).await;
        let start = at.saturating_sub(size);
        assert_eq!(page.items, list[start..at]);
        assert_eq!((page.has_previous, page.has_next), (start > 0, true));
        at = start;
    }
}

/// A cursor keeps its place when its item is deleted. `expected` is in ascending order.
pub(super) async fn walks_past_a_deleted_one<S: Copy + Eq + Debug>(
    expected: &[S],
    read: impl AsyncFn(PageQuery<S>) -> Page<S>,
    delete: impl AsyncFn(S),
) {
    let first = read(PageQuery::first(2)).await;
    assert_eq!(first.items, expected[..2]);
    let query = |side| {
        let cursor = Some(Cursor { sid: expected[1], side });
        PageQuery { cursor, ..PageQuery::first(2) }
    };
    delete(expected[1]).await;
    let after = read(query(Side::After)).await;
    assert_eq!(after.items, expected[2..4]);
    assert!(after.has_previous);
    let before = read(query(Side::Before)).await;
    assert_eq!(before.items, expected[..1]);
    assert!(!before.has_previous && before.has_next);
}
