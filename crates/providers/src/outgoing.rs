//! How this server calls others, as its operator says.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_domain::invalid::Invalid;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, retry};
use url::Url;

use crate::guard::{Allowed, SystemNames, Unresolved};
use crate::webpush::VapidSubject;

/// The TLS library could not be set up.
pub(crate) const UNUSABLE: Invalid = Invalid::because("the TLS settings are no use");

/// How long a connection to a push service may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call to a push service may take as a whole.
const WHOLE: Duration = Duration::from_secs(10);
/// How often a connection that stands is asked whether it still does.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The operator's settings for calls to others.
#[derive(Clone)]
pub struct Outgoing {
    /// Apple's production environment, or a stand-in for it.
    pub apns: Url,
    /// Apple's sandbox.
    pub apns_sandbox: Url,
    /// Google's FCM.
    pub fcm: Url,
    /// Certificate authorities beside the system's, each a PEM text of one or more certificates.
    pub roots: Vec<String>,
    /// A proxy for calls to Apple and Google. Calls to addresses that strangers made up never use it.
    pub proxy: Option<Url>,
    /// Addresses that may be called although they are not of the public internet, and by plain http; at one port or all.
    pub allow: Vec<Allowed>,
    /// Name servers for addresses that strangers made up, instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Whom a browser's push service can turn to, shown in every VAPID token. Apple is sent no push without it.
    pub vapid_subject: VapidSubject,
    /// How the names of Apple's and Google's hosts are looked up.
    pub names: SystemNames,
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
            names: SystemNames::default(),
        }
    }
}

impl fmt::Debug for Outgoing {
    /// Without the proxy's password.
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
            names: _,
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
    /// Whether these settings can be used.
    ///
    /// # Errors
    /// Says which cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        for base in [&self.apns, &self.apns_sandbox, &self.fcm] {
            if !matches!(base.scheme(), "https" | "http") || base.host().is_none() {
                return Err(Invalid("a push service's address must be an https URL".into()));
            }
        }
        self.vendor(&self.apns, Speaks::Http2, None).map(|_| ())
    }

    /// A client for a push service's own host.
    pub(crate) fn vendor(
        &self,
        base: &Url,
        speaks: Speaks,
        identity: Option<Identity>,
    ) -> Result<Client, Invalid> {
        let mut builder = self.roots_only()?.no_proxy().dns_resolver(self.names.clone());
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.clone());
            builder = builder.proxy(proxy.map_err(|_| Invalid::because("the proxy is no use"))?);
        }
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        // Over plain http, which only an operator can ask for, there is nothing to agree on it with.
        if speaks == Speaks::Http2 || base.scheme() == "http" {
            builder = builder.http2_prior_knowledge();
        }
        builder
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .pool_idle_timeout(None)
            // Whoever repeats looks at the clock first: the client does not, so it does not.
            .retry(retry::never().max_retries_per_request(0))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(CONNECT)
            .http2_keep_alive_while_idle(true)
            .http2_adaptive_window(true)
            .build()
            .map_err(|_| UNUSABLE)
    }

    /// A builder with the roots, that follows nobody anywhere else.
    pub(crate) fn roots_only(&self) -> Result<ClientBuilder, Invalid> {
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

/// What a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/2, for certain. Requests that start together then wait for one connection instead of making one each.
    Http2,
    /// What the two agree on: something between us and the host may know only the older version.
    Either,
}

/// What went wrong with a call, without the URL: a device's token may be in it.
pub(crate) struct Fault {
    /// In words.
    pub(crate) words: String,
    /// The connection broke while it was used, so that another may do better at once.
    pub(crate) broke: bool,
}

impl Fault {
    /// From a name that has no address.
    pub(crate) fn unresolved(why: Unresolved) -> Self {
        Self { words: format!("no connection: {why}"), broke: false }
    }

    /// From the client's error.
    pub(crate) fn new(error: &reqwest::Error) -> Self {
        let what = if error.is_connect() {
            "no connection"
        } else if error.is_timeout() {
            "no answer in time"
        } else {
            "the connection broke"
        };
        // The outermost text names the URL; what lies below does not.
        let mut cause = std::error::Error::source(error);
        let mut innermost = None;
        while let Some(error) = cause {
            innermost = Some(error.to_string());
            cause = error.source();
        }
        let words = match innermost {
            Some(why) if !error.is_timeout() => format!("{what}: {why}"),
            _ => what.to_owned(),
        };
        Self { words, broke: !error.is_connect() && !error.is_timeout() && !error.is_builder() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_said_at_once() {
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
    fn a_proxys_password_is_not_printed() {
        let proxy = Some(Url::parse("http://owl:hunter2@proxy.example.com:3128").unwrap());
        let printed = format!("{:?}", Outgoing { proxy, ..Outgoing::default() });
        assert!(printed.contains("proxy.example.com") && !printed.contains("hunter2"), "{printed}");
    }

    #[tokio::test]
    async fn a_fault_does_not_name_the_url() {
        let client =
            Outgoing::default().vendor(&Outgoing::default().apns, Speaks::Http2, None).unwrap();
        let call = client.post("https://127.0.0.1:1/3/device/00fc13adff785122");
        let fault = Fault::new(&call.send().await.unwrap_err());
        assert!(fault.words.starts_with("no connection"), "{fault}");
        assert!(!fault.words.contains("00fc") && !fault.broke, "{fault}");
    }
}
