//! Looks up the addresses of names: without a blocked thread, with a deadline, and each name once at a time.
//!
//! A tenant chooses names, and whether their servers ever respond. So a look-up ends after [`LOOK_UP_TIMEOUT`], a failed one is
//! not repeated for [`FAILED_TTL`], and the look-ups of an account are bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use countersign_domain::sid::AccountSid;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use tokio::time::{Instant, timeout, timeout_at};

use super::account_permits::AccountPermits;

/// How long a look-up may take, also for those that wait for it. A call may take five seconds in total.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a failed look-up is remembered.
const FAILED_TTL: Duration = Duration::from_secs(5);
/// How long the addresses of a look-up are shared with callers that waited for it. The resolver's own cache keeps them for as
/// long as they are valid.
const SHARED_TTL: Duration = Duration::from_secs(1);
/// How long a name counts as one whose server responds.
const RESPONSIVE_TTL: Duration = Duration::from_secs(60);
/// How long to wait for the addresses of the other family once those of one are known. RFC 8305, section 3, recommends less.
const OTHER_FAMILY_TIMEOUT: Duration = Duration::from_millis(250);
/// Look-ups that one account may have in flight; more wait.
const LOOK_UPS_PER_ACCOUNT: usize = 16;
/// At this number of names, those that are not in use are removed.
const SWEEP_AT: usize = 4_096;
/// How often to check whether the system's configuration has changed.
const CONFIG_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How long a name server may take before it, or the next one, is asked again.
const SERVER_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest that addresses are cached, whatever their own TTL.
const LONGEST_TTL: Duration = Duration::from_secs(5 * 60);
/// The files that configure the system's resolver.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name has no address.
    #[error("the name has no address")]
    NotFound,
    /// The name's servers did not respond in time, or failed.
    #[error("the name's servers do not answer")]
    NoResponse,
    /// The account has too many calls of this kind in flight.
    #[error("too many such calls of this account are in work")]
    TooMany,
}

type Found = Result<Arc<[IpAddr]>, ResolveError>;

/// A resolver that many clients share.
pub(crate) struct Dns {
    /// Name servers to ask instead of the system's; empty: the system's.
    servers: Vec<SocketAddr>,
    system: Mutex<System>,
    look_ups: Mutex<HashMap<Box<str>, Arc<LookUp>>>,
    permits: AccountPermits,
}

/// The resolver, and the state of the system's configuration that it was made from.
struct System {
    resolver: Option<TokioResolver>,
    modified: [Option<SystemTime>; 2],
    checked_at: Option<Instant>,
}

/// The outcome of the last look-up of a name. Locked during a look-up, so that other callers wait for its outcome.
type LookUp = tokio::sync::Mutex<Option<(Found, Instant)>>;

