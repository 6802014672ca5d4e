//! Everything this server asks of a database.
//!
//! Each method is one atomic command, durable when its future resolves, or one read, which sees every command that was
//! acknowledged before it began. No connection, transaction, row type or SQL error crosses the seam. A command is
//! conditional where it must be and answers which condition failed; one that fails leaves nothing behind. "Not found"
//! is `Ok(None)` or a word of the answer, never an error. An entity that was deleted, or whose service was, is not
//! found from that moment on, nor is anything below it.
//!
//! Every method can fail with [`StoreError`], and for no other reason than it names.
//!
//! # Adding a method
//! 1. Write it here, in the trait of its noun, with the condition and the answer it gives.
//! 2. Write its rules in `conformance/<noun>.rs` and list them in `conformance/mod.rs`.
//! 3. Implement it in each backend, in the file of the same name, and extend the migrations of all of them.
//! 4. Call it from `verify` or `delivery`, never from `api`.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::access_token::AccessToken;
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::challenge::{
    CannotAnswer, Challenge, ChallengeStatus, LONGEST_LIFETIME, Verdict,
};
use countersign_domain::credential::Credential;
use countersign_domain::delivery::{Lease, NewNotification, NodeId, Prospect, Settled};
use countersign_domain::entity::Entity;
use countersign_domain::event::CallId;
use countersign_domain::factor::{AnyFactor, Factor, FactorChange};
use countersign_domain::notification::{Ending, Notification};
use countersign_domain::provider_token::{KeyPrint, ProviderToken};
use countersign_domain::service::Service;
use countersign_domain::session::SessionId;
use countersign_domain::sid::{
    AccessTokenSid, AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorKeySid,
    FactorSid, NotificationSid, ServiceSid, WebhookSid,
};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::{TotpChange, TotpFactor};
use countersign_domain::usage::Usage;
use countersign_domain::webhook::Webhook;
use countersign_domain::webhook_call::{
    AfterCall, Call, CallLease, FailingWebhook, Paces, Permits, QueueLimits, TakenCall,
};

pub use crate::codes::{CodeFate, Judged, ShownCode, StoredCodes};
use crate::error::StoreError;
use crate::page::{Page, PageQuery};

/// The answer of every method.
pub type Answer<T> = Result<T, StoreError>;

/// Whether a new record is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is.
    Done,
    /// One with the same key was there before.
    NotUnique,
    /// What it belongs to does not exist.
    NoParent,
    /// What it belongs to has as many as it may have.
    TooMany,
}

/// Whether a record was replaced, which happens only if nobody changed it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// It was.
    Done,
    /// Somebody was faster: read it again and decide again.
    Stale,
    /// It does not exist.
    Gone,
}

/// Accounts and their API keys.
#[async_trait]
pub trait Accounts {
    /// Stores a new account.
    async fn create_account(&self, account: &Account) -> Answer<Inserted>;
    /// Stores a new account only while there is none at all, however many processes want to at once; else
    /// [`Inserted::NotUnique`].
    async fn create_first_account(&self, account: &Account) -> Answer<Inserted>;
    /// Reads an account.
    async fn account(&self, sid: AccountSid) -> Answer<Option<Account>>;
    /// Lists all accounts.
    async fn accounts(&self, page: PageQuery<AccountSid>) -> Answer<Page<Account>>;
    /// Replaces an account, only if its `updated_at` is still `was`.
    async fn update_account(&self, account: &Account, was: Instant) -> Answer<Updated>;
    /// Stores a new API key; [`Inserted::NoParent`] without its account.
    async fn create_api_key(&self, key: &ApiKey) -> Answer<Inserted>;
    /// Reads an API key.
    async fn api_key(&self, sid: ApiKeySid) -> Answer<Option<ApiKey>>;
    /// Lists the API keys of an account.
    async fn api_keys(
        &self,
        account: AccountSid,
        page: PageQuery<ApiKeySid>,
    ) -> Answer<Page<ApiKey>>;
    /// Removes an API key; whether it was there.
    async fn delete_api_key(&self, sid: ApiKeySid) -> Answer<bool>;
}

