//! The sections of the configuration, each with its defaults and bounds.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use countersign_api::Allowance;
use countersign_delivery::EngineOptions;
use countersign_verify::SessionDurations;
use countersign_verify::concurrency::ConcurrencyLimits;
use ipnet::{IpNet, Ipv4Net};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::place::{Place, Places};
use super::values::{address, address_if_any, list, url_if_any};
use crate::secret_file;

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
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            insecure_http: false,
            tls_certificate: None,
            tls_key: None,
            body_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            requests_max: 10_000,
            requests_per_account: 2_500,
            requests_per_device: 20,
            strangers_per_address: 100,
            unsent_bytes_max: 256 << 20,
            unsent_bytes_per_account: 64 << 20,
            body_seconds: 30,
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

/// Whether pages' URLs can begin with a URL.
fn is_base(key: &str, url: &Url) -> anyhow::Result<()> {
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "{key} must be an http or https URL"
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "{key} must have no user and no password"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "{key} must have no query and no fragment"
    );
    Ok(())
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

/// `[admin]`: the operator's listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where `/healthz`, `/readyz` and `/metrics` are served, in plain http. If absent, the first two are on the main
    /// listener and the third is nowhere.
    #[serde(deserialize_with = "address_if_any")]
    pub listen: Option<SocketAddr>,
}

/// `[console]`: the operator's pages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// Whether they are served, at `/console`.
    pub enabled: bool,
    /// The listener that serves them.
    pub listen: ConsoleListener,
    /// The URL by which browsers reach them, without `/console`. If absent, `http.public_url`, or with `listen = "admin"`
    /// plain http at `admin.listen`.
    #[serde(deserialize_with = "url_if_any")]
    pub public_url: Option<Url>,
    /// After so many seconds an operator has to sign in again, whatever happened; 300 to 2,592,000.
    pub session_seconds: u64,
    /// After so many seconds in which the operator did nothing as well; 60 to `session_seconds`.
    pub session_idle_seconds: u64,
}

/// The listener that serves the operator's pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleListener {
    /// `http.listen`.
    #[default]
    Main,
    /// `admin.listen`, and there alone.
    Admin,
}

impl Default for ConsoleSection {
    fn default() -> Self {
        let SessionDurations { max: most, idle } = SessionDurations::default();
        Self {
            enabled: true,
            listen: ConsoleListener::Main,
            public_url: None,
            session_seconds: most.as_secs(),
            session_idle_seconds: idle.as_secs(),
        }
    }
}

impl ConsoleSection {
    pub(super) fn check(&self, admin: &Admin) -> anyhow::Result<()> {
        ensure!(
            self.listen == ConsoleListener::Main || admin.listen.is_some(),
            "console.listen is \"admin\", and admin.listen is not set: set it to an address, for example 127.0.0.1:9090"
        );
        ensure!(
            (300..=2_592_000).contains(&self.session_seconds),
            "console.session_seconds must be 300 to 2592000"
        );
        ensure!(
            (60..=self.session_seconds).contains(&self.session_idle_seconds),
            "console.session_idle_seconds must be 60 to console.session_seconds, which is {}",
            self.session_seconds
        );
        self.public_url.as_ref().map_or(Ok(()), |url| is_base("console.public_url", url))
    }

    /// How long operators stay signed in.
    pub const fn sessions(&self) -> SessionDurations {
        SessionDurations {
            max: Duration::from_secs(self.session_seconds),
            idle: Duration::from_secs(self.session_idle_seconds),
        }
    }
}

/// `[database]`: which database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSection {
    /// `postgres://user:password@host/name?sslmode=require`: PostgreSQL, which any number of servers may share. If
    /// absent, SQLite in the data folder, which is this server's alone. It may hold a password, so nobody prints it.
    #[serde(serialize_with = "unseen")]
    pub url: Option<SecretString>,
    /// A file of certificate authorities (PEM) that PostgreSQL's certificate may be signed by, instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// Connections to PostgreSQL at most.
    pub connections_max: usize,
    /// A pooler such as PgBouncer hands out connections by the transaction: nothing is kept prepared on one.
    pub transaction_pooling: bool,
    /// Seconds that a command or a read may take on PostgreSQL, the wait for a connection and for locks included. What takes
    /// longer is answered 503.
    pub timeout_seconds: u64,
}

/// Writes that there is none, whatever there is.
fn unseen<S: Serializer>(_: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

impl Default for DatabaseSection {
    fn default() -> Self {
        Self {
            url: None,
            tls_ca: None,
            connections_max: 16,
            transaction_pooling: false,
            timeout_seconds: 4,
        }
    }
}

impl DatabaseSection {
    /// A password in a file that everybody on this machine may read.
    pub(super) fn warning(&self, places: &Places) -> Option<String> {
        let (url, Place::File(path, _)) = (self.url.as_ref()?, places.find("database.url")?) else {
            return None;
        };
        let has_password =
            Url::parse(url.expose_secret()).is_ok_and(|url| url.password().is_some());
        secret_file::warning(path).filter(|_| has_password)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let is_postgres = |url: &SecretString| {
            let url = url.expose_secret();
            url.starts_with("postgres://") || url.starts_with("postgresql://")
        };
        ensure!(
            self.url.as_ref().is_none_or(is_postgres),
            "database.url must begin with postgres://"
        );
        ensure!(
            (4..=1_000).contains(&self.connections_max),
            "database.connections_max must be 4 to 1000"
        );
        ensure!(
            (1..=60).contains(&self.timeout_seconds),
            "database.timeout_seconds must be 1 to 60"
        );
        Ok(())
    }
}

/// `[store]`: how the database is worked on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Connections that read.
    pub readers: usize,
    /// Commands that may wait for the writer; more are answered 503.
    pub queue_max: usize,
    /// Commands that share one commit at most.
    pub batch_max: usize,
    /// Pages of 4 KiB that the database may grow to; a write that needs more is answered 503. 0 means no bound but the
    /// disk's.
    pub pages_max: u32,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { readers: 4, queue_max: 4_096, batch_max: 512, pages_max: 0 }
    }
}

