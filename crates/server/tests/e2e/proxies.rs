//! Proxies in front: every limit by address counts the client that a trusted proxy names, and the peer otherwise.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use countersign_server::config::{Config, Sources};
use countersign_server::listener::{self, Bounds, Listener, PerAddress, Proxies};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Caller, TestApp};

const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";
const TRUST: &str = "http.trusted_proxies=127.0.0.1";

/// The API as a client at `address` sees it, behind a proxy that appends to what the client sent.
fn behind(app: &TestApp, address: &str) -> Caller {
    let mut headers = reqwest::header::HeaderMap::new();
    let sent = format!("203.0.113.77, {address}");
    headers.insert("x-forwarded-for", sent.parse().expect("a header"));
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let client = builder.default_headers(headers).build().expect("a client");
    Caller { client, ..app.api() }
}

/// The status of a right token from an address after three wrong ones from `ONE`.
async fn after_three_failures(settings: &[&str], address: &str) -> u16 {
    let limit = "limits.failed_credentials_per_address_per_minute=3";
    let app = TestApp::start_with(&[&[limit], settings].concat()).await;
    let stranger = behind(&app, ONE).with(&app.account, "0123456789abcdef0123456789abcdef");
    for _ in 0..3 {
        assert_eq!(stranger.get("/v2/Services").await.refusal(), (401, 20003));
    }
    let fresh = app.stranger().await;
    let caller = Caller { client: behind(&app, address).client, ..fresh };
    caller.get("/v2/Services").await.status
}

#[tokio::test]
async fn failed_credentials_count_for_the_client_behind_a_trusted_proxy() {
    assert_eq!(after_three_failures(&[TRUST], ONE).await, 429);
    assert_eq!(after_three_failures(&[TRUST], OTHER).await, 200);
}