/// Services.
#[async_trait]
pub trait Services {
    /// Stores a new service; [`Inserted::NoParent`] without its account.
    async fn create_service(&self, service: &Service) -> Answer<Inserted>;
    /// Reads a service.
    async fn service(&self, sid: ServiceSid) -> Answer<Option<Service>>;
    /// Lists the services of an account.
    async fn services(
        &self,
        account: AccountSid,
        page: PageQuery<ServiceSid>,
    ) -> Answer<Page<Service>>;
    /// Replaces a service's settings, only if its `updated_at` is still `was`.
    async fn update_service(&self, service: &Service, was: Instant) -> Answer<Updated>;
    /// Deletes a service; whether it was there. Everything below is unreachable at once and is removed by
    /// [`Upkeep::clean`] in time.
    async fn delete_service(&self, sid: ServiceSid, at: Instant) -> Answer<bool>;
}

/// Entities.
#[async_trait]
pub trait Entities {
    /// Stores a new entity; its identity is unique in its service. [`Inserted::NoParent`] without the service.
    async fn create_entity(&self, entity: &Entity) -> Answer<Inserted>;
    /// Reads an entity.
    async fn entity(&self, service: ServiceSid, identity: &Identity) -> Answer<Option<Entity>>;
    /// Lists the entities of a service.
    async fn entities(
        &self,
        service: ServiceSid,
        page: PageQuery<EntitySid>,
    ) -> Answer<Page<Entity>>;
    /// Deletes an entity; whether it was there. Everything below is unreachable at once, and the identity can be used
    /// again at once.
    async fn delete_entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
        at: Instant,
    ) -> Answer<bool>;
}

/// A factor to be stored, with the conditions it is stored under.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The factor. If its identity has an entity already, that one's SID takes the place of `factor.owner.entity`;
    /// otherwise the entity is made with the SID given.
    pub factor: Factor,
    /// The access token that is used up by this enrolment.
    pub token: Option<AccessTokenSid>,
    /// The most push factors that an entity may have; 0: no limit.
    pub most_per_entity: u32,
    /// The most factors that may be made for an entity in a day, deleted ones included; the day begins with the first
    /// of them. 0: no limit.
    pub most_per_day: u32,
}

/// What became of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// It is stored, for the entity of this SID.
    Done(EntitySid),
    /// The access token was used before, has expired, or is unknown to that service.
    TokenSpent,
    /// A living factor of the same entity has the same public key.
    KeyTaken,
    /// [`Enrolment::most_per_entity`] is reached.
    TooMany,
    /// [`Enrolment::most_per_day`] is reached.
    TooManyToday,
    /// The service does not exist.
    NoService,
}

/// Factors. One that lapsed unverified ([`Factor::has_lapsed`]) may still be found until the cleaner takes it; callers
/// judge that by the clock.
#[async_trait]
pub trait Factors {
    /// Stores a new factor, makes its entity if need be and uses up the access token: all, or nothing.
    async fn enrol_factor(&self, enrolment: &Enrolment) -> Answer<Enrolled>;
    /// Reads a factor by its path.
    async fn factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<Option<Factor>>;
    /// Reads the factor whose key has this id.
    async fn factor_by_key(&self, key: FactorKeySid) -> Answer<Option<Factor>>;
    /// Of these push factors, those that the device stream does not lead to any more: they, their entity or their service
    /// were deleted, or they have another address.
    async fn not_streamed(&self, factors: &[(EntitySid, FactorSid)]) -> Answer<Vec<FactorSid>>;
    /// Lists the factors of an entity, of either type.
    async fn factors(
        &self,
        entity: EntitySid,
        page: PageQuery<FactorSid>,
    ) -> Answer<Page<AnyFactor>>;
    /// Changes a factor and answers what it is now. With a new address, its parked deliveries become due at `at`, so
    /// that they go there.
    async fn update_factor(
        &self,
        entity: EntitySid,
        sid: FactorSid,
        change: &FactorChange,
        at: Instant,
    ) -> Answer<Option<Factor>>;
    /// Deletes a factor of either type and cancels its parked deliveries; whether it was there.
    async fn delete_factor(&self, entity: EntitySid, sid: FactorSid, at: Instant) -> Answer<bool>;
}

