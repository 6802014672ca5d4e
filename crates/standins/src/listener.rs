//! Listening: TCP, TLS, HTTP/1.1 and HTTP/2, and ends of every kind.

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

use crate::connections::{Connections, Wish};
use crate::error::Error;

pub(crate) use crate::connections::Line;

/// The longest body that is read. What each service allows is less, and its own to check.
const BODY: usize = 1024 * 1024;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A whole answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A request with its body.
pub(crate) struct Call {
    pub(crate) line: Line,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A header's value, if there is one of that name and it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How a request ends.
pub(crate) enum Reply {
    Answer(Answer),
    /// Its stream is reset; the connection stays, unless it is HTTP/1.
    Reset(Reason),
}

/// What stands behind a listener.
pub(crate) trait Service: Send + Sync + 'static {
    fn reply(self: Arc<Self>, call: Call) -> impl Future<Output = Reply> + Send;
}

/// What a listener speaks.
#[derive(Clone)]
pub(crate) struct Speech {
    /// None: in the clear.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Nothing but HTTP/2.
    pub(crate) http2_only: bool,
    /// How many requests may be under way on one HTTP/2 connection.
    pub(crate) streams: u32,
}

/// An address that is taken, and where nobody answers yet.
pub(crate) struct Bound {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A listener at work, until it is dropped.
pub(crate) struct Listener {
    pub(crate) connections: Connections,
    _stop: DropGuard,
}

impl Bound {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    pub(crate) fn serve<S: Service>(self, service: Arc<S>, speech: Speech) -> Listener {
        let connections = Connections::default();
        let stop = CancellationToken::new();
        let hall = Hall { service, speech, connections: connections.clone(), stop: stop.clone() };
        tokio::spawn(Arc::new(hall).accept(self.socket));
        Listener { connections, _stop: stop.drop_guard() }
    }
}

/// What the connections of one listener have in common.
struct Hall<S> {
    service: Arc<S>,
    speech: Speech,
    connections: Connections,
    stop: CancellationToken,
}

impl<S: Service> Hall<S> {
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) if !self.connections.is_shut() => {
                    tokio::spawn(self.clone().greet(stream));
                }
                Ok(_) => {}
                // out of file descriptors, most often: some will come back
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn greet(self: Arc<Self>, stream: TcpStream) {
        // a small answer must not wait for the acknowledgement of the one before it
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Some(tls) = self.speech.tls.clone() else {
            let (line, wishes) = self.connections.add(None);
            return self.serve(stream, line, wishes).await;
        };
        let handshake = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream));
        let accepted = tokio::select! {
            () = self.stop.cancelled() => return,
            accepted = handshake => accepted,
        };
        if let Ok(Ok(stream)) = accepted {
            let certificates = stream.get_ref().1.peer_certificates();
            let shown = certificates.and_then(<[_]>::first).map(|der| der.clone().into_owned());
            let (line, wishes) = self.connections.add(shown);
            self.serve(stream, line, wishes).await;
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        line: Line,
        mut wishes: crate::connections::Wishes,
    ) {
        let service = service_fn(|request| {
            let (service, line) = (self.service.clone(), line.clone());
            answered(service, line, request)
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http2().max_concurrent_streams(self.speech.streams);
        if self.speech.http2_only {
            builder = builder.http2_only();
        }
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                // how a connection ended is the caller's business
                _ = connection.as_mut() => return,
                wish = wishes.next() => match wish {
                    Wish::Stay => {}
                    Wish::GoAway => connection.as_mut().graceful_shutdown(),
                    Wish::Cut => return,
                },
            }
        }
    }
}

type Boxed = Box<dyn StdError + Send + Sync>;

async fn answered<S: Service>(
    service: Arc<S>,
    line: Line,
    request: Request<Incoming>,
) -> Result<Answer, Boxed> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await?.to_bytes();
    let call = Call { line, method: head.method, uri: head.uri, headers: head.headers, body };
    match service.reply(call).await {
        Reply::Answer(answer) => Ok(answer),
        // hyper resets the stream with the reason that it finds in the error
        Reply::Reset(reason) => Err(h2::Error::from(reason).into()),
    }
}

/// An answer of these parts.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    // a script may ask for what HTTP cannot say, and is then told so by the status
    answer.body(Full::new(body.into())).unwrap_or_else(|_| {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = http::StatusCode::IM_A_TEAPOT;
        answer
    })
}
