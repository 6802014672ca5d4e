//! Device streams over HTTP/2: a WebSocket by extended CONNECT (RFC 8441), on a connection that other requests share.

use bytes::Bytes;
use countersign_domain::world::Clock as _;
use countersign_phone::{Phone, jwt};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::TestApp;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A connection that has served one request, so that the server's settings are known; and a future of its end.
struct Connection {
    client: SendRequest<Empty<Bytes>>,
    ended: JoinHandle<()>,
    base: String,
}

impl Connection {
    async fn open(app: &TestApp) -> Self {
        let stream = TcpStream::connect(app.address()).await.expect("somebody listens");
        let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (client, connection) = made.expect("a handshake");
        let ended = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut connection = Self { client, ended, base: format!("http://{}", app.address()) };
        assert!(connection.is_served().await);
        connection
    }

    async fn is_served(&mut self) -> bool {
        let request = Request::get(format!("{}/healthz", self.base)).body(Empty::new());
        let response = self.client.send_request(request.expect("a request")).await;
        response.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    async fn stream(&mut self, app: &TestApp, phone: &Phone) -> Socket {
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("{}{}/Stream", self.base, app.factor_path(phone)))
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"))
            .body(Empty::new());
        let response = self.client.send_request(request.expect("a request")).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        let upgraded = hyper::upgrade::on(response).await.expect("a stream");
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
    }
}

async fn text(socket: &mut Socket) -> String {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("a text: {other:?}"),
        }
    }
}

async fn link(app: &TestApp, phone: &Phone, socket: &mut Socket) {
    let nonce = text(socket).await;
    let device =
        jwt::Device { credential_sid: phone.credential_sid(), account_sid: phone.account_sid() };
    let now = app.clock.now().as_seconds();
    let token = jwt::device_jwt(phone.key(), device, now, Some(&nonce)).expect("a token");
    socket.send(Message::text(token)).await.expect("sent");
    assert!(text(socket).await.contains("linked"));
}

#[tokio::test]
async fn a_stream_keeps_its_connection_beyond_the_idle_time_and_no_longer_than_it_lasts() {
    let app = TestApp::start_with(&["http.idle_seconds=1"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut connection = Connection::open(&app).await;
    let mut socket = connection.stream(&app, &phone).await;
    link(&app, &phone, &mut socket).await;

    // Two later idle connections: the second begins once the first has been closed.
    for _ in 0..2 {
        let idle = Connection::open(&app).await;
        idle.ended.await.expect("it is closed");
    }
    let challenge = app.challenge(&phone, "Log in?").await;
    assert!(text(&mut socket).await.contains(&challenge), "the prompt is closed");
    assert!(connection.is_served().await, "other requests share the connection");

    drop(socket);
    connection.ended.await.expect("without its stream it is idle, and closed");
}

#[tokio::test]
async fn streams_of_one_connection_are_each_their_own() {
    let app = TestApp::start().await;
    let mut connection = Connection::open(&app).await;
    let mut sockets = Vec::new();
    for identity in ["alice-0001", "bob-00001"] {
        let phone = app.enrol_phone(identity).await;
        let mut socket = connection.stream(&app, &phone).await;
        link(&app, &phone, &mut socket).await;
        sockets.push((phone, socket));
    }
    let (alice, _) = &sockets[0];
    let deleted = app.api().delete(&app.factor_path(alice)).await;
    assert_eq!(deleted.status, 204);
    let (bob, mut of_bob) = sockets.pop().expect("two");
    let (_, mut of_alice) = sockets.pop().expect("one");
    let closed = of_alice.next().await;
    let Some(Ok(Message::Close(Some(close)))) = closed else { panic!("a close: {closed:?}") };
    assert_eq!(u16::from(close.code), 4404);
    let challenge = app.challenge(&bob, "Log in?").await;
    assert!(text(&mut of_bob).await.contains(&challenge));
}
