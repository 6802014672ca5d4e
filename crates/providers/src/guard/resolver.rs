//! Names, resolved as the system does, without the addresses that must not be called.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::{Denied, Reach, addresses};

/// A resolver that leaves out what must not be called.
pub(super) struct Filtered {
    pub(super) allowed: Arc<[IpNet]>,
    pub(super) reach: Reach,
}

impl Filtered {
    fn may_call(allowed: &[IpNet], reach: Reach, address: SocketAddr) -> bool {
        let address = address.ip();
        addresses::is_listed(allowed, address)
            || (reach == Reach::Public && addresses::is_public(address))
    }
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, reach) = (Arc::clone(&self.allowed), self.reach);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (all, mut left) = (found.len(), found);
            left.retain(|address| Self::may_call(&allowed, reach, *address));
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