/// A TOTP factor to be stored, with the conditions it is stored under.
#[derive(Debug, Clone)]
pub struct TotpEnrolment {
    /// The factor; its entity as in [`Enrolment::factor`].
    pub factor: TotpFactor,
    /// The most TOTP factors that an entity may have; 0: no limit.
    pub most_per_entity: u32,
    /// As [`Enrolment::most_per_day`]: factors of both types are counted together.
    pub most_per_day: u32,
}

/// A change of a TOTP factor.
#[derive(Debug, Clone)]
pub struct TotpUpdate {
    /// Whose it is.
    pub entity: EntitySid,
    /// Which.
    pub sid: FactorSid,
    /// The code that is to verify it.
    pub code: Option<Judged>,
    /// The most wrong codes of its verification in a row; 0: no limit.
    pub most_wrong: u32,
    /// What else changes.
    pub change: TotpChange,
    /// When.
    pub at: Instant,
}

/// What became of a code, and of what depended on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown<T> {
    /// It was accepted, and its step is spent.
    Accepted(T),
    /// It was not, which is counted.
    Wrong,
    /// Its step was spent before, which is not counted.
    Spent,
    /// Too many were wrong before: nobody looked at it.
    Exhausted,
    /// The factor makes its codes in another way than the code was judged by: read it and judge again.
    Moved,
    /// What it was for does not exist.
    Gone,
}

/// TOTP factors. They are listed and deleted through [`Factors`], and lapse likewise.
#[async_trait]
pub trait TotpFactors {
    /// Stores a new factor and makes its entity if need be.
    async fn enrol_totp_factor(&self, enrolment: &TotpEnrolment) -> Answer<Enrolled>;
    /// Reads a factor by its path.
    async fn totp_factor(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: FactorSid,
    ) -> Answer<Option<TotpFactor>>;
    /// Changes a factor and answers what it is now. With a code, only if that is accepted: then it is verified, and
    /// wrong codes are counted from none again. Without one, wrong codes in a row are counted from none again too
    /// ([`Judged::most_in_a_row`]), since it is the application that acts.
    async fn update_totp_factor(&self, update: &TotpUpdate) -> Answer<Shown<TotpFactor>>;
    /// Approves a challenge if the code is accepted by its factor, only while it is pending and unexpired at `at`
    /// (otherwise why it is not, and nothing is counted) and has seen fewer than `most_wrong` wrong codes (0: no
    /// limit). Metadata that came with a code that is accepted replaces the challenge's.
    async fn answer_by_code(
        &self,
        sid: ChallengeSid,
        code: Judged,
        most_wrong: u32,
        metadata: Option<&StringMap>,
        at: Instant,
    ) -> Answer<Result<Shown<()>, CannotAnswer>>;
}

/// A challenge to be stored, with the push that it causes and the conditions it is stored under.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The challenge.
    pub challenge: Challenge,
    /// Its automatic notification, if the factor gets any.
    pub notification: Option<NewNotification>,
    /// The code that answers it at once.
    pub code: Option<Judged>,
    /// The most challenges of the factor within the last hour; 0: no limit.
    pub most_per_factor_hour: u32,
    /// The most challenges of the factor within the last day; 0: no limit.
    pub most_per_factor_day: u32,
    /// The most challenges of the entity within the last hour; 0: no limit.
    pub most_per_entity_hour: u32,
}

