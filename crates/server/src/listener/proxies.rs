//! The trusted proxies in front of the server, and the address of the client behind them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

use super::forwarded::{self, Node, X_FORWARDED_FOR};
use crate::config::{HttpSection, ProxyHeader};

/// The most proxies that are followed for one request.
const HOPS_MAX: usize = 32;

/// The trusted proxies, and how they name their clients. Cheap to clone; the default trusts nobody.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<Trust>);

#[derive(Debug, Default)]
struct Trust {
    networks: Vec<IpNet>,
    header: ProxyHeader,
    speak_protocol: bool,
}

impl Proxies {
    /// The proxies of the main listener.
    ///
    /// # Errors
    /// `http.trusted_proxies` has an invalid network.
    pub fn of(http: &HttpSection) -> anyhow::Result<Self> {
        let trust = Trust {
            networks: http.trusted_networks()?,
            header: http.proxy_header,
            speak_protocol: http.proxy_protocol,
        };
        Ok(Self(Arc::new(trust)))
    }

    /// The same proxies without the PROXY protocol.
    #[must_use]
    pub fn without_protocol(&self) -> Self {
        let Trust { ref networks, header, .. } = *self.0;
        Self(Arc::new(Trust { networks: networks.clone(), header, speak_protocol: false }))
    }

    /// Whether an address belongs to a trusted proxy.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether connections from this peer begin with a PROXY header.
    pub(super) fn speak_protocol(&self, peer: IpAddr) -> bool {
        self.0.speak_protocol && self.trust(peer)
    }

    /// The client of a request from `peer`, a trusted proxy: the last address that is not a trusted proxy itself. A
    /// node that is hidden or invalid cannot be trusted, so the proxy that named it stands for its client. If both
    /// headers are read and disagree, a client made one of them up, and `peer` stands for it.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let peer_ip = peer.ip().to_canonical();
        let reads = |header| self.0.header == ProxyHeader::Either || self.0.header == header;
        let by_forwarded = (reads(ProxyHeader::Forwarded) && headers.contains_key(FORWARDED))
            .then(|| self.client_in(peer_ip, forwarded::forwarded(headers)));
        let by_other = (reads(ProxyHeader::XForwardedFor) && headers.contains_key(X_FORWARDED_FOR))
            .then(|| self.client_in(peer_ip, forwarded::x_forwarded_for(headers)));
        let client = match (by_forwarded, by_other) {
            (Some(one), Some(other)) if one != other => peer_ip,
            (one, other) => one.or(other).unwrap_or(peer_ip),
        };
        if client == peer_ip { peer } else { SocketAddr::new(client, 0) }
    }

    fn client_in(&self, peer: IpAddr, nodes: impl Iterator<Item = Node>) -> IpAddr {
        let mut last = peer;
        for node in nodes.take(HOPS_MAX) {
            match node {
                Node::Hidden => return last,
                Node::Address(address) if !self.trust(address) => return address,
                Node::Address(address) => last = address,
            }
        }
        last
    }
}

/// Whether a request has a header of a proxy.
pub(super) fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED) || headers.contains_key(X_FORWARDED_FOR)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    fn proxies(header: ProxyHeader) -> Proxies {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "2001:db8:aa::/48"];
        let trusted_proxies = trusted.map(str::to_owned).to_vec();
        let http = HttpSection { trusted_proxies, proxy_header: header, ..HttpSection::default() };
        Proxies::of(&http).unwrap()
    }

    fn client(header: ProxyHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let value = |line: &str| HeaderValue::from_str(line).unwrap();
        let headers: HeaderMap =
            lines.iter().map(|(name, line)| (HeaderName::from_static(name), value(line))).collect();
        let peer = SocketAddr::new(peer.parse().unwrap(), 9);
        proxies(header).client(peer, &headers).ip().to_string()
    }

    const F: &str = "forwarded";
    const X: &str = "x-forwarded-for";

    #[rstest]
    #[case(&[], "10.0.0.1")]
    #[case(&[(X, "192.0.2.1")], "192.0.2.1")]
    #[case(&[(X, "203.0.113.9, 192.0.2.1")], "192.0.2.1")]
    #[case(&[(X, "203.0.113.9, 192.0.2.1, 10.0.0.7, 127.0.0.1")], "192.0.2.1")]
    #[case(&[(X, "203.0.113.9"), (X, "192.0.2.1"), (X, "10.0.0.7")], "192.0.2.1")]
    #[case(&[(X, "::ffff:10.0.0.9, ::ffff:192.0.2.1, ::ffff:10.0.0.7")], "192.0.2.1")]
    #[case(&[(X, "10.0.0.9, 10.0.0.8")], "10.0.0.9")]
    #[case(&[(X, "192.0.2.1, rubbish")], "10.0.0.1")]
    #[case(&[(X, "192.0.2.1, unknown, 10.0.0.7")], "10.0.0.7")]
    #[case(&[(X, "")], "10.0.0.1")]
    #[case(&[(F, "for=203.0.113.9, for=192.0.2.1;proto=https")], "192.0.2.1")]
    #[case(&[(F, "for=192.0.2.1, for=\"[2001:db8:aa::1]:80\"")], "192.0.2.1")]
    #[case(&[(F, "for=192.0.2.1, for=_hidden, for=10.0.0.7")], "10.0.0.7")]
    #[case(&[(F, "for=\"192.0.2.1")], "10.0.0.1")]
    #[case(&[(F, "for=192.0.2.1, for=10.0.0.7"), (X, "192.0.2.1")], "192.0.2.1")]
    #[case(&[(F, "for=203.0.113.9"), (X, "192.0.2.1")], "10.0.0.1")]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxys(
        #[case] lines: &[(&'static str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(client(ProxyHeader::Either, "10.0.0.1", lines), expected, "{lines:?}");
    }

    #[test]
    fn a_header_that_the_proxies_do_not_write_is_ignored() {
        let both = [(F, "for=203.0.113.9"), (X, "192.0.2.1")];
        assert_eq!(client(ProxyHeader::Forwarded, "10.0.0.1", &both), "203.0.113.9");
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &both), "192.0.2.1");
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &both[..1]), "10.0.0.1");
    }

    #[test]
    fn a_chain_of_proxies_has_a_maximum_length() {
        let line = format!("192.0.2.1{}", ", 10.0.0.7".repeat(HOPS_MAX));
        assert_eq!(client(ProxyHeader::Either, "10.0.0.1", &[(X, &line)]), "10.0.0.7");
    }

    #[test]
    fn a_network_is_trusted_in_every_notation() {
        let proxies = proxies(ProxyHeader::Either);
        for (address, is_trusted) in [
            ("10.200.0.1", true),
            ("::ffff:10.200.0.1", true),
            ("2001:db8:aa:1::9", true),
            ("2001:db8:ab::9", false),
            ("127.0.0.2", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(proxies.trust(address.parse().unwrap()), is_trusted, "{address}");
        }
        assert!(!Proxies::default().trust("127.0.0.1".parse().unwrap()));
    }
}