impl Dns {
    /// Asks these name servers, or the system's if there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> Arc<Self> {
        let system = System { resolver: None, modified: [None; 2], checked_at: None };
        Arc::new(Self {
            servers: servers.to_vec(),
            system: Mutex::new(system),
            look_ups: Mutex::default(),
            permits: AccountPermits::new(LOOK_UPS_PER_ACCOUNT),
        })
    }

    /// The present addresses of a name.
    pub(super) async fn look_up(&self, name: &str) -> Found {
        self.find(name, SHARED_TTL, Instant::now() + LOOK_UP_TIMEOUT).await
    }

    /// Looks up a name that an account chose, with a permit of the account.
    pub(super) async fn prepare(
        &self,
        account: AccountSid,
        name: &str,
    ) -> Result<(), ResolveError> {
        let deadline = Instant::now() + LOOK_UP_TIMEOUT;
        let _permit =
            self.permits.acquire(account, deadline).await.ok_or(ResolveError::NoResponse)?;
        self.find(name, RESPONSIVE_TTL, deadline).await.map(|_| ())
    }

    async fn find(&self, name: &str, ttl: Duration, deadline: Instant) -> Found {
        let look_up = self.look_up_of(name);
        let Ok(mut last) = timeout_at(deadline, look_up.lock()).await else {
            return Err(ResolveError::NoResponse);
        };
        if let Some((found, at)) = &*last {
            let ttl = if found.is_ok() { ttl } else { FAILED_TTL };
            if at.elapsed() < ttl {
                return found.clone();
            }
        }
        let found =
            timeout_at(deadline, self.ask(name)).await.unwrap_or(Err(ResolveError::NoResponse));
        *last = Some((found.clone(), Instant::now()));
        found
    }

    /// Asks for both address families at once. The family that responds first waits only briefly for the other.
    async fn ask(&self, name: &str) -> Found {
        let Some(resolver) = self.resolver() else { return Err(ResolveError::NoResponse) };
        let ask = async |kind| {
            resolver.lookup(name, kind).await.map(|found| {
                found
                    .answers()
                    .iter()
                    .filter_map(|record| record.data.ip_addr())
                    .collect::<Vec<_>>()
            })
        };
        let (mut four, mut six) = (Box::pin(ask(RecordType::A)), Box::pin(ask(RecordType::AAAA)));
        let (four, six) = tokio::select! {
            found = &mut four => {
                let wait = if found.as_ref().is_ok_and(|found| !found.is_empty()) { OTHER_FAMILY_TIMEOUT } else { LOOK_UP_TIMEOUT };
                (Some(found), timeout(wait, six).await.ok())
            }
            found = &mut six => {
                let wait = if found.as_ref().is_ok_and(|found| !found.is_empty()) { OTHER_FAMILY_TIMEOUT } else { LOOK_UP_TIMEOUT };
                (timeout(wait, four).await.ok(), Some(found))
            }
        };
        let families = [four, six];
        let is_not_found = |family: &Option<Result<Vec<IpAddr>, NetError>>| match family {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.is_no_records_found() || error.is_nx_domain(),
            None => false,
        };
        let error = if families.iter().all(is_not_found) {
            ResolveError::NotFound
        } else {
            ResolveError::NoResponse
        };
        let addresses: Vec<_> = families.into_iter().flatten().flatten().flatten().collect();
        if addresses.is_empty() { Err(error) } else { Ok(addresses.into()) }
    }

    /// The resolver; replaced when the system's configuration has changed.
    fn resolver(&self) -> Option<TokioResolver> {
        let mut system = lock(&self.system);
        let is_due =
            system.checked_at.is_none_or(|checked| checked.elapsed() >= CONFIG_CHECK_INTERVAL);
        if is_due {
            system.checked_at = Some(Instant::now());
            let modified =
                FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok());
            if system.resolver.is_none() || system.modified != modified {
                system.modified = modified;
                match self.make() {
                    Ok(resolver) => system.resolver = Some(resolver),
                    Err(error) => {
                        tracing::warn!(%error, "the configuration of the system's resolver cannot be used; the earlier one stays in use");
                    }
                }
            }
        }
        system.resolver.clone()
    }

    fn make(&self) -> Result<TokioResolver, NetError> {
        let (config, mut options) = if self.servers.is_empty() {
            // A `resolv.conf` without servers means the one on this machine (resolv.conf(5)).
            let local =
                || (config_of(&[(Ipv4Addr::LOCALHOST, 53).into()]), ResolverOpts::default());
            hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|_| local())
        } else {
            (config_of(&self.servers), ResolverOpts::default())
        };
        options.timeout = options.timeout.min(SERVER_TIMEOUT);
        options.positive_max_ttl = Some(LONGEST_TTL);
        options.negative_max_ttl = Some(FAILED_TTL);
        options.max_active_requests = SWEEP_AT;
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build()
    }

    fn look_up_of(&self, name: &str) -> Arc<LookUp> {
        let mut look_ups = lock(&self.look_ups);
        if let Some(look_up) = look_ups.get(name) {
            return Arc::clone(look_up);
        }
        if look_ups.len() >= SWEEP_AT {
            look_ups.retain(|_, look_up| Arc::strong_count(look_up) > 1);
        }
        Arc::clone(look_ups.entry(name.into()).or_default())
    }
}

fn config_of(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let at = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
        NameServerConfig::new(address.ip(), true, connections)
    };
    ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding the lock cannot leave a value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
