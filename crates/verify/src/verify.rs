//! The value that all use cases are methods of: its parts, and how they are put together.

use std::sync::Arc;

use countersign_bus::{Bus, Changed, HandOver};
use countersign_domain::account::{Account, ApiKey};
use countersign_domain::credential::Credential;
use countersign_domain::integration::{IntegrationKey, IntegrationKind};
use countersign_domain::node::NodeId;
use countersign_domain::service::Service;
use countersign_domain::sid::{
    AccessTokenSid, AccountSid, ApiKeySid, ChallengeSid, CredentialSid, FactorKeySid, RequestSid,
    ServiceSid,
};
use countersign_domain::world::{Clock, Entropy};
use countersign_store::{PageQuery, Store};

use crate::cache::{Cache, Missing};
use crate::code_guesses::CodeGuesses;
use crate::credential_secrets::{CredentialCheck, CredentialSecrets};
use crate::failures::Failures;
use crate::key_ring::KeyRings;
use crate::keys::Keys;
use crate::notification_target::NotificationTarget;
use crate::opened_integration::OpenedIntegration;
use crate::passwords::Passwords;
use crate::places::{NoPlaces, Places};
use crate::quotas::Quotas;
use crate::rates::Rates;
use crate::readiness::Readiness;
use crate::report_limiter::ReportLimiter;
use crate::settings::Settings;
use crate::waiting::Waiters;

/// How often an optimistic update is tried before it fails with a conflict.
pub(crate) const MAX_TRIES: usize = 8;
/// Challenges whose [`NotificationTarget`] is kept in memory, at some 300 bytes each.
const MAX_TARGETS: u64 = 50_000;
/// Accounts, API keys and services, each, that are kept in memory.
const MAX_CACHED: u64 = 10_000;
/// Push credentials, and integrations, each, that are kept in memory.
const MAX_CACHED_CREDENTIALS: u64 = 1_000;

/// Everything outside this crate that a use case may call.
pub struct Dependencies {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The connection to device streams and to other nodes.
    pub bus: Arc<dyn Bus>,
    /// The way to this process's delivery engine.
    pub handover: HandOver,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The keys of this installation.
    pub keys: Keys,
    /// Checks whether a push credential could be used.
    pub credential_check: CredentialCheck,
    /// This run of this process.
    pub node: NodeId,
}

/// The use cases.
///
/// The larger fields are boxed, because the value is moved when it is put into an `Arc`.
pub struct Verify {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) handover: HandOver,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: Keys,
    pub(crate) credential_check: CredentialCheck,
    pub(crate) node: NodeId,
    pub(crate) settings: Settings,
    pub(crate) places: Arc<dyn Places>,
    pub(crate) accounts: Arc<Cache<AccountSid, Account>>,
    pub(crate) api_keys: Arc<Cache<ApiKeySid, ApiKey>>,
    /// Device keys that no factor has.
    pub(crate) unknown_keys: Missing<FactorKeySid>,
    /// Access tokens that were used.
    pub(crate) spent_tokens: Missing<AccessTokenSid>,
    pub(crate) services: Arc<Cache<ServiceSid, Service>>,
    pub(crate) credentials: Arc<Cache<CredentialSid, (Credential, CredentialSecrets)>>,
    pub(crate) integrations: Arc<Cache<IntegrationKey, OpenedIntegration>>,
    pub(crate) integrations_of_kind: Arc<Cache<IntegrationKind, Vec<Arc<OpenedIntegration>>>>,
    /// The targets of recent challenges, so that one more notification costs no read.
    pub(crate) targets: moka::sync::Cache<ChallengeSid, Arc<NotificationTarget>>,
    pub(crate) rates: Box<Rates>,
    pub(crate) failures: Box<Failures>,
    pub(crate) code_guesses: Box<CodeGuesses>,
    pub(crate) waiters: Waiters,
    pub(crate) readiness: Readiness,
    pub(crate) reports: Box<ReportLimiter>,
    pub(crate) quotas: Box<Quotas>,
    pub(crate) passwords: Passwords,
    pub(crate) key_rings: Box<KeyRings>,
    /// Held while something is created whose number per account is limited, so that concurrent requests cannot pass the limit.
    pub(crate) creating: tokio::sync::Mutex<()>,
}

