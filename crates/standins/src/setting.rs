//! What every stand-in is told when it starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::clock::{Now, system_time};
use crate::manners::Manners;

/// Where a stand-in listens, how it behaves, and what it remembers.
#[derive(Clone)]
pub struct Setting {
    /// The address to listen on. Loopback unless asked otherwise.
    pub bind: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// What stands for the host in its URLs; one of the names in the certificate.
    pub host: String,
    /// How it behaves.
    pub manners: Manners,
    /// How many of the requests it got it keeps for inspection.
    pub keep: usize,
    /// How many requests may be under way on one HTTP/2 connection. Apple allows about this many.
    pub streams: u32,
    /// The time, for tokens that grow old.
    pub now: Now,
}

impl Setting {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// The URL of a stand-in at `address`.
    pub(crate) fn url(&self, scheme: &str, address: SocketAddr) -> String {
        let host = &self.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{scheme}://{host}:{}", address.port())
    }
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            // not `localhost`, which may also be ::1, where nobody listens
            host: "127.0.0.1".to_owned(),
            manners: Manners::calm(),
            keep: 10_000,
            streams: 1000,
            now: system_time(),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("address", &self.address())
            .field("host", &self.host)
            .field("manners", &self.manners)
            .finish_non_exhaustive()
    }
}
