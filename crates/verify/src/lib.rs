//! Use cases: one file per noun, one method per use case.
//!
//! A use case reads what it needs, decides with a pure function of the domain, and hands the store one command that
//! holds the whole consequence. It knows no HTTP and no SQL.

pub mod access_tokens;
pub mod accounts;
pub mod auth;
mod cache;
pub mod challenges;
pub mod credentials;
pub mod entities;
pub mod error;
pub mod factors;
mod failures;
pub mod keys;
pub mod looks;
pub mod moving;
pub mod notifications;
pub mod places;
pub mod provider_tokens;
mod rates;
mod readiness;
pub mod security;
pub mod services;
pub mod sessions;
pub mod tally;
pub mod totp_factors;
mod usage;
pub mod waiting;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{Bus, Changed, HandOver};
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::challenge::{CannotAnswer, Challenge};
use countersign_domain::credential::Credential;
use countersign_domain::delivery::NodeId;
use countersign_domain::limits::Limits;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::service::Service;
use countersign_domain::sid::{
    AccessTokenSid, AccountSid, ApiKeySid, ChallengeSid, CredentialSid, FactorKeySid, RequestSid,
    ServiceSid,
};
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy};
use countersign_store::{Store, StoreError};

pub use auth::Caller;
pub use error::{AuthFault, VerifyError};
pub use keys::{Keys, MasterKey};

use crate::cache::{Cache, Missing};
use crate::credentials::{CredentialCheck, CredentialSecrets};
use crate::failures::Failures;
use crate::looks::Looks;
use crate::notifications::Asked;
use crate::rates::Rates;
use crate::readiness::Readiness;
use crate::sessions::SessionSpans;
use crate::usage::Quotas;
use crate::waiting::Waiters;

/// What every use case answers.
pub type Answer<T> = Result<T, VerifyError>;

/// Who does the work beside us: all that a use case may ask for.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The wire to sockets and other nodes.
    pub bus: Arc<dyn Bus>,
    /// The way to this process's engine.
    pub handover: HandOver,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The keys of this installation.
    pub keys: Keys,
    /// Whether a push credential could be used.
    pub credential_check: CredentialCheck,
    /// This run of this process.
    pub node: NodeId,
}

/// What an operator can choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of everything a caller may have.
    pub limits: Limits,
    /// Whether push tokens of less than 32 characters are refused.
    pub strict_tokens: bool,
    /// How long a delivery is ours before others may take it over.
    pub lease: Duration,
    /// How long operators stay signed in.
    pub sessions: SessionSpans,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            strict_tokens: true,
            lease: Duration::from_secs(30),
            sessions: SessionSpans::default(),
        }
    }
}

/// Challenges whose addressee is kept in memory, at some 300 bytes each.
const MOST_ASKED: u64 = 50_000;

/// The use cases.
pub struct Verify {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    handover: HandOver,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: Keys,
    credential_check: CredentialCheck,
    node: NodeId,
    options: Options,
    accounts: Arc<Cache<AccountSid, Account>>,
    api_keys: Arc<Cache<ApiKeySid, ApiKey>>,
    /// Keys of devices that no factor has.
    unknown_keys: Missing<FactorKeySid>,
    /// Access tokens that are used up.
    spent_tokens: Missing<AccessTokenSid>,
    services: Arc<Cache<ServiceSid, Service>>,
    credentials: Arc<Cache<CredentialSid, (Credential, CredentialSecrets)>>,
    /// What was asked lately, so that one more notification costs no read.
    asked: moka::sync::Cache<ChallengeSid, Arc<Asked>>,
    rates: Box<Rates>,
    /// In a box, since what is moved on its way into an `Arc` should be small.
    failures: Box<Failures>,
    waiters: Waiters,
    readiness: Readiness,
    looks: Box<Looks>,
    /// In a box, as above.
    quotas: Box<Quotas>,
    /// Held while something is made that an account may have only so many of, so that those made at once are counted.
    making: tokio::sync::Mutex<()>,
}

/// The page that shows whether an account has `most` of something; `None` without a limit. The settings allow no more than
/// a page holds.
fn quota<S>(most: u32) -> Option<countersign_store::PageQuery<S>> {
    let size = u16::try_from(most).unwrap_or(u16::MAX);
    (most > 0).then(|| countersign_store::PageQuery::first(size))
}