/// What became of a new challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It is stored, and approved if it came with a code.
    Done,
    /// It is stored, pending, and has seen its first wrong code.
    WrongCode,
    /// It is stored, pending; the code's step was spent before, which is not counted.
    SpentCode,
    /// Too many codes of the factor were wrong in a row: nothing is stored.
    Exhausted,
    /// The factor makes its codes in another way than the code was judged by: nothing is stored.
    Moved,
    /// A limit is reached.
    TooMany,
    /// The factor does not exist, or is not verified.
    NoFactor,
}

/// Which challenges a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChallengeFilter {
    /// Of this factor only.
    pub factor: Option<FactorSid>,
    /// In this state only, as of the instant the list is read at.
    pub status: Option<ChallengeStatus>,
}

/// What became of a change that a challenge accepts only while it is open: an answer, or a device's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored.
    Done,
    /// The challenge was answered before, or has expired.
    Refused(CannotAnswer),
    /// The challenge does not exist, or an answer's factor does not.
    Gone,
}

/// Challenges.
#[async_trait]
pub trait Challenges {
    /// Stores a new challenge and the notification that it causes, only if its factor exists and is verified: both,
    /// or neither.
    async fn open_challenge(&self, opening: &Opening) -> Answer<Opened>;
    /// Reads a challenge by its path, and its factor, if that still exists.
    async fn challenge(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> Answer<Option<(Challenge, Option<Factor>)>>;
    /// Lists the challenges of an entity, judging their status at `now`.
    async fn challenges(
        &self,
        entity: EntitySid,
        filter: ChallengeFilter,
        now: Instant,
        page: PageQuery<ChallengeSid>,
    ) -> Answer<Page<Challenge>>;
    /// Records an answer, only while the challenge is pending and unexpired at `at` and its factor exists. Its
    /// deliveries end: `sent` where already written to the device's stream, otherwise `cancelled`, reason `answered`.
    /// Metadata that came with the answer replaces the challenge's: both, or neither.
    async fn answer_challenge(
        &self,
        sid: ChallengeSid,
        verdict: Verdict,
        metadata: Option<&StringMap>,
        at: Instant,
    ) -> Answer<Recorded>;
    /// Replaces a challenge's metadata; with `while_open` only while the challenge is pending and unexpired at `at`, else
    /// [`Recorded::Refused`].
    async fn update_challenge(
        &self,
        sid: ChallengeSid,
        metadata: &StringMap,
        while_open: bool,
        at: Instant,
    ) -> Answer<Recorded>;
    /// Counts one more wrong signature and answers how many there are.
    async fn count_wrong_answer(&self, sid: ChallengeSid) -> Answer<u32>;
}

/// What became of a notification that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notified {
    /// It is stored, with its delivery as its [`countersign_domain::delivery::Birth`] says. If an attempt begins at once,
    /// what it must know, where the command has seen that.
    Done(Option<Prospect>),
    /// The challenge is no longer open.
    Refused(CannotAnswer),
    /// The factor is gone, or is not reached by [`NewNotification::platform`] any more: plan again.
    Moved,
    /// The challenge has as many as it may have.
    TooMany,
    /// The challenge does not exist.
    Gone,
}

