//! Listening: plain or TLS, with bounds on how long a client may take, and an end that waits.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

/// How often a certificate's files are looked at.
const LOOK_AT_FILES: Duration = Duration::from_secs(10);
/// hyper's own bound on a request's head. Larger than ours, so that a caller who is past ours gets an answer in the
/// API's own form.
const HEAD_BYTES: usize = 256 * 1024;

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// How often both files are looked at.
    pub look_every: Duration,
}

impl Certificate {
    /// One whose files are looked at every ten seconds.
    pub const fn new(chain: PathBuf, key: PathBuf) -> Self {
        Self { chain, key, look_every: LOOK_AT_FILES }
    }
}

/// A listener at work.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
    reloader: Option<JoinHandle<()>>,
}

/// Binds an address. Port 0 takes a free one.
///
/// # Errors
/// It is taken, or not ours.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Listener {
    /// Serves `router` on `socket`, over TLS if there is a certificate. Small frames leave at once: Nagle's algorithm
    /// would hold a prompt back until the client has acknowledged the frame before it, some 40 ms.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub async fn start(
        socket: TcpListener,
        router: Router,
        certificate: Option<Certificate>,
        header_within: Duration,
    ) -> anyhow::Result<Self> {
        let address = socket.local_addr()?;
        let handle = Handle::new();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let (task, reloader) = match certificate {
            None => {
                let server = axum_server::from_tcp(socket)?.handle(handle.clone());
                let mut server = server.acceptor(NoDelayAcceptor);
                shape(server.http_builder(), header_within);
                (tokio::spawn(server.serve(service)), None)
            }
            Some(certificate) => {
                let tls = RustlsConfig::from_pem_file(&certificate.chain, &certificate.key)
                    .await
                    .with_context(|| {
                    format!("cannot use the certificate {}", certificate.chain.display())
                })?;
                let server =
                    axum_server::from_tcp_rustls(socket, tls.clone())?.handle(handle.clone());
                let mut server = server.map(|tls| tls.acceptor(NoDelayAcceptor));
                shape(server.http_builder(), header_within);
                let reloader = tokio::spawn(reload_on_change(tls, certificate));
                (tokio::spawn(server.serve(service)), Some(reloader))
            }
        };
        Ok(Self { address, handle, task, reloader })
    }

    /// Stops accepting, waits up to `within` for requests in flight, and ends.
    pub async fn stop(mut self, within: Duration) {
        self.handle.graceful_shutdown(Some(within));
        match (&mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the listener ended with an error"),
            Err(error) => tracing::warn!(%error, "the listener did not end by itself"),
        }
    }
}

impl Drop for Listener {
    /// Ends at once, whatever is in flight.
    fn drop(&mut self) {
        if let Some(reloader) = &self.reloader {
            reloader.abort();
        }
        self.handle.shutdown();
    }
}

type Builder = hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>;

fn shape(builder: &mut Builder, header_within: Duration) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_within)
        // Apps may bring network layers that look headers up literally.
        .title_case_headers(true)
        .max_buf_size(HEAD_BYTES)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .enable_connect_protocol();
}

/// Reads the certificate again when its files change. New connections get the new one; a broken one is reported and the
/// old one stays.
async fn reload_on_change(tls: RustlsConfig, certificate: Certificate) {
    let files = Arc::new(certificate);
    let changed = |files: &Certificate| -> Vec<Option<SystemTime>> {
        [&files.chain, &files.key]
            .map(|path| path.metadata().and_then(|file| file.modified()).ok())
            .to_vec()
    };
    let mut known = changed(&files);
    loop {
        tokio::time::sleep(files.look_every).await;
        let now = changed(&files);
        if now == known {
            continue;
        }
        known = now;
        match tls.reload_from_pem_file(&files.chain, &files.key).await {
            Ok(()) => {
                tracing::info!(certificate = %files.chain.display(), "the certificate was reloaded");
            }
            Err(error) => {
                tracing::error!(certificate = %files.chain.display(), %error, "the new certificate is not right; the old one stays");
            }
        }
    }
}
