//! One connection, from the handshake to its end.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use countersign_api::KeepsOpen;
use http::{HeaderMap, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service as _;

use super::bounds::Bounds;
use super::certificate::Tls;
use super::crowd::{Order, Place, Served};
use super::outgoing::Outgoing;
use super::proxies::{Proxies, is_passed_on};
use super::proxy_protocol;
use super::requests::{Deadlines, Verdict};

/// Requests that a client may have open at a time on one HTTP/2 connection.
const STREAMS_MOST: u32 = 100;
/// The most bytes that wait for one HTTP/2 stream, in either direction. A body that we take fits in, but for the window update
/// that a larger setting needs.
const STREAM_BYTES: u32 = 64 * 1024;
/// The most bytes that clients may send on one HTTP/2 connection before somebody reads them.
const CONNECTION_BYTES: u32 = 512 * 1024;
/// How long an idle connection has to end by itself once it is told to.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all connections of a listener share.
pub(super) struct Shared {
    router: Router,
    tls: Option<Arc<Tls>>,
    builder: Builder<TokioExecutor>,
    deadlines: Deadlines,
    bounds: Bounds,
    /// Whether the log has told of requests that a peer passed on without being trusted.
    told_of_proxy: AtomicBool,
}

impl Shared {
    pub(super) fn new(router: Router, tls: Option<Arc<Tls>>, bounds: &Bounds) -> Self {
        let deadlines = Deadlines::of(bounds);
        let (builder, bounds) = (builder(bounds), bounds.clone());
        Self { router, tls, builder, deadlines, bounds, told_of_proxy: AtomicBool::new(false) }
    }
}

fn builder(bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_within)
        // Apps may bring network layers that look headers up literally.
        .title_case_headers(true)
        .max_buf_size(bounds.head_bytes)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MOST)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
        .max_send_buf_size(STREAM_BYTES as usize)
        .max_header_list_size(u32::try_from(bounds.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .enable_connect_protocol();
    builder
}

/// Serves a connection until it ends or becomes a device stream.
pub(super) async fn serve(
    mut stream: TcpStream,
    mut from: SocketAddr,
    mut place: Place,
    served: Served,
    shared: Arc<Shared>,
) {
    // Nagle's algorithm would hold a prompt back until the client has acknowledged the frame before it, some 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if shared.bounds.proxies.speak_protocol(from.ip()) {
        let source = tokio::select! {
            source = proxy_protocol::source(&mut stream) => source,
            _ = served.connection.order() => return,
            () = tokio::time::sleep(shared.bounds.header_within) => return closed(Verdict::Silent),
        };
        match source {
            Ok(None) => {}
            Ok(Some(client)) if place.pass_to(client.ip()).is_ok() => from = client,
            Ok(Some(_)) => return refused_client(),
            Err(error) => {
                return tracing::debug!(%error, proxy = %from.ip(), "a PROXY header is missing");
            }
        }
    }
    let socket = Socket { stream, _place: place };
    let Some(tls) = &shared.tls else {
        return converse(socket, from, &served, &shared).await;
    };
    let handshake = tokio::select! {
        handshake = tls.acceptor().accept(socket) => handshake,
        _ = served.connection.order() => return,
        () = tokio::time::sleep(shared.bounds.header_within) => return closed(Verdict::Silent),
    };
    match handshake {
        Ok(stream) => Box::pin(converse(stream, from, &served, &shared)).await,
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// Requests and responses, until either side has had enough.
async fn converse<S>(stream: S, from: SocketAddr, served: &Served, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = &*served.connection;
    let (router, requests) = (shared.router.clone(), Arc::clone(&connection.requests));
    let within = shared.bounds.write_within;
    let client = Client::of(from, shared);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let open = requests.open();
        let from = client.address(request.headers());
        request.extensions_mut().insert(ConnectInfo(from));
        let is_h2 = request.version() == Version::HTTP_2;
        let mut router = router.clone();
        let requests = Arc::clone(&requests);
        if is_h2 {
            // A device stream that begins here is a request that stays open.
            let stream = Arc::new(requests.open());
            request.extensions_mut().insert(KeepsOpen(stream));
        }
        async move {
            let response: Response<Body> = router.call(request.map(Body::new)).await?;
            let sending = open.send(Instant::now(), within);
            Ok::<_, std::convert::Infallible>(response.map(|body| Outgoing::new(body, sending)))
        }
    });
    let mut serving =
        pin!(shared.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut told = pin!(connection.order());
    let mut is_ending = false;
    let mut timer = pin!(tokio::time::sleep(shared.bounds.header_within));
    loop {
        tokio::select! {
            biased;
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                return;
            }
            () = timer.as_mut() => {
                let now = Instant::now();
                match connection.requests.look(now, &shared.deadlines) {
                    Verdict::Until(then) => timer.as_mut().reset(then.into()),
                    Verdict::Idle if !is_ending => {
                        is_ending = true;
                        serving.as_mut().graceful_shutdown();
                        timer.as_mut().reset((now + FAREWELL).into());
                        closed(Verdict::Idle);
                    }
                    _ if is_ending => return,
                    verdict => return closed(verdict),
                }
            }
            order = told.as_mut(), if !is_ending => match order {
                // A request may have come at the same moment; the connection stays for it.
                Order::Leave if connection.requests.idle().is_none() => {
                    served.stay();
                    told.set(connection.order());
                }
                Order::Leave => return closed_for_room(),
                Order::Finish => {
                    is_ending = true;
                    serving.as_mut().graceful_shutdown();
                }
            },
        }
    }
}

