//! The options that all stand-ins have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::clock::{Now, system_time};
use crate::faults::Faults;

/// Where a stand-in listens, how it fails, and how much it records.
#[derive(Clone)]
pub struct CommonOptions {
    /// The address to listen on. Default: loopback.
    pub bind: IpAddr,
    /// The port; 0 chooses a free one.
    pub port: u16,
    /// The host in its URLs; one of the names in the certificate.
    pub host: String,
    /// Its faults. Default: none.
    pub faults: Faults,
    /// The number of received requests that it keeps.
    pub keep: usize,
    /// Concurrent requests on one HTTP/2 connection. Apple allows about 1,000.
    pub streams: u32,
    /// The clock that tokens are checked by.
    pub now: Now,
}

impl CommonOptions {
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

impl Default for CommonOptions {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            // Not `localhost`, which may resolve to ::1, where the stand-in does not listen.
            host: "127.0.0.1".to_owned(),
            faults: Faults::none(),
            keep: 10_000,
            streams: 1000,
            now: system_time(),
        }
    }
}

impl fmt::Debug for CommonOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonOptions")
            .field("address", &self.address())
            .field("host", &self.host)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
