//! Accepts connections over TCP and TLS, and serves HTTP/1.1 and HTTP/2.

use std::error::Error as StdError;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connections::{ConnectionHandle, ConnectionOrder, Connections, Orders};
use crate::error::Error;

/// The longest body that is read, in bytes. Each service checks its own, lower bound.
const LONGEST_BODY: usize = 1024 * 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A complete response.
pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// A complete request.
pub(crate) struct HttpRequest {
    pub(crate) connection: ConnectionHandle,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HttpRequest {
    /// The value of a header, if it is present and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The end of a request.
pub(crate) enum Reply {
    Respond(HttpResponse),
    /// Resets the stream; the connection stays open, unless it is HTTP/1.
    Reset(Reason),
}

/// Handles the requests of a listener.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: HttpRequest) -> impl Future<Output = Reply> + Send;
}

/// The protocols of a listener.
#[derive(Clone)]
pub(crate) struct Protocols {
    /// `None`: no TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/1.1 is refused.
    pub(crate) http2_only: bool,
    /// Concurrent requests on one HTTP/2 connection.
    pub(crate) streams: u32,
}

/// A socket that is bound but not served yet.
pub(crate) struct BoundListener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A running listener. Dropping it stops it.
pub(crate) struct Listener {
    pub(crate) connections: Connections,
    _stop: DropGuard,
}

impl BoundListener {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    pub(crate) fn serve<H: Handler>(self, handler: Arc<H>, protocols: Protocols) -> Listener {
        let connections = Connections::default();
        let stop = CancellationToken::new();
        let acceptor =
            Acceptor { handler, protocols, connections: connections.clone(), stop: stop.clone() };
        tokio::spawn(Arc::new(acceptor).accept(self.socket));
        Listener { connections, _stop: stop.drop_guard() }
    }
}

/// Accepts the connections of one listener.
struct Acceptor<H> {
    handler: Arc<H>,
    protocols: Protocols,
    connections: Connections,
    stop: CancellationToken,
}

impl<H: Handler> Acceptor<H> {
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) if !self.connections.is_shut() => {
                    tokio::spawn(self.clone().handshake(stream));
                }
                Ok(_) => {}
                // Most often no file descriptor is free; retry shortly.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn handshake(self: Arc<Self>, stream: TcpStream) {
        // A small response must not wait for the acknowledgement of an earlier one.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Some(tls) = self.protocols.tls.clone() else {
            let (connection, orders) = self.connections.add(None);
            return self.serve(stream, connection, orders).await;
        };
        let handshake =
            tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream));
        let accepted = tokio::select! {
            () = self.stop.cancelled() => return,
            accepted = handshake => accepted,
        };
        if let Ok(Ok(stream)) = accepted {
            let certificates = stream.get_ref().1.peer_certificates();
            let presented = certificates.and_then(<[_]>::first).map(|der| der.clone().into_owned());
            let (connection, orders) = self.connections.add(presented);
            self.serve(stream, connection, orders).await;
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        handle: ConnectionHandle,
        mut orders: Orders,
    ) {
        let service = service_fn(|request| {
            let (handler, handle) = (self.handler.clone(), handle.clone());
            handle_request(handler, handle, request)
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http2().max_concurrent_streams(self.protocols.streams);
        if self.protocols.http2_only {
            builder = builder.http2_only();
        }
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                // An error of the connection concerns only the client.
                _ = connection.as_mut() => return,
                order = orders.next() => match order {
                    ConnectionOrder::Stay => {}
                    ConnectionOrder::GoAway => connection.as_mut().graceful_shutdown(),
                    ConnectionOrder::Cut => return,
                },
            }
        }
    }
}

type Boxed = Box<dyn StdError + Send + Sync>;

async fn handle_request<H: Handler>(
    handler: Arc<H>,
    connection: ConnectionHandle,
    request: Request<Incoming>,
) -> Result<HttpResponse, Boxed> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY).collect().await?.to_bytes();
    let (method, uri, headers) = (head.method, head.uri, head.headers);
    let request = HttpRequest { connection, method, uri, headers, body };
    match handler.handle(request).await {
        Reply::Respond(response) => Ok(response),
        // hyper resets the stream with the reason in the error.
        Reply::Reset(reason) => Err(h2::Error::from(reason).into()),
    }
}

/// A response of these parts. A header that HTTP does not allow makes it a 418, so that the script's author notices.
pub(crate) fn response(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> HttpResponse {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).unwrap_or_else(|_| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response
    })
}
