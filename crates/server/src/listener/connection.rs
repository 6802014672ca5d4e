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
use super::connection_limit::{ActiveConnection, Command, ConnectionPermit};
use super::proxies::{Proxies, is_passed_on};
use super::proxy_protocol;
use super::requests::{Deadlines, Timeout};
use super::response_body::ResponseBody;

/// Requests that a client may have open at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// The most bytes that wait for one HTTP/2 stream in either direction. A request's body fits; larger settings need
/// window updates.
const STREAM_BYTES: u32 = 64 * 1024;
/// The most unread bytes that a client may send on one HTTP/2 connection.
const CONNECTION_BYTES: u32 = 512 * 1024;
/// The time in which an idle connection must end after it was told to.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The values that all connections of a listener share.
pub(super) struct ListenerContext {
    router: Router,
    tls: Option<Arc<Tls>>,
    builder: Builder<TokioExecutor>,
    deadlines: Deadlines,
    bounds: Bounds,
    /// Whether requests from an untrusted proxy have been logged.
    warned_of_proxy: AtomicBool,
}

impl ListenerContext {
    pub(super) fn new(router: Router, tls: Option<Arc<Tls>>, bounds: &Bounds) -> Self {
        let deadlines = Deadlines::of(bounds);
        let (builder, bounds) = (builder(bounds), bounds.clone());
        Self { router, tls, builder, deadlines, bounds, warned_of_proxy: AtomicBool::new(false) }
    }
}

fn builder(bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_within)
        // Some apps have network layers that compare header names literally.
        .title_case_headers(true)
        .max_buf_size(bounds.head_bytes)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
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
    mut permit: ConnectionPermit,
    served: ActiveConnection,
    context: Arc<ListenerContext>,
) {
    // Nagle's algorithm would delay a prompt until the client has acknowledged the frame before it, by some 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if context.bounds.proxies.speak_protocol(from.ip()) {
        let source = tokio::select! {
            source = proxy_protocol::source(&mut stream) => source,
            _ = served.connection.command() => return,
            () = tokio::time::sleep(context.bounds.header_within) => return count_closed(Timeout::Silent),
        };
        match source {
            Ok(None) => {}
            Ok(Some(client)) if permit.reassign(client.ip()).is_ok() => from = client,
            Ok(Some(_)) => return count_refused_client(),
            Err(error) => {
                return tracing::debug!(%error, proxy = %from.ip(), "the PROXY header is missing or invalid");
            }
        }
    }
    let socket = Socket { stream, _permit: permit };
    let Some(tls) = &context.tls else {
        return serve_requests(socket, from, &served, &context).await;
    };
    let handshake = tokio::select! {
        handshake = tls.acceptor().accept(socket) => handshake,
        _ = served.connection.command() => return,
        () = tokio::time::sleep(context.bounds.header_within) => return count_closed(Timeout::Silent),
    };
    match handshake {
        Ok(stream) => Box::pin(serve_requests(stream, from, &served, &context)).await,
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// Serves requests until either side ends the connection.
async fn serve_requests<S>(
    stream: S,
    from: SocketAddr,
    served: &ActiveConnection,
    context: &Arc<ListenerContext>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = &*served.connection;
    let (router, requests) = (context.router.clone(), Arc::clone(&connection.requests));
    let within = context.bounds.write_within;
    let client = Client::of(from, context);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let open = requests.open();
        let from = client.address(request.headers());
        request.extensions_mut().insert(ConnectInfo(from));
        let is_h2 = request.version() == Version::HTTP_2;
        let mut router = router.clone();
        let requests = Arc::clone(&requests);
        if is_h2 {
            // A device stream counts as a request that stays open.
            let stream = Arc::new(requests.open());
            request.extensions_mut().insert(KeepsOpen(stream));
        }
        async move {
            let response: Response<Body> = router.call(request.map(Body::new)).await?;
            let sending = open.send(Instant::now(), within);
            Ok::<_, std::convert::Infallible>(response.map(|body| ResponseBody::new(body, sending)))
        }
    });
    let mut serving =
        pin!(context.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut commanded = pin!(connection.command());
    let mut is_ending = false;
    let mut timer = pin!(tokio::time::sleep(context.bounds.header_within));
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
                match connection.requests.check_timeouts(now, &context.deadlines) {
                    Timeout::Until(then) => timer.as_mut().reset(then.into()),
                    Timeout::Idle if !is_ending => {
                        is_ending = true;
                        serving.as_mut().graceful_shutdown();
                        timer.as_mut().reset((now + DRAIN_TIMEOUT).into());
                        count_closed(Timeout::Idle);
                    }
                    _ if is_ending => return,
                    timeout => return count_closed(timeout),
                }
            }
            command = commanded.as_mut(), if !is_ending => match command {
                // A request that arrived at the same moment keeps the connection open.
                Command::Close if connection.requests.idle().is_none() => {
                    served.cancel_close();
                    commanded.set(connection.command());
                }
                Command::Close => return closed_to_make_room(),
                Command::Drain => {
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
    /// The peer, whose first request has not been checked for headers of an untrusted proxy.
    Unchecked(SocketAddr, AtomicBool, Arc<ListenerContext>),
    /// The clients that a trusted proxy names.
    BehindProxy(SocketAddr, Proxies),
}

impl Client {
    fn of(from: SocketAddr, context: &Arc<ListenerContext>) -> Self {
        if context.bounds.proxies.trust(from.ip()) {
            Self::BehindProxy(from, context.bounds.proxies.clone())
        } else if is_local(from.ip()) && !context.warned_of_proxy.load(Ordering::Relaxed) {
            Self::Unchecked(from, AtomicBool::new(true), Arc::clone(context))
        } else {
            Self::Peer(from)
        }
    }

    /// The client of one request.
    fn address(&self, headers: &HeaderMap) -> SocketAddr {
        match self {
            Self::Peer(from) => *from,
            Self::Unchecked(from, is_first, context) => {
                if is_first.swap(false, Ordering::Relaxed)
                    && is_passed_on(headers)
                    && !context.warned_of_proxy.swap(true, Ordering::Relaxed)
                {
                    let peer = from.ip();
                    tracing::warn!(%peer, "{peer} forwards requests and is not in http.trusted_proxies: all its clients count as one address");
                }
                *from
            }
            Self::BehindProxy(proxy, proxies) => proxies.client(*proxy, headers),
        }
    }
}

/// Whether an address belongs to this machine or to a private network, where an operator's own proxy would run.
const fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// Counts a connection whose client has reached the limit of its address.
fn count_refused_client() {
    metrics::counter!("countersign_http_connections_refused_total", "reason" => "address")
        .increment(1);
}

/// Counts a connection that was ended by a deadline.
fn count_closed(timeout: Timeout) {
    count(timeout.reason());
}

/// Counts a connection that was ended to make room for another one.
fn closed_to_make_room() {
    count("room");
}

fn count(reason: &'static str) {
    metrics::counter!("countersign_http_connections_closed_total", "reason" => reason).increment(1);
}

/// A socket with its permit. A device stream keeps both when its connection is no longer served here.
struct Socket {
    stream: TcpStream,
    _permit: ConnectionPermit,
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