/// Notifications.
#[async_trait]
pub trait Notifications {
    /// Stores a notification and its delivery, only while the challenge is pending and unexpired at its creation, its
    /// factor can be reached by the platform that the notification was planned for, and it has fewer than `most`
    /// notifications, the automatic one not counted (0: no limit). The first condition that fails is the answer.
    async fn notify(&self, new: &NewNotification, most: u32) -> Answer<Notified>;
    /// Reads a notification of a challenge.
    async fn notification(
        &self,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> Answer<Option<Notification>>;
    /// Lists the notifications of a challenge, the automatic one first.
    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> Answer<Page<Notification>>;
    /// The device has fetched this challenge: its notifications that stand at `sent`, or were written to the stream
    /// and are unacknowledged, become `delivered`, and the latter's deliveries end. Writes only if there are any.
    async fn mark_fetched(&self, challenge: ChallengeSid, at: Instant) -> Answer<()>;
}

/// Access tokens.
#[async_trait]
pub trait AccessTokens {
    /// Stores a new access token; [`Inserted::NoParent`] without its service.
    async fn create_access_token(&self, token: &AccessToken) -> Answer<Inserted>;
    /// Reads an access token of a service, used and expired ones included until the cleaner takes them.
    async fn access_token(
        &self,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> Answer<Option<AccessToken>>;
}

/// Webhooks.
#[async_trait]
pub trait Webhooks {
    /// Stores a new webhook; [`Inserted::NoParent`] without its service, [`Inserted::TooMany`] if that has `most` webhooks or
    /// more (0: no limit).
    async fn create_webhook(&self, webhook: &Webhook, most: u32) -> Answer<Inserted>;
    /// Reads a webhook of a service.
    async fn webhook(&self, service: ServiceSid, sid: WebhookSid) -> Answer<Option<Webhook>>;
    /// Lists the webhooks of a service.
    async fn webhooks(
        &self,
        service: ServiceSid,
        page: PageQuery<WebhookSid>,
    ) -> Answer<Page<Webhook>>;
    /// Replaces a webhook, only if its `updated_at` is still `was`.
    async fn update_webhook(&self, webhook: &Webhook, was: Instant) -> Answer<Updated>;
    /// Removes a webhook; whether it was there.
    async fn delete_webhook(&self, service: ServiceSid, sid: WebhookSid) -> Answer<bool>;
}

/// What a node asks for when it looks for calls.
#[derive(Debug, Clone)]
pub struct CallsWanted {
    /// Who asks.
    pub node: NodeId,
    /// The present instant.
    pub now: Instant,
    /// Until when the leases run.
    pub until: Instant,
    /// The permits that it has for calls.
    pub permits: Permits,
    /// How many calls of each webhook may be in flight, on all nodes together.
    pub paces: Paces,
    /// The webhook whose turn was last.
    pub turn: WebhookSid,
}

/// What a look for calls found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsFound {
    /// The calls that are the node's to make.
    pub leases: Vec<CallLease>,
    /// The webhook whose turn was last: the next look begins behind it.
    pub turn: WebhookSid,
    /// Whether another look at once may find more.
    pub more: bool,
}

/// The calls of webhooks that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many wait to be made, or are being made.
    pub queued: u64,
    /// When the event happened that the oldest of them tells of.
    pub oldest: Option<Instant>,
    /// How many were given up just now, since too many waited.
    pub given_up: usize,
    /// Whether more of them are to be given up.
    pub more: bool,
}

/// Webhooks with waiting calls that one look for calls passes at most.
pub const PASSED: usize = 512;

/// The calls of webhooks. They come into being by the commands that cause their events: those that change factors and
/// answer challenges, [`Challenges::open_challenge`] (which has the challenge looked at when it expires), and those
/// that end notifications. Of one webhook and factor only the earliest unfinished one is ever leased.
#[async_trait]
pub trait Calls {
    /// Leases calls that are due, as [`Permits::deal`] shares the permits among the webhooks that wait, in the order of their SIDs
    /// from the last turn on and around. No webhook has more leased on all nodes together than its pace
    /// allows. Before, it makes due the calls whose lease has run out, and makes calls of the challenges that expired.
    /// Calls of a webhook that is gone, disabled or not subscribed any more end instead; those whose deadline has passed are
    /// given up.
    async fn lease_calls(&self, wanted: &CallsWanted) -> Answer<CallsFound>;
    /// When the next look is worth it: `now` if something may be due, otherwise the next waking, if there is any.
    async fn next_call(&self, now: Instant) -> Answer<Option<Instant>>;
    /// Counts the calls that wait, and gives up the oldest of webhooks and accounts for which too many do, a bounded number at a
    /// time. Of what was given up, for whatever reason, it keeps [`countersign_domain::webhook_call::KEPT`] calls of each webhook.
    async fn tend_calls(&self, limits: QueueLimits, now: Instant) -> Answer<Backlog>;
    /// Writes what became of a leased call; `false`, and nothing is written, if its lease was lost. `error` says what
    /// the try came to if it failed. One that was taken is kept as long as the challenge that it tells of; if it tells of
    /// none it is forgotten.
    async fn settle_call(
        &self,
        lease: &CallLease,
        after: AfterCall,
        error: &str,
        at: Instant,
    ) -> Answer<bool>;
    /// Makes due at `now` up to `most` calls leased by any other node than `node`; how many. For a database that no
    /// other node can be using.
    async fn void_calls(&self, node: NodeId, now: Instant, most: usize) -> Answer<usize>;
    /// All webhooks that have calls which failed at least once.
    async fn failing_webhooks(&self) -> Answer<Vec<FailingWebhook>>;
}

