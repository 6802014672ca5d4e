//! Listens for connections over plain TCP or TLS, with limits on their number and on the time that each may take.
//!
//! `accept` takes connections and hands each to a task. `connection_limit` counts them, and closes idle ones when the
//! limit is reached. `connection` serves one of them; `requests` holds its deadlines, and `response_body` reports the
//! progress of its responses.

mod accept;
mod bounds;
mod certificate;
mod connection;
mod connection_limit;
mod forwarded;
pub mod fuzzing;
mod proxies;
mod proxy_protocol;
mod requests;
mod response_body;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use rustix::io::Errno;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use bounds::{Bounds, PerAddress};
pub use certificate::Certificate;
pub use proxies::Proxies;

use accept::Acceptor;
use certificate::Tls;
use connection::ListenerContext;
use connection_limit::ConnectionLimiter;

/// A running listener.
pub struct Listener {
    /// The address that the listener is bound to.
    pub address: SocketAddr,
    /// Cancelled to stop accepting and to let connections end.
    stopping: CancellationToken,
    /// Ends when the last connection has ended. Aborting it aborts all connections.
    task: JoinHandle<()>,
    tls: Option<Arc<Tls>>,
    reloader: Option<JoinHandle<()>>,
}

/// Binds an address. Port 0 takes a free port.
///
/// # Errors
/// The address is taken, or does not belong to this machine.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = match TcpListener::bind(address) {
        // A machine without IPv6 has all addresses of IPv4 only.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && has_no_family(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        }
        bound => bound,
    };
    let socket = socket.with_context(|| format!("cannot listen on {address}"))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Binds a UDP socket.
///
/// # Errors
/// The address is taken, or does not belong to this machine.
pub fn bind_datagrams(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(address);
    let socket = socket.with_context(|| format!("cannot receive at {address} (UDP)"))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn has_no_family(error: &std::io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

impl Listener {
    /// Serves `router` on `socket`, over TLS if there is a certificate.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub async fn start(
        socket: TcpListener,
        router: Router,
        certificate: Option<Certificate>,
        bounds: Bounds,
    ) -> anyhow::Result<Self> {
        let address = socket.local_addr()?;
        let (tls, reloader) = match certificate {
            None => (None, None),
            Some(certificate) => {
                let tls = Arc::new(certificate.load().await?);
                let reloader = tokio::spawn(Arc::clone(&tls).reload_on_change());
                (Some(tls), Some(reloader))
            }
        };
        let stopping = CancellationToken::new();
        let acceptor = Acceptor {
            socket: tokio::net::TcpListener::from_std(socket)?,
            context: Arc::new(ListenerContext::new(router, tls.clone(), &bounds)),
            limiter: Arc::new(ConnectionLimiter::new(&bounds)),
            stopping: stopping.clone(),
        };
        let task = tokio::spawn(acceptor.run());
        Ok(Self { address, stopping, task, tls, reloader })
    }

    /// Reads the certificate again; `None` without a certificate.
    ///
    /// # Errors
    /// The new certificate cannot be used; the old one stays in use.
    pub async fn reload_certificate(&self) -> Option<anyhow::Result<()>> {
        Some(self.tls.as_ref()?.reload().await)
    }

    /// Stops accepting, waits up to `within` for requests in flight, and ends.
    pub async fn stop(mut self, within: Duration) {
        self.stopping.cancel();
        match tokio::time::timeout(within, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the listener did not end by itself"),
            Err(_) => tracing::warn!("some requests did not end in time"),
        }
    }
}

impl Drop for Listener {
    /// Ends at once and aborts requests in flight.
    fn drop(&mut self) {
        if let Some(reloader) = &self.reloader {
            reloader.abort();
        }
        self.task.abort();
    }
}
