//! The one guard before every address that a tenant or a device made up: webhooks, Web Push endpoints, `token_uri`.
//! Without it a stranger could make this server call what only it can reach.
//!
//! A literal address never comes by a resolver, so it is judged when the URL is read, in whatever spelling it was
//! written. A name is judged when it is resolved, by the very addresses that are then connected to: what it resolves to
//! a moment later does not matter.

mod addresses;
mod allowed;
mod names;
mod resolver;
mod turns;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::{Host, Url};

use countersign_domain::invalid::Invalid;
use countersign_domain::sid::AccountSid;

pub use crate::guard::allowed::Allowed;
use crate::guard::names::Names;
pub use crate::guard::names::Unresolved;
use crate::guard::resolver::Filtered;
pub use crate::guard::resolver::SystemNames;
use crate::guard::turns::Turns;
use crate::outgoing::Outgoing;

/// Why an address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Neither https nor http, or without a host.
    #[error("this server calls only https addresses")]
    Scheme,
    /// An address that is not of the public internet.
    #[error("this server must not call that address: it is not of the public internet")]
    Address,
    /// Something that must be on the list of what is allowed, and is not: plain http, say.
    #[error("this server calls that address only if the operator allows it")]
    NotListed,
}

/// What may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The public internet, and what the list names.
    Public,
    /// Only what the list names.
    Listed,
}

/// Judges, and then calls.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[Allowed]>,
    /// A name is resolved without a port, so each port that the list names has clients of its own.
    by_port: Arc<HashMap<u16, Clients>>,
    others: Clients,
    names: Arc<Names>,
    calls: Arc<Turns>,
}

/// Calls of one account for tokens at once; more wait for their turn.
const TOKEN_CALLS: usize = 8;
/// How long a call waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(4);

/// Held while an account calls for a token.
pub(crate) struct Turn(
    #[expect(dead_code, reason = "it is given back when dropped")] OwnedSemaphorePermit,
);

/// The clients for one port.
#[derive(Clone)]
struct Clients {
    public: Client,
    listed: Client,
}

/// How a guarded client behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long a call may take as a whole.
    pub whole: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(10) }
    }
}

impl Guard {
    /// A guard with the list, the roots and no proxy: a proxy would resolve names after us, by its own lights.
    ///
    /// # Errors
    /// The TLS settings are no use.
    pub fn new(outgoing: &Outgoing, manners: Manners) -> Result<Self, Invalid> {
        let allowed: Arc<[Allowed]> = outgoing.allow.clone().into();
        let names = Names::new(&outgoing.name_servers);
        let client = |port, reach| {
            let builder: ClientBuilder = outgoing.roots_only()?.no_proxy();
            builder
                .dns_resolver(Filtered {
                    names: Arc::clone(&names),
                    allowed: Arc::clone(&allowed),
                    port,
                    reach,
                })
                .connect_timeout(manners.connect)
                .timeout(manners.whole)
                .pool_max_idle_per_host(2)
                .build()
                .map_err(|_| crate::outgoing::UNUSABLE)
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
        // No entry of the list names port 0.
        let calls = Arc::new(Turns::new(TOKEN_CALLS));
        Ok(Self { others: clients(0)?, by_port, allowed, names, calls })
    }

    fn clients(&self, url: &Url) -> &Clients {
        let port = url.port_or_known_default();
        port.and_then(|port| self.by_port.get(&port)).unwrap_or(&self.others)
    }

    fn is_listed(&self, url: &Url, address: IpAddr) -> bool {
        let port = url.port_or_known_default();
        port.is_some_and(|port| addresses::is_listed(&self.allowed, address, port))
    }

    /// A call to a stranger's address.
    ///
    /// # Errors
    /// [`Denied`] if the URL alone says that it must not be called. What a name resolves to is only known when the
    /// request is sent; [`denied`] finds that in the error.
    pub fn call(&self, method: Method, url: &Url) -> Result<RequestBuilder, Denied> {
        let clients = self.clients(url);
        let client = match self.judge(url)? {
            Reach::Public => &clients.public,
            Reach::Listed => &clients.listed,
        };
        Ok(client.request(method, url.clone()))
    }

    /// Looks up the name in an address that `account` chose, so that the call does not wait for it. What an account may
    /// look up at once is bounded: names whose servers are silent keep it from calling, and nobody else.
    ///
    /// # Errors
    /// [`Unresolved`], after four seconds at most.
    pub async fn prepare(&self, account: AccountSid, url: &Url) -> Result<(), Unresolved> {
        match url.host() {
            Some(Host::Domain(name)) => self.names.prepare(account, name).await,
            _ => Ok(()),
        }
    }

    /// Waits for the account's turn to call an address for a token, and looks up its name as [`prepare`](Self::prepare) does. An
    /// account with many credentials, whose token endpoints are silent, delays its own calls and nobody else's.
    ///
    /// # Errors
    /// [`Unresolved`], after eight seconds at most.
    pub(crate) async fn turn(&self, account: AccountSid, url: &Url) -> Result<Turn, Unresolved> {
        let turn = self.calls.take(account, Instant::now() + TURN_WITHIN).await;
        let turn = turn.ok_or(Unresolved::Crowded)?;
        self.prepare(account, url).await?;
        Ok(Turn(turn))
    }

    /// A call that only the list can allow, for what a tenant has no business to choose but an operator may.
    ///
    /// # Errors
    /// As [`Guard::call`].
    pub fn call_listed(&self, method: Method, url: &Url) -> Result<RequestBuilder, Denied> {
        self.judge(url)?;
        let listed = |address| self.is_listed(url, address);
        match url.host() {
            Some(Host::Ipv4(address)) if !listed(address.into()) => Err(Denied::NotListed),
            Some(Host::Ipv6(address)) if !listed(address.into()) => Err(Denied::NotListed),
            _ => Ok(self.clients(url).listed.request(method, url.clone())),
        }
    }

    /// What a URL says by itself.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn check(&self, url: &Url) -> Result<(), Denied> {
        self.judge(url).map(|_| ())
    }

    fn judge(&self, url: &Url) -> Result<Reach, Denied> {
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(Denied::Scheme),
        };
        let address = match url.host().ok_or(Denied::Scheme)? {
            Host::Domain(_) if plain => return Ok(Reach::Listed),
            Host::Domain(_) => return Ok(Reach::Public),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        match (self.is_listed(url, address), addresses::is_public(address)) {
            (true, _) => Ok(Reach::Public),
            (false, true) if plain => Err(Denied::NotListed),
            (false, true) => Ok(Reach::Public),
            (false, false) => Err(Denied::Address),
        }
    }
}

/// Whether a call failed because the resolver found nothing that may be called.
pub fn denied(error: &reqwest::Error) -> Option<Denied> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(denied) = error.downcast_ref::<Denied>() {
            return Some(*denied);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
