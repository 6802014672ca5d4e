//! How many connections a listener takes, and how long each may take.

use std::time::Duration;

use super::proxies::Proxies;
use crate::config::Http;
use crate::descriptors::{self, ADMIN_CONNECTIONS};

/// hyper's bound on a request's head is at least this large, and at least four times ours: a caller who exceeds ours gets a
/// response in the API's own form. It is also the most that hyper buffers of a response over HTTP/1.1.
const HEAD_BYTES: usize = 64 * 1024;

/// How many connections one address may have. An address is an IPv4 address or an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerAddress {
    /// Any number.
    Unbounded,
    /// This many, whatever the address.
    Most(usize),
    /// This many, except from this machine, where a proxy may stand in front.
    MostFromElsewhere(usize),
}

/// The bounds of one listener.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections in all, at least 1.
    pub connections: usize,
    /// Connections from one address. A trusted proxy has no such bound: it connects for all its clients.
    pub per_address: PerAddress,
    /// The trusted proxies.
    pub proxies: Proxies,
    /// How long a client may take for the TLS handshake, and then for a request's head.
    pub header_within: Duration,
    /// How long a connection may be without a request.
    pub idle_within: Duration,
    /// How long a client may take to read a response, beside the time that its bytes allow for.
    pub write_within: Duration,
    /// The most bytes of a request's head before hyper itself refuses it.
    pub head_bytes: usize,
}

impl Default for Bounds {
    /// Those of the default settings, with room for 1,024 connections.
    fn default() -> Self {
        let http = Http::default();
        Self { per_address: PerAddress::Unbounded, ..Self::of(&http, Proxies::default(), 1_024) }
    }
}

impl Bounds {
    /// Those of the main listener; `connections` is used where no setting says how many.
    pub fn of(http: &Http, proxies: Proxies, connections: usize) -> Self {
        let connections = if http.connections_max > 0 { http.connections_max } else { connections };
        let per_address = match http.connections_per_address {
            Some(0) => PerAddress::Unbounded,
            Some(most) => PerAddress::Most(most),
            None => PerAddress::MostFromElsewhere(connections.div_ceil(2)),
        };
        Self {
            connections,
            per_address,
            proxies,
            header_within: Duration::from_secs(http.header_seconds),
            idle_within: Duration::from_secs(http.idle_seconds),
            write_within: Duration::from_secs(http.write_seconds),
            head_bytes: HEAD_BYTES.max(http.header_bytes_max.saturating_mul(4)),
        }
    }

    /// Those of the operator's listener, which always has room of its own.
    ///
    /// # Errors
    /// Those of [`Proxies::of`].
    pub fn of_admin(http: &Http) -> anyhow::Result<Self> {
        let main = Self::of(http, Proxies::of(http)?.without_protocol(), ADMIN_CONNECTIONS);
        Ok(Self { connections: ADMIN_CONNECTIONS, per_address: PerAddress::Unbounded, ..main })
    }

    /// Those of the main listener of a whole configuration: the limit of open files bounds the connections.
    ///
    /// # Errors
    /// Those of [`Proxies::of`].
    pub fn of_config(config: &crate::config::Config) -> anyhow::Result<Self> {
        let room = descriptors::connections(config);
        if config.http.connections_max > room {
            tracing::warn!(
                connections_max = config.http.connections_max,
                room,
                "http.connections_max is more than the limit of open files has room for: raise it (ulimit -n), or set {room} or less"
            );
        }
        Ok(Self::of(&config.http, Proxies::of(&config.http)?, room))
    }
}