/// Push credentials.
#[async_trait]
pub trait Credentials {
    /// Stores a new credential; [`Inserted::NoParent`] without its account.
    async fn create_credential(&self, credential: &Credential) -> Answer<Inserted>;
    /// Reads a credential.
    async fn credential(&self, sid: CredentialSid) -> Answer<Option<Credential>>;
    /// Lists the credentials of an account.
    async fn credentials(
        &self,
        account: AccountSid,
        page: PageQuery<CredentialSid>,
    ) -> Answer<Page<Credential>>;
    /// Replaces a credential, only if its `updated_at` is still `was`.
    async fn update_credential(&self, credential: &Credential, was: Instant) -> Answer<Updated>;
    /// Removes a credential; whether it was there.
    async fn delete_credential(&self, sid: CredentialSid) -> Answer<bool>;
}

/// What came of writing down what became of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// Those whose lease was lost: of these only the attempt is recorded.
    pub lost: Vec<NotificationSid>,
    /// Whether a webhook may have to be called for it.
    pub is_heard: bool,
}

/// Deliveries: what the engine does.
#[async_trait]
pub trait Deliveries {
    /// Leases up to `most` deliveries that are due at `now`, those due the longest first, passing over any that are
    /// leased, and over those whose deadline has passed.
    async fn lease_due(
        &self,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> Answer<Vec<Lease>>;
    /// Leases up to `most` parked deliveries of a factor: of each challenge the newest only, earliest deadline first,
    /// none whose deadline has passed at `now`.
    async fn lease_parked(
        &self,
        factor: FactorSid,
        node: NodeId,
        now: Instant,
        until: Instant,
        most: usize,
    ) -> Answer<Vec<Lease>>;
    /// When the next delivery falls due, if any is waiting for its time.
    async fn next_due(&self) -> Answer<Option<Instant>>;
    /// Reads what attempts must know, in the order of the leases.
    async fn prospects(&self, leases: &[Lease]) -> Answer<Vec<Prospect>>;
    /// Writes what became of leased deliveries. An ending `delivered` also cancels the older parked deliveries of the
    /// challenge, as superseded.
    async fn settle(&self, settled: &[Settled]) -> Answer<Settlement>;
    /// Ends up to `most` due or parked deliveries whose deadline has passed at `now`; how many.
    async fn expire(&self, now: Instant, most: usize) -> Answer<usize>;
    /// Makes due up to `most` deliveries whose lease has run out at `now`; how many.
    async fn rescue(&self, now: Instant, most: usize) -> Answer<usize>;
    /// Makes due up to `most` deliveries leased by any other node than `node`, whatever their lease says; how many.
    /// For a database that no other node can be using.
    async fn void_leases(&self, node: NodeId, now: Instant, most: usize) -> Answer<usize>;
}

/// What the cleaner may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long challenges and their notifications are kept after they were made.
    pub challenges: Duration,
}

