//! `[http]`: the main listener.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use countersign_api::{ApiOptions, BodyLimits};
use countersign_verify::concurrency::ConcurrencyLimits;
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{address, is_base, list, url_if_any};

/// `[http]`: the main listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSection {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The URL by which callers reach this server; page URLs and `url` members begin with it. If absent, it is made
    /// of `listen`.
    #[serde(deserialize_with = "url_if_any")]
    pub public_url: Option<Url>,
    /// Allows plain HTTP on an address that other machines reach, such as behind a proxy that ends TLS.
    pub insecure_http: bool,
    /// A certificate chain in PEM, which is read again when it changes. With it the listener serves HTTPS.
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate in PEM.
    pub tls_key: Option<PathBuf>,
    /// The largest request body in bytes; at least 32,768.
    pub body_bytes_max: usize,
    /// The largest sum of header names and values in bytes; at least 8,192.
    pub header_bytes_max: usize,
    /// Requests in progress at a time; more are answered 503. 0 means no limit. Waiting long polls do not count.
    pub requests_max: usize,
    /// Requests in progress of one account, its devices included; more are answered 429. 0 means no limit.
    pub requests_per_account: usize,
    /// Requests in progress of one device; more are answered 429. 0 means no limit.
    pub requests_per_device: usize,
    /// Requests in progress from one address without good credentials; more are answered 429. 0 means no limit.
    pub unauthenticated_per_address: usize,
    /// Bytes of the larger responses that are still to be sent; a read whose response would exceed it is answered
    /// 503. 0 means no limit.
    pub unsent_bytes_max: usize,
    /// Bytes still to be sent to one account, its devices included; such a read is answered 429. 0 means no limit.
    pub unsent_bytes_per_account: usize,
    /// Seconds in which a client must send a request's body: a third of them for the first byte, and one more second
    /// for each KiB; 1 to 3,600.
    pub body_seconds: u64,
    /// Connections to the main listener at a time. 0: as many as the limit of open files allows.
    pub connections_max: usize,
    /// Connections from one address at a time: an IPv4 address or an IPv6 network of 64 bits. 0 means no limit. If
    /// absent, half of all, and no limit for this machine, where a proxy may run.
    pub connections_per_address: Option<usize>,
    /// Seconds in which a client must complete the TLS handshake, and then send the head of its next request; 1 to
    /// 3,600.
    pub header_seconds: u64,
    /// Seconds that a connection may stay open without a request; 1 to 3,600.
    pub idle_seconds: u64,
    /// Seconds in which a client must read a response, plus one for each KiB; 1 to 3,600.
    pub write_seconds: u64,
    /// Seconds in which work in flight must end on shutdown.
    pub shutdown_seconds: u64,
    /// Addresses and networks of trusted proxies, such as `10.0.0.7` or `10.1.0.0/16`. Only their statements about
    /// client addresses are believed. A list, or one text with commas.
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
    /// Either. If both are present and disagree, neither is believed.
    #[default]
    Either,
    /// `Forwarded` only.
    Forwarded,
    /// `X-Forwarded-For` only.
    XForwardedFor,
}

impl Default for HttpSection {
    fn default() -> Self {
        let ApiOptions { body, header_limit, .. } = ApiOptions::default();
        let limits = ConcurrencyLimits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            insecure_http: false,
            tls_certificate: None,
            tls_key: None,
            body_bytes_max: body.bytes,
            header_bytes_max: header_limit,
            requests_max: limits.requests,
            requests_per_account: limits.per_account,
            requests_per_device: limits.per_device,
            unauthenticated_per_address: limits.unauthenticated_per_address,
            unsent_bytes_max: limits.unsent_bytes,
            unsent_bytes_per_account: limits.unsent_bytes_per_account,
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

impl HttpSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => bail!("http.tls_certificate is set, and http.tls_key is not"),
            (None, Some(_)) => bail!("http.tls_key is set, and http.tls_certificate is not"),
            (None, None) if !self.listen.ip().is_loopback() && !self.insecure_http => bail!(
                "http.listen is {}, which other machines reach, over plain http: set http.tls_certificate and http.tls_key, \
                 or --insecure-http if a proxy in front of it ends TLS",
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
            "http.proxy_protocol is set, and http.trusted_proxies is not: list the proxies whose headers are trusted"
        );
        Ok(())
    }

    /// The networks of trusted proxies, with IPv4 addresses that are written as IPv6 turned into IPv4.
    ///
    /// # Errors
    /// A text is no network, or is a network of all addresses.
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
                "http.trusted_proxies: {text} is every address, so every client could claim any address: list only the \
                 proxies"
            );
            Ok(canonical(network))
        };
        self.trusted_proxies.iter().map(network).collect()
    }

    /// The limits of requests in progress.
    pub const fn concurrency(&self) -> ConcurrencyLimits {
        ConcurrencyLimits {
            requests: self.requests_max,
            per_account: self.requests_per_account,
            per_device: self.requests_per_device,
            unauthenticated_per_address: self.unauthenticated_per_address,
            unsent_bytes: self.unsent_bytes_max,
            unsent_bytes_per_account: self.unsent_bytes_per_account,
        }
    }

    /// The limits of a request's body.
    pub const fn body(&self) -> BodyLimits {
        BodyLimits { bytes: self.body_bytes_max, within: Duration::from_secs(self.body_seconds) }
    }

    /// The time in which work in flight must end on shutdown.
    pub const fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

/// Turns a network of IPv4 addresses that is written as IPv6 into IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let length = v6.prefix_len().checked_sub(96);
    let mapped = v6.addr().to_ipv4_mapped().zip(length);
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}
