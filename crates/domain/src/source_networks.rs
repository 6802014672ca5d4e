//! The networks that requests of an integration may come from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// The largest number of networks of an integration.
pub const MAX_NETWORKS: usize = 32;

/// Networks in CIDR notation, each once, at most [`MAX_NETWORKS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceNetworks(Vec<IpNet>);

impl SourceNetworks {
    /// Parses networks, such as `192.0.2.0/24`, `2001:db8::/32`, or an address alone.
    ///
    /// # Errors
    /// One of them is no network, has bits behind its prefix, or is given twice; or there are too many.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut networks = Vec::new();
        for text in texts {
            let network = network(text)?;
            if networks.contains(&network) {
                return Err(Invalid::because("must name each network once"));
            }
            if networks.len() == MAX_NETWORKS {
                return Err(Invalid::because("must name at most 32 networks"));
            }
            networks.push(network);
        }
        Ok(Self(networks))
    }

    /// The networks, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    /// Whether no network is named.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request from `address` is allowed: it lies in a network, or none is named.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.is_empty() || self.holds(address).is_some()
    }

    /// The prefix length of the smallest network that holds `address`, if one does.
    pub fn holds(&self, address: IpAddr) -> Option<u8> {
        let address = address.to_canonical();
        let holding = self.0.iter().filter(|network| network.contains(&address));
        holding.map(IpNet::prefix_len).max()
    }
}

fn network(text: &str) -> Result<IpNet, Invalid> {
    let alone = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = text.parse::<IpNet>().or_else(|_| alone()).map_err(|_| {
        Invalid::because("must be networks, such as 192.0.2.0/24 or 2001:db8::/32, or addresses")
    })?;
    if network.trunc() != network {
        return Err(Invalid::because("must have no bits behind the prefix, as in 192.0.2.0/24"));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<SourceNetworks, Invalid> {
        SourceNetworks::parse(texts.iter().copied())
    }

    #[test]
    fn an_address_is_allowed_by_a_network_that_holds_it() {
        let networks = parse(&["192.0.2.0/24", "192.0.2.7", "2001:db8::/32"]).unwrap();
        let holds = |address: &str| networks.holds(address.parse().unwrap());
        assert_eq!(holds("192.0.2.8"), Some(24));
        assert_eq!(holds("192.0.2.7"), Some(32), "the smallest network");
        assert_eq!(holds("::ffff:192.0.2.8"), Some(24), "an IPv4 address in the form of IPv6");
        assert_eq!(holds("2001:db8:1::1"), Some(32));
        assert_eq!(holds("198.51.100.1"), None);
        assert!(!networks.allow("198.51.100.1".parse().unwrap()));
        assert!(SourceNetworks::default().allow("198.51.100.1".parse().unwrap()));
    }

    #[test]
    fn networks_are_exact_distinct_and_few() {
        for wrong in
            [&["192.0.2.1/24"][..], &["192.0.2.0/33"], &["owl"], &[""], &["10.0.0.1", "10.0.0.1"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        let all: Vec<_> = (0..=MAX_NETWORKS).map(|n| format!("10.0.0.{n}")).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        assert!(parse(&all[1..]).is_ok() && parse(&all).is_err());
        let read = serde_json::to_string(&parse(&all[1..]).unwrap()).unwrap();
        assert_eq!(
            serde_json::from_str::<SourceNetworks>(&read).unwrap(),
            parse(&all[1..]).unwrap()
        );
    }
}
