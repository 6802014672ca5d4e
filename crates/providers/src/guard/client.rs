//! The clients for guarded calls.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::invalid::Invalid;
use countersign_domain::sid::AccountSid;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::{Host, Url};

use super::account_permits::AccountPermits;
use super::addresses;
use super::allowed::Allowed;
use super::dns::{Dns, ResolveError};
use super::error::{GuardError, Reach};
use super::resolver::FilteringResolver;
use crate::outgoing::{Outgoing, UNUSABLE_TLS};

/// Token requests that one account may have in flight; more wait.
const TOKEN_REQUESTS: usize = 8;
/// How long a token request waits for its permit.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(4);

/// Judges addresses, and calls them.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[Allowed]>,
    /// A name is resolved without a port, so each port that the list names has clients of its own.
    by_port: Arc<HashMap<u16, Clients>>,
    others: Clients,
    dns: Arc<Dns>,
    token_requests: Arc<AccountPermits>,
}

/// Held while an account requests a token.
pub(crate) struct TokenRequestPermit(
    #[expect(dead_code, reason = "returned when dropped")] OwnedSemaphorePermit,
);

/// The clients for one port.
#[derive(Clone)]
struct Clients {
    public: Client,
    listed: Client,
}

/// The timeouts of guarded calls.
#[derive(Debug, Clone, Copy)]
pub struct CallTimeouts {
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long a call may take in total.
    pub total: Duration,
}

impl Default for CallTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(10) }
    }
}

impl Guard {
    /// A guard with the operator's list and root certificates. It uses no proxy: a proxy would resolve names itself, past the
    /// guard.
    ///
    /// # Errors
    /// The TLS settings cannot be used.
    pub fn new(outgoing: &Outgoing, timeouts: CallTimeouts) -> Result<Self, Invalid> {
        let allowed: Arc<[Allowed]> = outgoing.allow.clone().into();
        let dns = Dns::new(&outgoing.name_servers);
        let client = |port, reach| {
            let builder: ClientBuilder = outgoing.client_builder()?.no_proxy();
            builder
                .dns_resolver(FilteringResolver {
                    dns: Arc::clone(&dns),
                    allowed: Arc::clone(&allowed),
                    port,
                    reach,
                })
                .connect_timeout(timeouts.connect)
                .timeout(timeouts.total)
                .pool_max_idle_per_host(2)
                .build()
                .map_err(|_| UNUSABLE_TLS)
        };
        let clients = |port| -> Result<Clients, Invalid> {
            Ok(Clients {
                public: client(port, Reach::Public)?,
                listed: client(port, Reach::Listed)?,
            })
        };
        let ports = allowed.iter().filter_map(|allowed| allowed.port);
        let by_port = ports.map(|port| Ok((port, clients(port)?)));
        let by_port = Arc::new(by_port.collect::<Result<_, Invalid>>()?);
        let token_requests = Arc::new(AccountPermits::new(TOKEN_REQUESTS));
        // No entry of the list names port 0.
        Ok(Self { others: clients(0)?, by_port, allowed, dns, token_requests })
    }

    fn clients(&self, url: &Url) -> &Clients {
        let port = url.port_or_known_default();
        port.and_then(|port| self.by_port.get(&port)).unwrap_or(&self.others)
    }

    fn is_listed(&self, url: &Url, address: IpAddr) -> bool {
        let port = url.port_or_known_default();
        port.is_some_and(|port| addresses::is_listed(&self.allowed, address, port))
    }

    /// A request to an address that a tenant or a device chose.
    ///
    /// # Errors
    /// [`GuardError`] if the URL alone forbids the call. The addresses of a name are judged only when the request is sent;
    /// [`guard_error`](super::guard_error) finds that judgement in the error.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, GuardError> {
        let clients = self.clients(url);
        let client = match self.judge(url)? {
            Reach::Public => &clients.public,
            Reach::Listed => &clients.listed,
        };
        Ok(client.request(method, url.clone()))
    }

    /// Looks up the name in an address that `account` chose, so that the call does not wait for it. The look-ups of an
    /// account are bounded: names whose servers do not respond delay that account and no other.
    ///
    /// # Errors
    /// [`ResolveError`], after four seconds at most.
    pub async fn prepare(&self, account: AccountSid, url: &Url) -> Result<(), ResolveError> {
        match url.host() {
            Some(Host::Domain(name)) => self.dns.prepare(account, name).await,
            _ => Ok(()),
        }
    }

    /// Waits for a permit of the account to request a token, then does what [`prepare`](Self::prepare) does. An account with
    /// many credentials, whose token endpoints do not respond, delays its own calls and no other's.
    ///
    /// # Errors
    /// [`ResolveError`], after eight seconds at most.
    pub(crate) async fn token_request_permit(
        &self,
        account: AccountSid,
        url: &Url,
    ) -> Result<TokenRequestPermit, ResolveError> {
        let permit = self.token_requests.acquire(account, Instant::now() + PERMIT_TIMEOUT).await;
        let permit = permit.ok_or(ResolveError::TooMany)?;
        self.prepare(account, url).await?;
        Ok(TokenRequestPermit(permit))
    }

    /// A request that only the operator's list can allow, for an address that a tenant must not choose freely.
    ///
    /// # Errors
    /// As [`Guard::request`].
    pub fn listed_request(&self, method: Method, url: &Url) -> Result<RequestBuilder, GuardError> {
        self.judge(url)?;
        let is_listed = |address| self.is_listed(url, address);
        match url.host() {
            Some(Host::Ipv4(address)) if !is_listed(address.into()) => Err(GuardError::NotListed),
            Some(Host::Ipv6(address)) if !is_listed(address.into()) => Err(GuardError::NotListed),
            _ => Ok(self.clients(url).listed.request(method, url.clone())),
        }
    }

    /// Judges a URL by itself, without resolving its name.
    ///
    /// # Errors
    /// See [`GuardError`].
    pub fn check(&self, url: &Url) -> Result<(), GuardError> {
        self.judge(url).map(|_| ())
    }

    fn judge(&self, url: &Url) -> Result<Reach, GuardError> {
        let is_plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(GuardError::Scheme),
        };
        let address = match url.host().ok_or(GuardError::Scheme)? {
            Host::Domain(_) if is_plain => return Ok(Reach::Listed),
            Host::Domain(_) => return Ok(Reach::Public),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        match (self.is_listed(url, address), addresses::is_public(address)) {
            (true, _) => Ok(Reach::Public),
            (false, true) if is_plain => Err(GuardError::NotListed),
            (false, true) => Ok(Reach::Public),
            (false, false) => Err(GuardError::Address),
        }
    }
}

#[cfg(test)]
mod tests;