#[tokio::test]
async fn headers_of_an_untrusted_peer_name_no_client() {
    for settings in [&[][..], &["http.trusted_proxies=10.0.0.0/8,::1"]] {
        assert_eq!(after_three_failures(settings, OTHER).await, 429, "{settings:?}");
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A device stream of `address` that says nothing; otherwise the status.
async fn stream(app: &TestApp, path: &str, address: &str) -> Result<Socket, u16> {
    let url = format!("ws://{}{path}/Stream", app.address());
    let mut request = url.into_client_request().expect("a request");
    let node = format!("for=\"[2001:db8::1]:4711\", for={address};proto=https");
    request.headers_mut().insert("forwarded", node.parse().expect("a header"));
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn device_streams_count_for_the_client_behind_a_trusted_proxy() {
    let app = TestApp::start_with(&[TRUST, "stream.unauthenticated_per_address=2"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = app.factor_path(&phone);
    let mut held = Vec::new();
    for address in [ONE, ONE, OTHER, OTHER] {
        held.push(stream(&app, &path, address).await.expect("there is room"));
    }
    assert_eq!(stream(&app, &path, ONE).await.err(), Some(429));
    assert!(stream(&app, &path, "192.0.2.3").await.is_ok());
}

#[tokio::test]
async fn a_malformed_header_is_no_error_and_counts_for_the_proxy() {
    let app = TestApp::start_with(&[TRUST]).await;
    for header in ["forwarded", "x-forwarded-for"] {
        for value in [
            &b""[..],
            b",,,",
            b"\"",
            b"for=\"[::1",
            b"for=;;==\"\\",
            b"\xff\xfe",
            b"for=_hidden",
            b"999.1.1.1",
            b"[",
            b"[]:1",
        ] {
            let value = reqwest::header::HeaderValue::from_bytes(value).expect("a header");
            let request = app.api().request(reqwest::Method::GET, "/v2/Services");
            let answer = request.header(header, value.clone()).send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{header}: {value:?}");
        }
    }
}

fn proxies(settings: &[&str]) -> Proxies {
    let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let config = Config::load(&Sources { settings, ..Sources::default() }).expect("settings");
    Proxies::of(&config.http).expect("networks")
}

/// A listener that answers with the address of its client.
async fn listen(settings: &[&str], bounds: Bounds) -> Listener {
    let who = async |ConnectInfo(from): ConnectInfo<SocketAddr>| from.ip().to_string();
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).expect("a socket");
    let bounds = Bounds { proxies: proxies(settings), ..bounds };
    let router = Router::new().route("/", get(who));
    Listener::start(socket, router, None, bounds).await.expect("it starts")
}

/// Everything read until the server closes.
async fn exchange(listener: &Listener, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(listener.address).await.expect("somebody listens");
    for part in parts {
        stream.write_all(part).await.expect("written");
        stream.flush().await.expect("written");
    }
    let mut heard = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut heard));
    // A connection that is refused may end with a reset.
    let _ = end.await.expect("the connection ends");
    String::from_utf8(heard).expect("text")
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const PROTOCOL: [&str; 2] = [TRUST, "http.proxy_protocol=true"];

fn v2(command: u8, source: [u8; 4]) -> Vec<u8> {
    let fixed = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, 0x11, 0, 12]].concat();
    [&fixed[..], &source, &[127, 0, 0, 1, 0x12, 0x67, 1, 187]].concat()
}

#[tokio::test]
async fn a_proxy_header_names_the_client_of_a_connection() {
    let listener = listen(&PROTOCOL, Bounds::default()).await;
    let one = v2(0x21, [192, 0, 2, 1]);
    for (parts, client) in [
        (&[&one[..], GET][..], ONE),
        (&[&one[..5], &one[5..20], &one[20..], GET], ONE),
        (&[b"PROXY TCP4 192.0.2.2 127.0.0.1 4711 443\r\n", GET], OTHER),
        (&[b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n", GET], "2001:db8::1"),
        (&[b"PROXY UNKNOWN\r\n", GET], "127.0.0.1"),
        (&[&v2(0x20, [192, 0, 2, 1]), GET], "127.0.0.1"),
    ] {
        let heard = exchange(&listener, parts).await;
        assert!(heard.starts_with("HTTP/1.1 200") && heard.ends_with(client), "{client}: {heard}");
    }
    for parts in [&[GET][..], &[b"PROXY TCP4 nowhere\r\n", GET]] {
        assert_eq!(exchange(&listener, parts).await, "", "there must be a header that can be read");
    }
}

/// The client that the connection names is not a proxy, so its forwarding headers are ignored; those of a trusted proxy
/// behind it are used.
#[tokio::test]
async fn headers_are_believed_only_if_the_address_before_them_is_a_proxys() {
    let settings = ["http.trusted_proxies=127.0.0.1,10.0.0.0/8", "http.proxy_protocol=true"];
    let listener = listen(&settings, Bounds::default()).await;
    let get =
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.2\r\nConnection: close\r\n\r\n";
    for (source, client) in [([192, 0, 2, 1], ONE), ([10, 0, 0, 9], OTHER)] {
        let heard = exchange(&listener, &[&v2(0x21, source), get]).await;
        assert!(heard.ends_with(client), "{client}: {heard}");
    }
}

#[tokio::test]
async fn a_proxy_header_is_not_believed_from_others_nor_if_it_is_not_set() {
    for settings in [&["http.trusted_proxies=10.0.0.1", "http.proxy_protocol=true"][..], &[TRUST]] {
        let listener = listen(settings, Bounds::default()).await;
        let heard = exchange(&listener, &[b"PROXY TCP4 192.0.2.2 127.0.0.1 1 2\r\n", GET]).await;
        assert!(!heard.contains("200 OK"), "{heard}");
        let heard = exchange(&listener, &[GET]).await;
        assert!(heard.ends_with("127.0.0.1"), "{heard}");
    }
}

#[tokio::test]
async fn a_proxy_that_sends_no_header_is_hung_up_on() {
    let header_within = Duration::from_millis(300);
    let listener = listen(&PROTOCOL, Bounds { header_within, ..Bounds::default() }).await;
    for said in [&b""[..], b"PROXY TCP4 192.0.2.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xff"] {
        assert_eq!(exchange(&listener, &[said]).await, "", "{said:?}");
    }
}

/// A connection that its server keeps open.
async fn keep(listener: &Listener, header: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(listener.address).await.expect("somebody listens");
    let request = [header, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
    stream.write_all(&request).await.expect("written");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("it answers");
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn connections_are_bounded_by_the_client_and_not_by_the_proxy() {
    let per_address = PerAddress::Max(2);
    let listener = listen(&PROTOCOL, Bounds { per_address, ..Bounds::default() }).await;
    let (one, other) = (v2(0x21, [192, 0, 2, 1]), v2(0x21, [192, 0, 2, 2]));
    let _held = [
        keep(&listener, &one).await,
        keep(&listener, &one).await,
        keep(&listener, &other).await,
        keep(&listener, &v2(0x20, [0; 4])).await,
        keep(&listener, &v2(0x20, [0; 4])).await,
        keep(&listener, &v2(0x20, [0; 4])).await,
    ];
    assert_eq!(exchange(&listener, &[&one, GET]).await, "", "it has two");
    assert!(exchange(&listener, &[&other, GET]).await.ends_with(OTHER));
}

/// A proxy that speaks HTTP connects once for many clients.
#[tokio::test]
async fn a_proxy_of_requests_has_as_many_connections_as_it_needs() {
    let per_address = PerAddress::Max(2);
    let bounds = Bounds { per_address, ..Bounds::default() };
    let trusted = listen(&[TRUST], bounds.clone()).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(keep(&trusted, b"").await);
    }
    let others = listen(&["http.trusted_proxies=10.0.0.1"], bounds).await;
    let _two = [keep(&others, b"").await, keep(&others, b"").await];
    assert_eq!(exchange(&others, &[GET]).await, "");
}
