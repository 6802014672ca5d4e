//! The limits of a listener: how many connections it accepts, and how long each may take.

use std::time::Duration;

use super::proxies::Proxies;
use crate::config::HttpSection;
use crate::descriptors::{self, ADMIN_CONNECTIONS};

/// The smallest limit for a request's head in hyper. It is at least four times ours, so that a client that exceeds
/// ours gets a response in the API's own form. It is also the most that hyper buffers of a response over HTTP/1.1.
const HEAD_BYTES: usize = 64 * 1024;

/// The limit of connections from one address: an IPv4 address or an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerAddress {
    /// No limit.
    Unbounded,
    /// This many.
    Max(usize),
    /// This many, except from this machine, where a proxy may run.
    MaxFromElsewhere(usize),
}

/// The limits of one listener.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections in all; at least 1.
    pub connections: usize,
    /// Connections from one address. Trusted proxies are exempt, since they connect for all their clients.
    pub per_address: PerAddress,
    /// The trusted proxies.
    pub proxies: Proxies,
    /// The time for the TLS handshake, and then for a request's head.
    pub header_within: Duration,
    /// The time that a connection may stay open without a request.
    pub idle_within: Duration,
    /// The time in which a client must read a response, beside the time that its length allows.
    pub write_within: Duration,
    /// The size of a request's head in bytes above which hyper rejects it.
    pub head_bytes: usize,
}

impl Default for Bounds {
    /// The limits of the default settings, with 1,024 connections.
    fn default() -> Self {
        let http = HttpSection::default();
        Self { per_address: PerAddress::Unbounded, ..Self::of(&http, Proxies::default(), 1_024) }
    }
}

impl Bounds {
    /// The limits of the main listener. `connections` applies if no setting limits them.
    pub fn of(http: &HttpSection, proxies: Proxies, connections: usize) -> Self {
        let connections = if http.connections_max > 0 { http.connections_max } else { connections };
        let per_address = match http.connections_per_address {
            Some(0) => PerAddress::Unbounded,
            Some(most) => PerAddress::Max(most),
            None => PerAddress::MaxFromElsewhere(connections.div_ceil(2)),
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

    /// The limits of the operator's listener, which has connections of its own.
    ///
    /// # Errors
    /// As [`Proxies::of`].
    pub fn of_admin(http: &HttpSection) -> anyhow::Result<Self> {
        let main = Self::of(http, Proxies::of(http)?.without_protocol(), ADMIN_CONNECTIONS);
        Ok(Self { connections: ADMIN_CONNECTIONS, per_address: PerAddress::Unbounded, ..main })
    }

    /// The limits of the main listener of a configuration: the limit of open files bounds the connections.
    ///
    /// # Errors
    /// As [`Proxies::of`].
    pub fn of_config(config: &crate::config::Config) -> anyhow::Result<Self> {
        let room = descriptors::connections(config);
        if config.http.connections_max > room {
            tracing::warn!(
                connections_max = config.http.connections_max,
                room,
                "http.connections_max exceeds the limit of open files: raise that limit (ulimit -n), or set {room} or less"
            );
        }
        Ok(Self::of(&config.http, Proxies::of(&config.http)?, room))
    }
}
