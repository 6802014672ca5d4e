//! Resolvers for the HTTP clients: one that leaves out forbidden addresses, and the system's.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses;
use super::allowed::Allowed;
use super::dns::Dns;
use super::error::{GuardError, Reach};

/// A resolver that leaves out the addresses that must not be called.
pub(super) struct FilteringResolver {
    pub(super) dns: Arc<Dns>,
    pub(super) allowed: Arc<[Allowed]>,
    /// The port that is called; 0 if the list does not name it.
    pub(super) port: u16,
    pub(super) reach: Reach,
}

impl FilteringResolver {
    fn may_call(allowed: &[Allowed], port: u16, reach: Reach, address: IpAddr) -> bool {
        addresses::is_listed(allowed, address, port)
            || (reach == Reach::Public && addresses::is_public(address))
    }
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, allowed) = (Arc::clone(&self.dns), Arc::clone(&self.allowed));
        let (port, reach) = (self.port, self.reach);
        Box::pin(async move {
            let found = dns.look_up(name.as_str()).await?;
            let may_call = |address: &IpAddr| Self::may_call(&allowed, port, reach, *address);
            let left: Vec<_> = found.iter().copied().filter(may_call).collect();
            if left.is_empty() {
                let error = match reach {
                    Reach::Public => GuardError::Address,
                    Reach::Listed => GuardError::NotListed,
                };
                return Err(error.into());
            }
            Ok(Box::new(left.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Resolves the names of the push services' own hosts, as the system is configured. Clones share one resolver. A look-up
/// blocks no thread and has a deadline.
#[derive(Clone)]
pub struct SystemResolver(pub(super) Arc<Dns>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Dns::new(&[]))
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let dns = Arc::clone(&self.0);
        Box::pin(async move {
            let found = dns.look_up(name.as_str()).await?;
            let addresses: Vec<_> = found.iter().map(|found| SocketAddr::new(*found, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