impl Verify {
    /// Over these parts.
    pub fn new(parts: Parts, options: Options) -> Self {
        let accounts = Arc::new(Cache::new(10_000));
        let api_keys = Arc::new(Cache::new(10_000));
        let services = Arc::new(Cache::new(10_000));
        let credentials = Arc::new(Cache::new(1_000));
        let waiters = Waiters::default();
        parts.bus.listen({
            let waiters = waiters.clone();
            let (accounts, api_keys) = (Arc::clone(&accounts), Arc::clone(&api_keys));
            let (services, credentials) = (Arc::clone(&services), Arc::clone(&credentials));
            Box::new(move |changed| {
                match changed {
                    Changed::Account(sid) => accounts.forget(&sid),
                    Changed::ApiKey(sid) => api_keys.forget(&sid),
                    Changed::Service(sid) => services.forget(&sid),
                    Changed::Credential(sid) => credentials.forget(&sid),
                    Changed::Entity(_) | Changed::Factor(_) => {}
                }
                // After the caches: who looks again sees what is so now.
                waiters.tell(changed);
            })
        });
        Self {
            rates: Box::new(Rates::new(&options.limits, &parts.clock)),
            failures: Box::new(Failures::new(
                options.limits.failed_credentials_per_address_per_minute,
            )),
            quotas: Box::new(Quotas::new(&options.limits)),
            store: parts.store,
            bus: parts.bus,
            handover: parts.handover,
            clock: parts.clock,
            entropy: parts.entropy,
            keys: parts.keys,
            credential_check: parts.credential_check,
            node: parts.node,
            options,
            accounts,
            api_keys,
            unknown_keys: Missing::new(),
            spent_tokens: Missing::new(),
            services,
            credentials,
            asked: moka::sync::Cache::new(MOST_ASKED),
            waiters,
            readiness: Readiness::default(),
            looks: Box::new(Looks::new()),
            making: tokio::sync::Mutex::new(()),
        }
    }

    /// The present instant, of the clock that everything here goes by.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The present instant, at which a challenge is open. Where the clock says that its time is over, the clock is compared
    /// once more with the one that it follows: a clock that has jumped refuses nothing.
    ///
    /// # Errors
    /// Why the challenge is not open; the clock cannot be compared now.
    async fn open_at(&self, challenge: &Challenge) -> Result<Instant, VerifyError> {
        let now = self.time().await?;
        if challenge.is_open(now) != Err(CannotAnswer::Expired) {
            challenge.is_open(now)?;
            return Ok(now);
        }
        let now = self.checked_time().await?;
        challenge.is_open(now)?;
        Ok(now)
    }

    /// The present instant, for decisions. Where the clock is doubtful it is compared with the one that it follows first.
    ///
    /// # Errors
    /// The clock is doubtful, and cannot be compared now.
    pub async fn time(&self) -> Result<Instant, StoreError> {
        let now = self.now();
        if self.clock.is_doubtful() { self.checked_time().await } else { Ok(now) }
    }

    /// The present instant, compared with the clock that this one follows. For refusals: a clock that has jumped refuses
    /// nothing.
    async fn checked_time(&self) -> Result<Instant, StoreError> {
        let unknown = || StoreError::Unavailable("the time cannot be told now".to_owned());
        self.clock.checked().await.ok_or_else(unknown)
    }

    /// Whether an instant has passed.
    async fn has_passed(&self, at: Instant) -> Result<bool, StoreError> {
        Ok(self.time().await? >= at && self.checked_time().await? >= at)
    }

    /// A factor that was found, unless it has lapsed.
    async fn unless_lapsed<F>(
        &self,
        found: Option<F>,
        has_lapsed: impl Fn(&F, Instant) -> bool,
    ) -> Result<Option<F>, StoreError> {
        let Some(factor) = found else { return Ok(None) };
        let has_lapsed = has_lapsed(&factor, self.time().await?)
            && has_lapsed(&factor, self.checked_time().await?);
        Ok((!has_lapsed).then_some(factor))
    }

    /// The reading of the monotonic clock that durations are measured with.
    pub fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// Whether an account may make one more request now; counts it.
    pub fn allows_request(&self, account: AccountSid) -> bool {
        self.rates.allow_request(account)
    }

    /// This run of this process.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// A fresh id for a request.
    pub fn request_sid(&self) -> RequestSid {
        RequestSid::mint(self.now(), &*self.entropy)
    }

    /// The key by which a service of the account identifies itself to browsers' push services, for those who push. Pages
    /// may know its public half, see [`Verify::web_push_key`].
    ///
    /// # Errors
    /// [`VerifyError::AccountSuspended`] while the account is; the database failed.
    pub async fn vapid(&self, account: AccountSid, service: ServiceSid) -> Answer<keys::VapidKey> {
        self.refuse_suspended(account).await?;
        Ok(self.keys.vapid(service))
    }

    /// Refuses an account that is suspended, as of ten seconds ago at most: nothing is sent for it.
    async fn refuse_suspended(&self, account: AccountSid) -> Answer<()> {
        let account = self.cached_account(account).await?;
        if account.is_some_and(|account| account.suspended_at.is_some()) {
            return Err(VerifyError::AccountSuspended);
        }
        Ok(())
    }

    /// Whether push tokens of less than 32 characters are refused.
    pub const fn strict_tokens(&self) -> bool {
        self.options.strict_tokens
    }

    /// Whether requests can be served, as of a second ago at most. Writes nothing, and answers within five seconds.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let store = &self.store;
        let look = || {
            let store = Arc::clone(store);
            async move { store.is_writable().await }
        };
        self.readiness.ask(look).await
    }

    /// Whether a command can be written now, by writing one.
    ///
    /// # Errors
    /// Why not.
    pub async fn try_to_write(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    /// Whether the database was made under the same master key; if it has never seen one, it has now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_right_key(&self) -> Result<bool, StoreError> {
        let value = self.keys.check_value();
        Ok(self.store.key_check(value).await? == value)
    }

    /// An instant for `updated_at` that is later than the last one, however the clock behaves: it is what an
    /// optimistic update compares.
    fn later_than(&self, was: Instant) -> Instant {
        self.now().max(was + Duration::from_micros(1))
    }
}
