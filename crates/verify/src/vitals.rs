//! Conditions that need an operator's attention, as far as this process knows: of one account, and of the whole installation.
//!
//! Anything of the installation is shown only to its own operators, since it would tell a tenant of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_bus::Link;
use countersign_domain::attention::{
    Attention, CallCounts, Disk, FailureRates, HourCount, Matter, failing_platforms, of_clock,
    of_write,
};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::outage::{Destination, Outage};
use countersign_domain::sid::{AccountSid, CredentialSid, ServiceSid};
use countersign_domain::summary::Grain;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::FailingWebhook;
use countersign_store::PageQuery;
use countersign_store::seam::SummaryQuery;
use tokio_util::sync::CancellationToken;

use crate::error::VerifyResult;
use crate::verify::Verify;

/// Webhooks, credentials and services of an account, each, that are looked at.
const MOST: u16 = 500;
/// How long the result of a test write is used.
const WRITE_KEPT: Duration = Duration::from_secs(10);
/// A test write that takes longer has failed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the surroundings are looked at while nobody asks, so that it is known since when something is wrong.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The surroundings of the use cases, besides the database.
pub trait Surroundings: Send + Sync {
    /// The push services to which nothing is sent now.
    fn outages(&self) -> Vec<Outage>;
    /// The disk with the data; `None` if it cannot be told.
    fn disk(&self) -> Option<Disk>;
}

/// The conditions that need attention, and the time at which they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The conditions that need attention, the most urgent first.
    pub attention: Vec<Attention>,
    /// The time of the check.
    pub checked_at: Instant,
}

/// The last test write: when it ended, and the matter that it showed.
type TestWrite = Option<(Monotonic, Option<Matter>)>;

/// Finds out what needs attention.
pub struct Vitals {
    verify: Arc<Verify>,
    surroundings: Arc<dyn Surroundings>,
    /// The account whose operators see what concerns the installation. Without it, those of the only account.
    operators: Option<AccountSid>,
    /// Since when each matter of the installation has been seen.
    seen: Mutex<HashMap<&'static str, Instant>>,
    written: tokio::sync::Mutex<TestWrite>,
}

impl Vitals {
    /// Makes it of its parts. `operators` is the account whose operators see what concerns the installation.
    pub fn new(
        verify: Arc<Verify>,
        surroundings: Arc<dyn Surroundings>,
        operators: Option<AccountSid>,
    ) -> Self {
        let (seen, written) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { verify, surroundings, operators, seen, written }
    }

