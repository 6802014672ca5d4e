//! Names, resolved as the system does, without the addresses that must not be called.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::{Allowed, Denied, Reach, addresses};

/// A resolver that leaves out what must not be called.
pub(super) struct Filtered {
    pub(super) allowed: Arc<[Allowed]>,
    /// The port that the addresses are for; 0 if the list does not name it.
    pub(super) port: u16,
    pub(super) reach: Reach,
}

impl Filtered {
    fn may_call(allowed: &[Allowed], port: u16, reach: Reach, address: SocketAddr) -> bool {
        let address = address.ip();
        addresses::is_listed(allowed, address, port)
            || (reach == Reach::Public && addresses::is_public(address))
    }
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, port, reach) = (Arc::clone(&self.allowed), self.port, self.reach);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (all, mut left) = (found.len(), found);
            left.retain(|address| Self::may_call(&allowed, port, reach, *address));
            if left.is_empty() && all > 0 {
                let denied = match reach {
                    Reach::Public => Denied::Address,
                    Reach::Listed => Denied::NotListed,
                };
                return Err(denied.into());
            }
            Ok(Box::new(left.into_iter()) as Addrs)
        })
    }
}