impl Retention {
    /// The least age at which a challenge may be removed, whatever the retention: longer than any challenge lives and any
    /// delivery of it lasts, with room for a clock that was behind.
    pub const LEAST: Duration = LONGEST_LIFETIME.saturating_mul(2);

    /// Challenges that were made before this instant may go.
    pub fn beyond(self, now: Instant) -> Instant {
        now - self.challenges.max(Self::LEAST)
    }
}

/// What keeps the database in shape.
#[async_trait]
pub trait Upkeep {
    /// Removes up to `most` rows of what is no longer wanted: what is below deleted services and entities, factors
    /// that lapsed unverified, expired access tokens, ended sessions that would be over, challenges older than the retention with their notifications
    /// and the calls about them that were taken.
    /// Answers how many; fewer than `most` means that nothing is left to do. What is too old may stay until all that was
    /// made in the same days is: a day for each thirty of the retention, or part of them. Then it may go at once, and is
    /// not counted.
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> Answer<usize>;
    /// Whether a command can be written now. Writes something that changes nothing.
    async fn check(&self) -> Answer<()>;
    /// Whether commands are being written, as far as that can be told by reading and by what the last one came to: anybody may
    /// ask, so nothing is written. After a command that failed a store tries every second by itself.
    async fn is_writable(&self) -> Answer<()> {
        self.check().await
    }
    /// Keeps a value that only the right master key can make, if none is kept yet, and answers the one that is.
    async fn key_check(&self, value: [u8; 32]) -> Answer<[u8; 32]>;
}

/// What was found of the newest, and how far the look went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance<T> {
    /// What was found, newest first.
    pub items: Vec<T>,
    /// If the look ended at its bound: when the oldest that it saw was made. Of what is older nothing is said.
    pub ended_at: Option<Instant>,
}

/// How far back to look, among what belongs to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Not at what was made before.
    pub since: Instant,
    /// Past so many challenges of the account at most, newest first.
    pub rows: usize,
}

/// How a notification stands, without its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
}

/// The calls of one webhook, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallCounts {
    /// Calls that are due, stand behind another one, or are being made.
    pub waiting: u64,
    /// When the event happened that the oldest of these tells of.
    pub oldest: Option<Instant>,
    /// Those of them that failed at least once.
    pub failing: u64,
    /// Calls that were given up and are still kept.
    pub given_up: u64,
}

/// Which calls of a webhook are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallList {
    /// Those that failed at least once and are tried again: in the order of their next try.
    Failing,
    /// Those that were given up, the latest first.
    GivenUp,
}

/// Where in such a list a page ended: at this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallMark {
    /// Its [`Call::wake_at`].
    pub wake_at: Instant,
    /// Its id.
    pub id: CallId,
}

/// Sessions of operators, of which only those are stored that ended before their time.
#[async_trait]
pub trait Sessions {
    /// Ends a session of an account that would be over at `expires_at`; again is [`Inserted::Done`] too. The account may have
    /// `most` such sessions that are not over at `now`, else [`Inserted::TooMany`].
    async fn end_session(
        &self,
        account: AccountSid,
        id: SessionId,
        expires_at: Instant,
        most: u32,
        now: Instant,
    ) -> Answer<Inserted>;
    /// Whether a session was ended.
    async fn has_session_ended(&self, account: AccountSid, id: SessionId) -> Answer<bool>;
}

