//! Connections that send nothing, stop in the middle, or do not read: the server ends each and frees what it held.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use countersign_server::listener::{self, Bounds, Certificate, Listener, PerAddress};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any deadline that is set here.
const AT_MOST: Duration = Duration::from_secs(30);

fn quick() -> Bounds {
    let (header_within, idle_within, write_within) = (SECOND, SECOND, SECOND);
    Bounds { header_within, idle_within, write_within, ..Bounds::default() }
}

async fn listen(router: Router, bounds: Bounds) -> Listener {
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).expect("a socket");
    Listener::start(socket, router, None, bounds).await.expect("it starts")
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// Waits until the server has hung up.
async fn hangs_up(mut stream: impl AsyncRead + Unpin, what: &str) {
    let mut heard = Vec::new();
    let end = tokio::time::timeout(AT_MOST, stream.read_to_end(&mut heard));
    let _ = end.await.unwrap_or_else(|_| panic!("{what} lives on"));
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("somebody listens")
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let listener = listen(hello(), quick()).await;
    for (what, said) in [
        ("silence", &b""[..]),
        ("half a preface", &PREFACE[..11]),
        ("a preface", PREFACE),
        ("half a head", b"GET / HTTP/1.1\r\nHos"),
    ] {
        let mut stream = connect(listener.address).await;
        stream.write_all(said).await.unwrap();
        hangs_up(stream, what).await;
    }
}

#[tokio::test]
async fn over_tls_a_connection_without_a_handshake_or_a_request_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let certificate = Some(Certificate::new(chain, key));
    let listener = Listener::start(socket, hello(), certificate, quick()).await.unwrap();

    hangs_up(connect(listener.address).await, "silence before the handshake").await;

    let mut roots = RootCertStore::empty();
    let der =
        tokio_rustls::rustls::pki_types::CertificateDer::from_pem_slice(made.cert.pem().as_bytes());
    roots.add(der.unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for said in [&b""[..], &PREFACE[..11]] {
        let stream = connect(listener.address).await;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(said).await.unwrap();
        hangs_up(stream, "silence after the handshake").await;
    }
}

type H2 = http2::SendRequest<Empty<Bytes>>;

/// An HTTP/2 client, and what ends when its connection does.
async fn h2<S>(stream: S, window: u32) -> (H2, tokio::task::JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let builder = builder.initial_stream_window_size(window);
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.expect("a handshake");
    (client, tokio::spawn(async { drop(connection.await) }))
}

fn ask(address: SocketAddr, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}{path}")).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn an_http_2_connection_is_closed_when_it_has_been_without_a_stream_and_not_before() {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let router = hello().route(
        "/wait",
        get(async move || {
            waits.notified().await;
            "at last"
        }),
    );
    let listener = listen(router, quick()).await;
    let (mut busy, _busy) = h2(connect(listener.address).await, 65_535).await;
    let waiting = tokio::spawn(busy.send_request(ask(listener.address, "/wait")));
    let (mut idle, idle_ended) = h2(connect(listener.address).await, 65_535).await;
    let response = idle.send_request(ask(listener.address, "/")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    tokio::time::timeout(AT_MOST, idle_ended).await.expect("it is closed").unwrap();
    assert!(!waiting.is_finished(), "the one that came before has a stream open");
    go_on.notify_one();
    let response = waiting.await.unwrap().expect("its connection is there");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "at last");
}

/// A body that reports when it is dropped.
struct Watched(Bytes, mpsc::UnboundedSender<()>);

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let all = std::mem::take(&mut self.0);
        std::task::Poll::Ready((!all.is_empty()).then(|| Ok(http_body::Frame::data(all))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_hung_up_on_and_holds_nothing_any_more() {
    let (dropped, mut is_dropped) = mpsc::unbounded_channel();
    let large = Bytes::from(vec![b'x'; 16 * 1024 * 1024]);
    let router = Router::new()
        .route("/large", get(async move || Body::new(Watched(large.clone(), dropped.clone()))));
    let listener = listen(router, quick()).await;
    let mut over_http_1 = connect(listener.address).await;
    over_http_1.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    tokio::time::timeout(AT_MOST, is_dropped.recv()).await.expect("it is let go");

    // With a window of a few bytes the socket stays writable and the stream does not.
    let (mut client, ended) = h2(connect(listener.address).await, 10).await;
    let mut responses = Vec::new();
    for _ in 0..3 {
        responses.push(client.send_request(ask(listener.address, "/large")).await.unwrap());
    }
    for _ in 0..3 {
        tokio::time::timeout(AT_MOST, is_dropped.recv()).await.expect("it is let go");
    }
    tokio::time::timeout(AT_MOST, ended).await.expect("it is closed").unwrap();
}

#[tokio::test]
async fn a_client_that_reads_gets_all_of_a_large_response() {
    let large = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    let all = large.clone();
    let router = Router::new().route("/large", get(async move || large.clone()));
    // Both sides run on one thread, which a busy machine may stop for a while.
    let listener = listen(router, Bounds { write_within: AT_MOST, ..quick() }).await;
    let (mut client, _connection) = h2(connect(listener.address).await, 65_535).await;
    let response = client.send_request(ask(listener.address, "/large")).await.unwrap();
    assert_eq!(response.headers()["content-length"], all.len().to_string().as_str());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), all);
    let url = format!("http://{}/large", listener.address);
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert_eq!(client.get(url).send().await.unwrap().bytes().await.unwrap(), all);
}

#[tokio::test]
async fn one_more_connection_of_an_address_than_it_may_have_is_closed_at_once() {
    let bounds = Bounds { per_address: PerAddress::Max(2), ..Bounds::default() };
    let listener = listen(hello(), bounds).await;
    let (mut one, _one) = h2(connect(listener.address).await, 65_535).await;
    let (mut other, other_ended) = h2(connect(listener.address).await, 65_535).await;
    one.send_request(ask(listener.address, "/")).await.unwrap();
    other.send_request(ask(listener.address, "/")).await.unwrap();
    hangs_up(connect(listener.address).await, "the third").await;
    one.send_request(ask(listener.address, "/")).await.expect("the first goes on");
    drop(other);
    other_ended.await.unwrap();
    // The server notices it later.
    let served = async {
        loop {
            let mut again = connect(listener.address).await;
            let _ =
                again.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
            let mut heard = Vec::new();
            let _ = again.read_to_end(&mut heard).await;
            if heard.starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(AT_MOST, served).await.expect("a place is free again");
}

#[tokio::test]
async fn without_room_an_idle_connection_makes_it_and_a_busy_one_does_not() {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let router = hello().route(
        "/wait",
        get(async move || {
            waits.notified().await;
            "at last"
        }),
    );
    let listener = listen(router, Bounds { connections: 2, ..Bounds::default() }).await;
    let (mut busy, _busy) = h2(connect(listener.address).await, 65_535).await;
    let waiting = tokio::spawn(busy.send_request(ask(listener.address, "/wait")));
    for _ in 0..8 {
        let idle = connect(listener.address).await;
        let (mut next, _next) = h2(connect(listener.address).await, 65_535).await;
        let response = next.send_request(ask(listener.address, "/")).await;
        assert_eq!(response.expect("it is served").status(), 200);
        hangs_up(idle, "the idle one").await;
    }
    go_on.notify_one();
    assert_eq!(waiting.await.unwrap().expect("it was not disturbed").status(), 200);
}