/// The clients of a connection.
enum Client {
    /// The peer.
    Peer(SocketAddr),
    /// The peer, whose first request has yet to show that it is a proxy that nobody trusts.
    New(SocketAddr, AtomicBool, Arc<Shared>),
    /// Those that a trusted proxy names.
    Behind(SocketAddr, Proxies),
}

impl Client {
    fn of(from: SocketAddr, shared: &Arc<Shared>) -> Self {
        if shared.bounds.proxies.trust(from.ip()) {
            Self::Behind(from, shared.bounds.proxies.clone())
        } else if is_near(from.ip()) && !shared.told_of_proxy.load(Ordering::Relaxed) {
            Self::New(from, AtomicBool::new(true), Arc::clone(shared))
        } else {
            Self::Peer(from)
        }
    }

    /// The client of one request.
    fn address(&self, headers: &HeaderMap) -> SocketAddr {
        match self {
            Self::Peer(from) => *from,
            Self::New(from, is_first, shared) => {
                if is_first.swap(false, Ordering::Relaxed)
                    && is_passed_on(headers)
                    && !shared.told_of_proxy.swap(true, Ordering::Relaxed)
                {
                    let peer = from.ip();
                    tracing::warn!(%peer, "{peer} passes requests on for others and is not in http.trusted_proxies: all its clients count as one address");
                }
                *from
            }
            Self::Behind(proxy, proxies) => proxies.client(*proxy, headers),
        }
    }
}

/// Whether an address is of this machine or of a private network, where an operator's own proxy would be.
const fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// Counts a connection whose client has as many as an address may have.
fn refused_client() {
    metrics::counter!("countersign_http_connections_refused_total", "reason" => "address")
        .increment(1);
}

/// Counts a connection that ends because of a deadline.
fn closed(verdict: Verdict) {
    count(verdict.reason());
}

/// Counts a connection that ends so that another one can be served.
fn closed_for_room() {
    count("room");
}

fn count(reason: &'static str) {
    metrics::counter!("countersign_http_connections_closed_total", "reason" => reason).increment(1);
}

/// A socket with its place in the crowd: a device stream keeps it when its connection is no longer served here.
struct Socket {
    stream: TcpStream,
    _place: Place,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
