//! Names for clients: without the addresses that must not be called, or as the system knows them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::names::Names;
use crate::guard::{Allowed, Denied, Reach, addresses};

/// A resolver that leaves out what must not be called.
pub(super) struct Filtered {
    pub(super) names: Arc<Names>,
    pub(super) allowed: Arc<[Allowed]>,
    /// The port that the addresses are for; 0 if the list does not name it.
    pub(super) port: u16,
    pub(super) reach: Reach,
}

impl Filtered {
    fn may_call(allowed: &[Allowed], port: u16, reach: Reach, address: IpAddr) -> bool {
        addresses::is_listed(allowed, address, port)
            || (reach == Reach::Public && addresses::is_public(address))
    }
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, allowed) = (Arc::clone(&self.names), Arc::clone(&self.allowed));
        let (port, reach) = (self.port, self.reach);
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let may_call = |address: &IpAddr| Self::may_call(&allowed, port, reach, *address);
            let left: Vec<_> = found.iter().copied().filter(may_call).collect();
            if left.is_empty() {
                let denied = match reach {
                    Reach::Public => Denied::Address,
                    Reach::Listed => Denied::NotListed,
                };
                return Err(denied.into());
            }
            Ok(Box::new(left.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Names of push services' own hosts, as the system's configuration has them. Clones share one resolver: a look-up waits on no
/// thread and has a deadline.
#[derive(Clone)]
pub struct SystemNames(pub(super) Arc<Names>);

impl Default for SystemNames {
    fn default() -> Self {
        Self(Names::new(&[]))
    }
}

impl fmt::Debug for SystemNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemNames").finish_non_exhaustive()
    }
}

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let addresses: Vec<_> = found.iter().map(|found| SocketAddr::new(*found, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