impl StoreSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!((1..=64).contains(&self.readers), "store.readers must be 1 to 64");
        ensure!(self.queue_max >= 1, "store.queue_max must be at least 1");
        ensure!(self.batch_max >= 1, "store.batch_max must be at least 1");
        Ok(())
    }
}

/// `[delivery]`: the engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Seconds after which others may take over what a node works on; they look every second, so that a dead node's work is
    /// taken over within 15.
    pub lease_seconds: u64,
    /// Deliveries that may wait in memory for the dispatcher; more wait in the database.
    pub queue_max: usize,
    /// Pushes that may wait for a device's acknowledgement at a time.
    pub in_flight_max: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        let engine = EngineOptions::default();
        Self {
            lease_seconds: engine.lease.as_secs(),
            queue_max: engine.queue_max,
            in_flight_max: engine.stream_attempts_max,
        }
    }
}

impl Delivery {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        // A device has ten seconds for its acknowledgement; a shorter lease would be lost before.
        ensure!(
            (12..=300).contains(&self.lease_seconds),
            "delivery.lease_seconds must be 12 to 300"
        );
        ensure!(self.queue_max >= 1, "delivery.queue_max must be at least 1");
        ensure!(self.in_flight_max >= 1, "delivery.in_flight_max must be at least 1");
        Ok(())
    }

    /// How long a delivery is ours.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

/// `[stream]`: device streams.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// Sockets that have not said yet who they are, in all.
    pub unauthenticated_max: usize,
    /// The same, from one address.
    pub unauthenticated_per_address: usize,
    /// Sockets in all; 0 means no bound.
    pub sockets_max: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self { unauthenticated_max: 1_000, unauthenticated_per_address: 20, sockets_max: 0 }
    }
}

/// `[outgoing]`: calls to push services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outgoing {
    /// Apple's production environment; another URL for a stand-in.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_url: Option<Url>,
    /// Apple's sandbox; likewise.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_sandbox_url: Option<Url>,
    /// Google's FCM; likewise.
    #[serde(deserialize_with = "url_if_any")]
    pub fcm_url: Option<Url>,
    /// Files of certificate authorities to trust besides the system's, in PEM. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub roots: Vec<PathBuf>,
    /// A proxy for calls to Apple and Google.
    #[serde(deserialize_with = "url_if_any")]
    pub proxy: Option<Url>,
    /// Networks that may be called although they are private, also by plain http, such as `10.1.0.0/16`; with a port,
    /// such as `10.1.0.0/16:8443` or `[fd00::/8]:8443`, at that one only. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Name servers for addresses that strangers made up, such as `10.0.0.2` or `10.0.0.2:5353`; the system's if there are
    /// none. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub name_servers: Vec<String>,
    /// Whom a browser's push service can turn to: a `mailto:` or `https:` URI. If absent, `http.public_url` where that is
    /// https and no placeholder.
    pub vapid_subject: Option<String>,
}

impl Outgoing {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let schemes = |key, url: &Option<Url>, schemes: &[&str]| {
            let is_one = |url: &Url| schemes.contains(&url.scheme()) && url.host().is_some();
            // Not shown: it may hold a password.
            ensure!(
                url.as_ref().is_none_or(is_one),
                "{key} must be a URL with a host that begins with {}://",
                schemes.join(":// or ")
            );
            Ok(())
        };
        for (key, url) in [
            ("outgoing.apns_url", &self.apns_url),
            ("outgoing.apns_sandbox_url", &self.apns_sandbox_url),
            ("outgoing.fcm_url", &self.fcm_url),
        ] {
            schemes(key, url, &["https", "http"])?;
        }
        schemes("outgoing.proxy", &self.proxy, &["http", "https"])
    }
}

/// `[devices]`: what devices may register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// Refuses push tokens of less than 32 characters, as documented.
    pub strict_push_tokens: bool,
}

impl Default for Devices {
    fn default() -> Self {
        Self { strict_push_tokens: true }
    }
}

/// `[retention]`: how long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that challenges and their notifications are kept, 1 to 36,500.
    pub challenges_days: u32,
}

impl Retention {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.challenges_days != 0,
            "retention.challenges_days is 0, which would delete every challenge as soon as it is over: set 1 to 36500, the \
             days that challenges and their notifications are kept (36500 to keep them)"
        );
        ensure!(self.challenges_days <= 36_500, "retention.challenges_days must be 1 to 36500");
        Ok(())
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { challenges_days: 30 }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[log]`: what is logged, and how. Always to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `human` or `json`.
    pub format: LogFormat,
    /// A filter such as `info` or `info,countersign_delivery=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info,refinery_core=warn,async_nats=off".to_owned(),
        }
    }
}

/// `[traces]`: where spans of requests and attempts are sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// An OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Needs a binary
    /// that was built with the feature `otlp`.
    #[serde(deserialize_with = "url_if_any")]
    pub endpoint: Option<Url>,
}

impl Traces {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.endpoint.is_none() || cfg!(feature = "otlp"),
            "traces.endpoint is set, and this binary was built without the feature otlp"
        );
        Ok(())
    }
}