/// What an operator looks at: what happened lately, within bounds, and calls that are stuck.
#[async_trait]
pub trait Recent {
    /// The newest challenges of an account of one type that are older than `before`, at most `most`.
    async fn recent_challenges(
        &self,
        account: AccountSid,
        before: ChallengeSid,
        look: Look,
        most: usize,
    ) -> Answer<Glance<Challenge>>;
    /// How the notifications of the newest challenges of an account stand, of those made before `until`; also of what
    /// was deleted since, for it happened.
    async fn recent_fates(
        &self,
        account: AccountSid,
        until: Instant,
        look: Look,
    ) -> Answer<Glance<Fate>>;
    /// A challenge of an account by its SID alone.
    async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> Answer<Option<Challenge>>;
    /// The challenge of an account that a notification belongs to, sought among those of the account that could have sent
    /// it, past `rows` of them at most, newest first.
    async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
        rows: usize,
    ) -> Answer<Option<Challenge>>;
    /// Counts the calls of a webhook.
    async fn call_counts(&self, webhook: WebhookSid) -> Answer<CallCounts>;
    /// The calls of a webhook that are in trouble: those of one list behind `after`, or from its start, at most `most`.
    async fn calls_in_trouble(
        &self,
        webhook: WebhookSid,
        list: CallList,
        after: Option<CallMark>,
        most: usize,
    ) -> Answer<Vec<Call>>;
    /// The calls of a webhook about a factor that are still to be made or were given up, at most `most`; with a challenge, of
    /// these the calls that tell of it.
    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> Answer<Vec<Call>>;
    /// The calls about a challenge that were taken, at most `most`, in no order.
    async fn taken_calls(&self, challenge: ChallengeSid, most: usize) -> Answer<Vec<TakenCall>>;
    /// Makes a call of a webhook due at `now` that waits for its next try, or was given up; a day begins anew for the
    /// latter, which stands behind an earlier one of its factor. Whether there was such a call.
    async fn resend_call(&self, webhook: WebhookSid, id: CallId, now: Instant) -> Answer<bool>;
}

/// The tables whose rows are counted against an account's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedTable {
    /// Entities.
    Entities,
    /// Push factors.
    Factors,
    /// TOTP factors.
    TotpFactors,
    /// Challenges of either type.
    Challenges,
}

impl CountedTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Entities, Self::Factors, Self::TotpFactors, Self::Challenges];

    /// What a row counts whose texts have so many bytes.
    pub const fn usage(self, texts: i64) -> Usage {
        match self {
            Self::Entities => Usage::ENTITY,
            Self::Factors | Self::TotpFactors | Self::Challenges => Usage::record(texts),
        }
    }
}

/// The place of a row in the order in which a table is counted.
pub type CountedKey = [[u8; 16]; 2];

/// A row that counts against the quotas of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedRow {
    /// Its place; the second part is its SID.
    pub key: CountedKey,
    /// Whose it is.
    pub account: AccountSid,
    /// When it was made.
    pub made_at: Instant,
    /// What it counts.
    pub usage: Usage,
}

/// What accounts have stored.
#[async_trait]
pub trait Usages {
    /// The rows of a table that follow `after`, `most` of them at most; none at its end. What was deleted is among them until
    /// [`Upkeep::clean`] has removed it, except entities and factors that were deleted by themselves.
    async fn count_stored(
        &self,
        table: CountedTable,
        after: Option<CountedKey>,
        most: usize,
    ) -> Answer<Vec<CountedRow>>;
}

/// For so long a provider token is kept that no other replaces.
pub const PROVIDER_TOKENS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Provider tokens of Apple's keys, which all servers of a database share.
#[async_trait]
pub trait ProviderTokens {
    /// The token of a key.
    async fn provider_token(&self, key: KeyPrint) -> Answer<Option<ProviderToken>>;
    /// Stores a token only if its version is the next one; the token that is there then. Tokens of other keys are removed
    /// once they are older than this one by [`PROVIDER_TOKENS_KEPT`], a few at a time.
    async fn renew_provider_token(&self, new: &ProviderToken) -> Answer<ProviderToken>;
}

/// A database.
pub trait Store:
    Accounts
    + Services
    + Entities
    + Factors
    + TotpFactors
    + Challenges
    + Notifications
    + AccessTokens
    + Webhooks
    + Calls
    + Credentials
    + ProviderTokens
    + Deliveries
    + Upkeep
    + Recent
    + Sessions
    + Usages
    + Send
    + Sync
{
}
