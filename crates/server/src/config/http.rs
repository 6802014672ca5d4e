//! `[http]`: the main listener.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use countersign_api::{Allowance, ApiOptions};
use countersign_verify::concurrency::ConcurrencyLimits;
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{address, is_base, list, url_if_any};

/// `[http]`: the main listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where to listen.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// What callers reach this server by; page URLs and `url` members begin with it. From `listen` if absent.
    #[serde(deserialize_with = "url_if_any")]
    pub public_url: Option<Url>,
    /// Allows plain http on an address that is not of this machine alone, such as behind a proxy that ends TLS.
    pub insecure_http: bool,
    /// A certificate chain in PEM; read again when it changes. With it the listener speaks https.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The largest sum of header names and values, in bytes.
    pub header_bytes_max: usize,
    /// Requests that may be in work at a time; more are answered 503. 0 means no bound. Long polls are not counted while
    /// they wait.
    pub requests_max: usize,
    /// Those of one account, its devices included; more are answered 429. 0 means no bound.
    pub requests_per_account: usize,
    /// Those of one device; more are answered 429. 0 means no bound.
    pub requests_per_device: usize,
    /// Those from one address that wait and belong to nobody, since no good credentials came with them; more are answered
    /// 429. 0 means no bound.
    pub strangers_per_address: usize,
    /// Bytes of the larger responses that are still to be sent; a read whose response would exceed it is answered 503. 0
    /// means no bound.
    pub unsent_bytes_max: usize,
    /// Those of one account, its devices included; such a read is answered 429. 0 means no bound.
    pub unsent_bytes_per_account: usize,
    /// Seconds that a client has to send a request's body; a third of them for the first byte, and a second more for each KiB.
    pub body_seconds: u64,
    /// Connections to the main listener at a time. 0: as many as the limit of open files leaves room for.
    pub connections_max: usize,
    /// The same, from one address: an IPv4 address or an IPv6 network of 64 bits. 0 means no bound. If absent, half of all,
    /// and no bound for this machine, where a proxy may stand in front.
    pub connections_per_address: Option<usize>,
    /// Seconds that a client has for the TLS handshake, and then for the head of its next request.
    pub header_seconds: u64,
    /// Seconds that a connection may be without a request.
    pub idle_seconds: u64,
    /// Seconds that a client has to read a response, beside one for each KiB.
    pub write_seconds: u64,
    /// Seconds that work in flight has to end on shutdown.
    pub shutdown_seconds: u64,
    /// Addresses and networks of proxies in front of this server, such as `10.0.0.7` or `10.1.0.0/16`. They are believed what
    /// they say about their clients' addresses, and nobody else is. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<String>,
    /// The header in which trusted proxies name their clients.
    pub proxy_header: ProxyHeader,
    /// Whether connections from trusted proxies begin with a header of the PROXY protocol, version 1 or 2.
    pub proxy_protocol: bool,
}

/// The header in which trusted proxies name their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// Either. If both come and disagree, neither is believed.
    #[default]
    Either,
    /// `Forwarded` alone.
    Forwarded,
    /// `X-Forwarded-For` alone.
    XForwardedFor,
}

impl Default for Http {
    fn default() -> Self {
        let ApiOptions { body, header_limit, .. } = ApiOptions::default();
        let places = ConcurrencyLimits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            insecure_http: false,
            tls_certificate: None,
            tls_key: None,
            body_bytes_max: body.bytes,
            header_bytes_max: header_limit,
            requests_max: places.requests,
            requests_per_account: places.per_account,
            requests_per_device: places.per_device,
            strangers_per_address: places.strangers_per_address,
            unsent_bytes_max: places.unsent_bytes,
            unsent_bytes_per_account: places.unsent_bytes_per_account,
            body_seconds: body.within.as_secs(),
            connections_max: 0,
            connections_per_address: None,
            header_seconds: 10,
            idle_seconds: 60,
            write_seconds: 30,
            shutdown_seconds: 10,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::Either,
            proxy_protocol: false,
        }
    }
}

impl Http {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => bail!("http.tls_certificate is set, and http.tls_key is not"),
            (None, Some(_)) => bail!("http.tls_key is set, and http.tls_certificate is not"),
            (None, None) if !self.listen.ip().is_loopback() && !self.insecure_http => bail!(
                "http.listen is {}, which others can reach, over plain http: set http.tls_certificate and http.tls_key, \
                 or say --insecure-http if a proxy before it ends TLS",
                self.listen
            ),
            _ => {}
        }
        self.public_url.as_ref().map_or(Ok(()), |url| is_base("http.public_url", url))?;
        ensure!(self.body_bytes_max >= 32 * 1024, "http.body_bytes_max must be at least 32768");
        ensure!(self.header_bytes_max >= 8 * 1024, "http.header_bytes_max must be at least 8192");
        for (key, seconds) in [
            ("http.body_seconds", self.body_seconds),
            ("http.header_seconds", self.header_seconds),
            ("http.idle_seconds", self.idle_seconds),
            ("http.write_seconds", self.write_seconds),
        ] {
            ensure!((1..=3_600).contains(&seconds), "{key} must be 1 to 3600");
        }
        let trusted = self.trusted_networks()?;
        ensure!(
            !self.proxy_protocol || !trusted.is_empty(),
            "http.proxy_protocol is set, and http.trusted_proxies is not: name the proxies whose headers are to be believed"
        );
        Ok(())
    }

    /// The networks of trusted proxies. IPv4 addresses that are written as IPv6 are IPv4.
    ///
    /// # Errors
    /// A text that is no network, or one that everybody is in.
    pub fn trusted_networks(&self) -> anyhow::Result<Vec<IpNet>> {
        let network = |text: &String| {
            let alone = || text.parse::<IpAddr>().map(IpNet::from);
            let network = text.parse::<IpNet>().or_else(|_| alone()).map_err(|_| {
                anyhow!(
                    "http.trusted_proxies: expected an address or a network, for example 10.0.0.7 or 10.1.0.0/16, found \
                     \"{text}\""
                )
            })?;
            ensure!(
                network.prefix_len() > 0,
                "http.trusted_proxies: {text} is everybody, so that every client could name any address as its own: name the \
                 proxies"
            );
            Ok(canonical(network))
        };
        self.trusted_proxies.iter().map(network).collect()
    }

    /// How many requests may be in work.
    pub const fn concurrency(&self) -> ConcurrencyLimits {
        ConcurrencyLimits {
            requests: self.requests_max,
            per_account: self.requests_per_account,
            per_device: self.requests_per_device,
            strangers_per_address: self.strangers_per_address,
            unsent_bytes: self.unsent_bytes_max,
            unsent_bytes_per_account: self.unsent_bytes_per_account,
        }
    }

    /// What a request's body may take.
    pub const fn body(&self) -> Allowance {
        Allowance { bytes: self.body_bytes_max, within: Duration::from_secs(self.body_seconds) }
    }

    /// How long work in flight has to end on shutdown.
    pub const fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

/// A network of IPv4 addresses that is written as IPv6, as the one of IPv4 that it is.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let length = v6.prefix_len().checked_sub(96);
    let mapped = v6.addr().to_ipv4_mapped().zip(length);
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}
