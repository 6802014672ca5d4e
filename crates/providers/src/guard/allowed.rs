//! The operator's list of addresses that may be called although they are not public.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use countersign_domain::invalid::Invalid;
use ipnet::IpNet;

/// A network or an address, at one port or at all: `10.1.0.0/16`, `10.1.0.0/16:8443`, `[fd00::/8]:8443`, `127.0.0.1:8080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    pub(super) net: IpNet,
    pub(super) port: Option<u16>,
}

impl Allowed {
    /// Whether an address may be called at a port.
    pub(super) fn contains(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.net.contains(&address)
    }
}

impl FromStr for Allowed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid::because(
            "must be a network or an address, with or without a port, such as 10.1.0.0/16:8443 or [fd00::/8]:8443",
        );
        let net = |text: &str| {
            let whole = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or_else(|_| whole()).map_err(|_| FORM)
        };
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or(FORM);
        if let Ok(net) = net(text) {
            return Ok(Self { net, port: None });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or(FORM)?;
            // The prefix length may stand within the brackets or after them.
            let (length, after) =
                after.split_once(':').map_or((after, None), |(a, b)| (a, Some(b)));
            let net = net(&format!("{inside}{length}"))?;
            let is_v6 = matches!(net, IpNet::V6(_));
            let port = after.map(port).transpose()?;
            return if is_v6 { Ok(Self { net, port }) } else { Err(FORM) };
        }
        let (before, after) = text.rsplit_once(':').ok_or(FORM)?;
        match net(before)? {
            net @ IpNet::V4(_) => Ok(Self { net, port: Some(port(after)?) }),
            IpNet::V6(_) => Err(FORM),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.net, self.port) {
            (net, None) => write!(f, "{net}"),
            (IpNet::V4(net), Some(port)) => write!(f, "{net}:{port}"),
            (IpNet::V6(net), Some(port)) => write!(f, "[{net}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_follow_a_network_or_an_address() {
        for (text, read) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("10.1.0.0/16:8443", "10.1.0.0/16:8443"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1:8080", "127.0.0.1/32:8080"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
            ("[::1]", "::1/128"),
            ("[::1]:8080", "[::1/128]:8080"),
            ("[fd00::/8]:8443", "[fd00::/8]:8443"),
            ("[fd00::]/8:8443", "[fd00::/8]:8443"),
        ] {
            let allowed: Allowed = text.parse().unwrap();
            assert_eq!(allowed.to_string(), read);
            assert_eq!(read.parse(), Ok(allowed), "{read}");
        }
        for wrong in [
            "",
            "10.1.0.0/33",
            "10.1/16",
            "10.1.0.0/16:",
            "10.1.0.0/16:0",
            "10.1.0.0/16:65536",
            "10.1.0.0/16:x",
            "[10.1.0.0/16]:80",
            "[::1",
            "[::1]x",
            "[::1]:",
            "example.com",
            ":80",
            "example.com:443",
            "fd00::/8:8443",
        ] {
            assert!(wrong.parse::<Allowed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_with_a_port_allows_only_that_port() {
        let one: Allowed = "10.0.0.0/8:443".parse().unwrap();
        let all: Allowed = "10.0.0.0/8".parse().unwrap();
        let address = "10.1.2.3".parse().unwrap();
        assert!(one.contains(address, 443) && !one.contains(address, 80));
        assert!(all.contains(address, 443) && all.contains(address, 80));
    }
}
