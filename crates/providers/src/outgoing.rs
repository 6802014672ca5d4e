//! The operator's settings for outgoing calls, and the HTTP clients made from them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_domain::invalid::Invalid;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, retry};
use url::Url;

use crate::guard::allowed::Allowed;
use crate::guard::resolver::SystemResolver;
use crate::webpush::subject::VapidSubject;

/// The TLS library rejects the settings.
pub(crate) const UNUSABLE_TLS: Invalid = Invalid::because("the TLS settings cannot be used");

/// How long a connection to a push service may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call to a push service may take in total.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of HTTP/2 pings on a connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// The operator's settings for outgoing calls.
#[derive(Clone)]
pub struct Outgoing {
    /// Apple's production environment, or a stand-in for it.
    pub apns: Url,
    /// Apple's sandbox.
    pub apns_sandbox: Url,
    /// Google's FCM.
    pub fcm: Url,
    /// Certificate authorities to trust besides the system's, each a PEM text of one or more certificates.
    pub roots: Vec<String>,
    /// A proxy for calls to Apple and Google. Guarded calls never use it.
    pub proxy: Option<Url>,
    /// Addresses that may be called although they are not public, also by plain http; at one port or at all.
    pub allow: Vec<Allowed>,
    /// Name servers for guarded calls, instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// The operator's contact in every VAPID token. Without it no push is sent to Apple's browsers.
    pub vapid_subject: VapidSubject,
    /// Resolves the names of Apple's and Google's hosts.
    pub resolver: SystemResolver,
}

impl Default for Outgoing {
    fn default() -> Self {
        let url = |text| Url::parse(text).expect("it is a URL");
        Self {
            apns: url("https://api.push.apple.com"),
            apns_sandbox: url("https://api.sandbox.push.apple.com"),
            fcm: url("https://fcm.googleapis.com"),
            roots: Vec::new(),
            proxy: None,
            allow: Vec::new(),
            name_servers: Vec::new(),
            vapid_subject: VapidSubject::Missing,
            resolver: SystemResolver::default(),
        }
    }
}

impl fmt::Debug for Outgoing {
    /// Omits the proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            apns,
            apns_sandbox,
            fcm,
            roots,
            proxy,
            allow,
            name_servers,
            vapid_subject,
            resolver: _,
        } = self;
        f.debug_struct("Outgoing")
            .field("apns", &apns.as_str())
            .field("apns_sandbox", &apns_sandbox.as_str())
            .field("fcm", &fcm.as_str())
            .field("roots", &roots.len())
            .field("proxy", &proxy.as_ref().and_then(Url::host_str))
            .field("allow", allow)
            .field("name_servers", name_servers)
            .field("vapid_subject", vapid_subject)
            .finish()
    }
}

impl Outgoing {
    /// Checks that the settings can be used.
    ///
    /// # Errors
    /// The setting that cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        for base in [&self.apns, &self.apns_sandbox, &self.fcm] {
            if !matches!(base.scheme(), "https" | "http") || base.host().is_none() {
                return Err(Invalid("a push service's address must be an https URL".into()));
            }
        }
        self.push_service_client(&self.apns, HttpVersion::Http2, None).map(|_| ())
    }

    /// A client for a push service's own host.
    pub(crate) fn push_service_client(
        &self,
        base: &Url,
        version: HttpVersion,
        identity: Option<Identity>,
    ) -> Result<Client, Invalid> {
        let mut builder = self.client_builder()?.no_proxy().dns_resolver(self.resolver.clone());
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.clone());
            builder =
                builder.proxy(proxy.map_err(|_| Invalid::because("the proxy cannot be used"))?);
        }
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        // Plain http, which only an operator can configure, has no handshake that could negotiate the version.
        if version == HttpVersion::Http2 || base.scheme() == "http" {
            builder = builder.http2_prior_knowledge();
        }
        builder
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(None)
            // Disables the client's own retries; ours check the deadline first.
            .retry(retry::never().max_retries_per_request(0))
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .http2_keep_alive_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .http2_adaptive_window(true)
            .build()
            .map_err(|_| UNUSABLE_TLS)
    }

    /// A client for a host that the operator named in the settings.
    pub(crate) fn operators_client(&self, timeout: Duration) -> Result<Client, Invalid> {
        let builder = self.client_builder()?.no_proxy().dns_resolver(self.resolver.clone());
        builder.connect_timeout(timeout).timeout(timeout).build().map_err(|_| UNUSABLE_TLS)
    }

    /// A client builder with the root certificates, which follows no redirects.
    pub(crate) fn client_builder(&self) -> Result<ClientBuilder, Invalid> {
        const FORM: Invalid = Invalid::because("a root certificate must be PEM");
        let mut roots = Vec::new();
        for pem in &self.roots {
            let bundle = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| FORM)?;
            if bundle.is_empty() {
                return Err(FORM);
            }
            roots.extend(bundle);
        }
        let agent = concat!("countersign/", env!("CARGO_PKG_VERSION"));
        Ok(Client::builder()
            .user_agent(agent)
            .tls_certs_merge(roots)
            .redirect(Policy::none())
            .tcp_nodelay(true))
    }
}

/// The HTTP version that a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// HTTP/2, known in advance. Requests that start together then share one connection instead of making one each.
    Http2,
    /// The version that the TLS handshake negotiates: a middlebox may know only HTTP/1.1.
    Either,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_settings_are_rejected() {
        assert_eq!(Outgoing::default().check(), Ok(()));
        let url = |text| Url::parse(text).unwrap();
        for wrong in [
            Outgoing { fcm: url("ftp://fcm"), ..Outgoing::default() },
            Outgoing { roots: vec!["not PEM".into()], ..Outgoing::default() },
            Outgoing { proxy: Some(url("data:,x")), ..Outgoing::default() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_proxy_password_is_not_printed() {
        let proxy = Some(Url::parse("http://owl:hunter2@proxy.example.com:3128").unwrap());
        let printed = format!("{:?}", Outgoing { proxy, ..Outgoing::default() });
        assert!(printed.contains("proxy.example.com") && !printed.contains("hunter2"), "{printed}");
    }
}