    /// Looks at the surroundings at intervals until `stop`.
    pub async fn keep_looking(self: Arc<Self>, stop: CancellationToken) {
        let looking = async {
            loop {
                self.of_surroundings();
                self.verify.clock.sleep(LOOK_EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }

    /// The conditions that need the attention of an account's operators; with those of the installation, if they may see these.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn of_account(&self, account: AccountSid) -> VerifyResult<Checkup> {
        let mut attention = Vec::new();
        if self.sees_installation(account).await? {
            attention.extend(self.installation().await);
        }
        attention.extend(self.outages_of(account).await?);
        attention.extend(self.webhooks_of(account).await?);
        attention.extend(self.pushes_of(account).await?);
        Ok(Checkup { attention, checked_at: self.verify.now() })
    }

    /// The conditions of the installation and of all accounts, without accounts' rates.
    ///
    /// # Errors
    /// The database cannot be read, and the test write succeeded all the same.
    pub async fn of_everything(&self) -> VerifyResult<Checkup> {
        let mut attention = self.installation().await;
        attention.extend(self.surroundings.outages().into_iter().map(|outage| {
            let Outage { destination, since, is_rejected, reason, .. } = outage;
            Attention {
                matter: of_outage(destination, None, is_rejected, reason),
                since: Some(since),
            }
        }));
        let is_away = |found: &Attention| matches!(found.matter, Matter::DatabaseAway(_));
        match self.verify.store.failing_webhooks().await {
            Ok(failing) => attention.extend(failing.into_iter().map(of_failing)),
            Err(_) if attention.iter().any(is_away) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Checkup { attention, checked_at: self.verify.now() })
    }

    async fn sees_installation(&self, account: AccountSid) -> VerifyResult<bool> {
        if let Some(operators) = self.operators {
            return Ok(operators == account);
        }
        Ok(self.verify.store.accounts(PageQuery::first(2)).await?.items.len() < 2)
    }

    async fn installation(&self) -> Vec<Attention> {
        let written = self.test_write().await;
        let mut attention = self.dated(&["database_away", "database_slow"], written);
        attention.extend(self.of_surroundings());
        attention
    }

    /// The disk, the connection to the other nodes, and the clock.
    fn of_surroundings(&self) -> Vec<Attention> {
        let disk = self.surroundings.disk().filter(|disk| disk.needs_attention());
        let is_apart = self.verify.bus.link().is_some_and(|link| *link.borrow() == Link::Down);
        let found = [
            disk.map(Matter::DiskNearlyFull),
            is_apart.then_some(Matter::NodesApart),
            of_clock(self.verify.clock.machine_ahead()),
        ];
        let kinds = ["disk_nearly_full", "nodes_apart", "clock_off"];
        self.dated(&kinds, found.into_iter().flatten())
    }

    /// Adds since when each matter has been seen. Those of these kinds that were not found are over.
    fn dated(&self, kinds: &[&str], found: impl IntoIterator<Item = Matter>) -> Vec<Attention> {
        let now = self.verify.now();
        let found: Vec<_> = found.into_iter().collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_found = |kind: &str| found.iter().any(|matter| matter.as_str() == kind);
        seen.retain(|kind, _| !kinds.contains(kind) || is_found(kind));
        let date = |matter: Matter| {
            let since = Some(*seen.entry(matter.as_str()).or_insert(now));
            Attention { matter, since }
        };
        found.into_iter().map(date).collect()
    }

    /// Writes to the database, at most once in a while. Callers that come meanwhile wait for the result.
    async fn test_write(&self) -> Option<Matter> {
        let mut written = self.written.lock().await;
        let began = self.verify.monotonic();
        if let Some((at, matter)) = &*written
            && began.since(*at) < WRITE_KEPT
        {
            return matter.clone();
        }
        let result = tokio::select! {
            result = self.verify.try_to_write() => result.map_err(|error| error.to_string()),
            () = self.verify.clock.sleep(WRITE_TIMEOUT) => Err("the database does not answer".to_owned()),
        };
        let ended = self.verify.monotonic();
        let matter = of_write(result.map(|()| ended.since(began)));
        *written = Some((ended, matter.clone()));
        matter
    }

    async fn outages_of(&self, account: AccountSid) -> VerifyResult<Vec<Attention>> {
        let outages = self.surroundings.outages();
        if outages.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.verify.store;
        let credentials = store.credentials(account, PageQuery::first(MOST)).await?.items;
        let services = store.services(account, PageQuery::first(MOST)).await?.items;
        // A credential that was changed since may work: the next push tells.
        let name = |sid: CredentialSid, version: Instant| {
            let found = credentials.iter().find(|credential| credential.sid == sid)?;
            (found.updated_at <= version).then(|| found.friendly_name.clone())
        };
        let is_mine = |sid: ServiceSid| services.iter().any(|service| service.sid == sid);
        let matter = |Outage { destination, version, since, is_rejected, reason, .. }| {
            let name = match &destination {
                Destination::Credential(credential) => name(*credential, version)?,
                Destination::Browser { service, .. } if is_mine(*service) => None,
                Destination::Browser { .. } => return None,
            };
            let matter = of_outage(destination, name, is_rejected, reason);
            Some(Attention { matter, since: Some(since) })
        };
        let mut found: Vec<_> = outages.into_iter().filter_map(matter).collect();
        found.sort_by_key(|attention| attention.since);
        Ok(found)
    }

    async fn webhooks_of(&self, account: AccountSid) -> VerifyResult<Vec<Attention>> {
        let now = self.verify.now();
        let states = self.verify.store.webhook_states(account, usize::from(MOST));
        let states = self.verify.reports.run(states).await?;
        let troubled = states.into_iter().filter(|state| state.calls.need_attention(now));
        let attention = troubled.map(|state| Attention {
            since: state.calls.oldest,
            matter: Matter::WebhookCalls {
                service: state.service,
                webhook: state.webhook,
                name: state.name,
                calls: state.calls,
                error: state.error,
            },
        });
        Ok(attention.collect())
    }

    async fn pushes_of(&self, account: AccountSid) -> VerifyResult<Vec<Attention>> {
        let hour = Grain::Hour.duration();
        let recent = Grain::Hour.begin(self.verify.now()) - hour;
        let query =
            SummaryQuery { account, grain: Grain::Hour, from: recent - hour * 24, service: None };
        let rows = self.verify.reports.run(self.verify.store.summaries(query)).await?;
        let counts: Vec<HourCount> = rows
            .into_iter()
            .map(|row| (row.by.0, row.by.1, row.measure, row.bucket, row.count))
            .collect();
        let attention = |rates: FailureRates| Attention {
            since: Some(rates.since),
            matter: Matter::PushesFail(rates),
        };
        Ok(failing_platforms(&counts, recent).into_iter().map(attention).collect())
    }
}

fn of_outage(
    destination: Destination,
    name: Option<String>,
    is_rejected: bool,
    reason: Option<String>,
) -> Matter {
    match destination {
        Destination::Credential(credential) if is_rejected => {
            Matter::CredentialRefused { credential, name, reason }
        }
        Destination::Credential(credential) => {
            Matter::PushServiceFails { credential, name, reason }
        }
        Destination::Browser { service, origin } => {
            Matter::BrowserServiceFails { service, origin, reason }
        }
    }
}

fn of_failing(failing: FailingWebhook) -> Attention {
    let FailingWebhook { webhook, service, url, waiting, given_up, last_error, .. } = failing;
    let waiting = u64::from(waiting);
    let calls =
        CallCounts { waiting, failing: waiting, given_up: u64::from(given_up), oldest: None };
    let error = Some(last_error);
    let matter = Matter::WebhookCalls { service, webhook, name: url, calls, error };
    Attention { matter, since: None }
}