impl Verify {
    /// The same use cases with a source of places.
    #[must_use]
    pub fn with_places(self, places: Arc<dyn Places>) -> Self {
        Self { places, ..self }
    }

    /// Puts the use cases together.
    pub fn new(dependencies: Dependencies, settings: Settings) -> Self {
        let accounts = Arc::new(Cache::new(MAX_CACHED));
        let api_keys = Arc::new(Cache::new(MAX_CACHED));
        let services = Arc::new(Cache::new(MAX_CACHED));
        let credentials = Arc::new(Cache::new(MAX_CACHED_CREDENTIALS));
        let integrations = Arc::new(Cache::new(MAX_CACHED_CREDENTIALS));
        let integrations_of_kind = Arc::new(Cache::new(MAX_CACHED_CREDENTIALS));
        let waiters = Waiters::default();
        dependencies.bus.listen({
            let waiters = waiters.clone();
            let (accounts, api_keys) = (Arc::clone(&accounts), Arc::clone(&api_keys));
            let (services, credentials) = (Arc::clone(&services), Arc::clone(&credentials));
            let (by_key, by_kind) = (Arc::clone(&integrations), Arc::clone(&integrations_of_kind));
            Box::new(move |changed| {
                match changed {
                    Changed::Account(sid) => accounts.forget(&sid),
                    Changed::ApiKey(sid) => api_keys.forget(&sid),
                    Changed::Service(sid) => services.forget(&sid),
                    Changed::Credential(sid) => credentials.forget(&sid),
                    Changed::Integration(sid) => {
                        by_key.forget_where(|it: &OpenedIntegration| it.integration.sid == sid);
                        by_kind.forget_where(|_| true);
                    }
                    Changed::Entity(_) | Changed::Factor(_) => {}
                }
                // After the caches: a waiter that reads again must not read the old value.
                waiters.tell(changed);
            })
        });
        let limits = &settings.limits;
        Self {
            rates: Box::new(Rates::new(limits, &dependencies.clock)),
            failures: Box::new(Failures::new(limits.failed_credentials_per_address_per_minute)),
            code_guesses: Box::new(CodeGuesses::new()),
            quotas: Box::new(Quotas::new(limits)),
            store: dependencies.store,
            bus: dependencies.bus,
            handover: dependencies.handover,
            clock: dependencies.clock,
            entropy: dependencies.entropy,
            keys: dependencies.keys,
            credential_check: dependencies.credential_check,
            node: dependencies.node,
            settings,
            places: Arc::new(NoPlaces),
            accounts,
            api_keys,
            unknown_keys: Missing::new(),
            spent_tokens: Missing::new(),
            services,
            credentials,
            integrations,
            integrations_of_kind,
            targets: moka::sync::Cache::new(MAX_TARGETS),
            waiters,
            readiness: Readiness::default(),
            reports: Box::new(ReportLimiter::new()),
            passwords: Passwords::new(),
            key_rings: Box::default(),
            creating: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether an account may make one more request now. Counts the request.
    pub fn allows_request(&self, account: AccountSid) -> bool {
        self.rates.allow_request(account)
    }

    /// This run of this process.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// A new id for a request.
    pub fn request_sid(&self) -> RequestSid {
        RequestSid::mint(self.now(), &*self.entropy)
    }

    /// Whether push tokens of less than 32 characters are refused.
    pub const fn strict_tokens(&self) -> bool {
        self.settings.strict_tokens
    }
}

/// The first page of a list, as large as a limit on its length: a full page means that the limit is reached. `None` without a
/// limit. The configuration allows no limit that is larger than a page.
pub(crate) fn page_up_to<S>(limit: u32) -> Option<PageQuery<S>> {
    let size = u16::try_from(limit).unwrap_or(u16::MAX);
    (limit > 0).then(|| PageQuery::first(size))
}
