//! Names and their addresses: asked for without a thread that waits, with a deadline, and each name once at a time.
//!
//! A tenant chooses names, and whether their servers ever answer. So a look-up ends after [`WITHIN`], one that failed is not
//! repeated for [`FAILED_FOR`], and each account has a bounded number of them at once.

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

use crate::guard::turns::Turns;

/// How long a look-up may take, for those that wait for it too. A call may take five seconds as a whole.
const WITHIN: Duration = Duration::from_secs(4);
/// For so long a name that was not found, or whose server did not answer, is not asked for again.
const FAILED_FOR: Duration = Duration::from_secs(5);
/// For so long those that waited for a look-up take its addresses; the resolver's own cache knows how long they are valid.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// For so long a name counts as one whose server answers.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// With addresses of one family at hand, so long is waited for those of the other (RFC 8305, section 3, is less patient).
const OTHER_FAMILY: Duration = Duration::from_millis(250);
/// Look-ups of one account at once; more wait for their turn.
const AT_ONCE: usize = 16;
/// Names that are not in use are forgotten when there are this many.
const MANY: usize = 4_096;
/// How often to look whether the system's configuration was changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a name server may take before it, or another one, is asked again.
const SERVER_WITHIN: Duration = Duration::from_millis(1_500);
/// The longest that addresses are kept, however long they are said to be valid.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What the system's resolver goes by.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// There is none.
    #[error("the name has no address")]
    Unknown,
    /// Its servers did not answer in time, or could not say.
    #[error("the name's servers do not answer")]
    Silent,
    /// The account has too many calls of this kind in work.
    #[error("too many such calls of this account are in work")]
    Crowded,
}

type Found = Result<Arc<[IpAddr]>, Unresolved>;

/// A resolver that many clients share.
pub(super) struct Names {
    /// Asked instead of the system's, if there are any.
    servers: Vec<SocketAddr>,
    system: Mutex<System>,
    asked: Mutex<HashMap<Box<str>, Arc<Slot>>>,
    turns: Turns,
}

/// The resolver, as the system's configuration was when it was made.
struct System {
    resolver: Option<TokioResolver>,
    changed: [Option<SystemTime>; 2],
    looked: Option<Instant>,
}

/// The outcome of the last look-up of a name. Locked during a look-up, so that other callers wait for its outcome.
type Slot = tokio::sync::Mutex<Option<(Found, Instant)>>;

impl Names {
    /// Names as the system knows them, or as these servers do.
    pub(super) fn new(servers: &[SocketAddr]) -> Arc<Self> {
        let system = System { resolver: None, changed: [None; 2], looked: None };
        Arc::new(Self {
            servers: servers.to_vec(),
            system: Mutex::new(system),
            asked: Mutex::default(),
            turns: Turns::new(AT_ONCE),
        })
    }

    /// The addresses of a name, as they are now.
    pub(super) async fn look_up(&self, name: &str) -> Found {
        self.find(name, SHARED_FOR, Instant::now() + WITHIN).await
    }

    /// Sees to it that a name which an account chose can be resolved, at the account's expense.
    pub(super) async fn prepare(&self, account: AccountSid, name: &str) -> Result<(), Unresolved> {
        let deadline = Instant::now() + WITHIN;
        let _turn = self.turns.take(account, deadline).await.ok_or(Unresolved::Silent)?;
        self.find(name, GOOD_FOR, deadline).await.map(|_| ())
    }

    async fn find(&self, name: &str, shared_for: Duration, deadline: Instant) -> Found {
        let slot = self.slot(name);
        let Ok(mut last) = timeout_at(deadline, slot.lock()).await else {
            return Err(Unresolved::Silent);
        };
        if let Some((found, at)) = &*last {
            let good_for = if found.is_ok() { shared_for } else { FAILED_FOR };
            if at.elapsed() < good_for {
                return found.clone();
            }
        }
        let found = timeout_at(deadline, self.ask(name)).await.unwrap_or(Err(Unresolved::Silent));
        *last = Some((found.clone(), Instant::now()));
        found
    }

    /// Asks for both families at once; that of the first answer does not wait long for the other.
    async fn ask(&self, name: &str) -> Found {
        let Some(resolver) = self.resolver() else { return Err(Unresolved::Silent) };
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
                let patience = if found.as_ref().is_ok_and(|found| !found.is_empty()) { OTHER_FAMILY } else { WITHIN };
                (Some(found), timeout(patience, six).await.ok())
            }
            found = &mut six => {
                let patience = if found.as_ref().is_ok_and(|found| !found.is_empty()) { OTHER_FAMILY } else { WITHIN };
                (timeout(patience, four).await.ok(), Some(found))
            }
        };
        let families = [four, six];
        let is_unknown = |family: &Option<Result<Vec<IpAddr>, NetError>>| match family {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.is_no_records_found() || error.is_nx_domain(),
            None => false,
        };
        let unresolved =
            if families.iter().all(is_unknown) { Unresolved::Unknown } else { Unresolved::Silent };
        let addresses: Vec<_> = families.into_iter().flatten().flatten().flatten().collect();
        if addresses.is_empty() { Err(unresolved) } else { Ok(addresses.into()) }
    }

    /// The resolver, made anew when the system's configuration was changed.
    fn resolver(&self) -> Option<TokioResolver> {
        let mut system = lock(&self.system);
        let is_due = system.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if is_due {
            system.looked = Some(Instant::now());
            let changed =
                FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok());
            if system.resolver.is_none() || system.changed != changed {
                system.changed = changed;
                match self.make() {
                    Ok(resolver) => system.resolver = Some(resolver),
                    Err(error) => {
                        tracing::warn!(%error, "the configuration of the system's resolver cannot be used");
                    }
                }
            }
        }
        system.resolver.clone()
    }

    fn make(&self) -> Result<TokioResolver, NetError> {
        let (config, mut options) = if self.servers.is_empty() {
            // Without servers that file means the one on this machine.
            let local =
                || (of_servers(&[(Ipv4Addr::LOCALHOST, 53).into()]), ResolverOpts::default());
            hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|_| local())
        } else {
            (of_servers(&self.servers), ResolverOpts::default())
        };
        options.timeout = options.timeout.min(SERVER_WITHIN);
        options.positive_max_ttl = Some(LONGEST);
        options.negative_max_ttl = Some(FAILED_FOR);
        options.max_active_requests = MANY;
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build()
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut asked = lock(&self.asked);
        if let Some(slot) = asked.get(name) {
            return Arc::clone(slot);
        }
        if asked.len() >= MANY {
            asked.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(asked.entry(name.into()).or_default())
    }
}

fn of_servers(servers: &[SocketAddr]) -> ResolverConfig {
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

/// Nothing here can be left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
