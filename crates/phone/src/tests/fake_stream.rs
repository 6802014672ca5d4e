//! The server's end of the device stream, driven by hand.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::vectors::{self, opened};

pub(super) const NONCE: &str = "00112233445566778899aabbccddeeff";

/// A port to which phones connect.
pub(super) struct FakeStream(TcpListener);

/// A bound port that refuses connections until it is opened.
pub(super) struct ClosedPort(TcpSocket);

/// A phone's connection, seen from the server.
pub(super) struct Connection(WebSocketStream<TcpStream>);

impl FakeStream {
    pub(super) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Upgrades the next connection, which must request the stream of the documented factor.
    pub(super) async fn admit(&self) -> Connection {
        let (socket, _) = self.0.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let expected = format!(
                "/v2/Services/{}/Entities/{}/Factors/{}/Stream",
                vectors::SERVICE_SID,
                vectors::IDENTITY,
                vectors::FACTOR_SID
            );
            assert_eq!(request.uri().path(), expected);
            assert!(!request.headers().contains_key("authorization"));
            Ok(response)
        };
        Connection(accept_hdr_async(socket, check).await.unwrap())
    }

    /// Upgrades the next connection and confirms its authentication.
    pub(super) async fn link(&self) -> Connection {
        let mut connection = self.admit().await;
        connection.authenticate().await;
        connection.say(&linked()).await;
        connection
    }
}

impl ClosedPort {
    pub(super) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(super) fn open(self) -> FakeStream {
        FakeStream(self.0.listen(16).unwrap())
    }
}

impl Connection {
    /// Sends the nonce and returns the payload of the token.
    pub(super) async fn authenticate(&mut self) -> Value {
        self.say_text(NONCE).await;
        let (header, payload) = opened(&self.hear().await, vectors::PUBLIC_KEY);
        assert_eq!(header["kid"], vectors::CREDENTIAL_SID);
        assert_eq!(payload["nonce"], NONCE);
        payload
    }

    pub(super) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn say(&mut self, frame: &Value) {
        self.say_text(&frame.to_string()).await;
    }

    /// The next text message of the phone.
    pub(super) async fn hear(&mut self) -> String {
        match self.0.next().await.unwrap().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("not text: {other:?}"),
        }
    }

    /// Sends a ping and waits for the pong.
    pub(super) async fn ping(&mut self) {
        self.0.send(Message::Ping("are you there".into())).await.unwrap();
        let answer = self.0.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Pong("are you there".into()));
    }

    /// Sends a close frame and waits for the phone's.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let close = CloseFrame { code: code.into(), reason: reason.into() };
        self.0.close(Some(close)).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// The close frame of the phone.
    pub(super) async fn hear_close(&mut self) -> u16 {
        match self.0.next().await.unwrap().unwrap() {
            Message::Close(Some(close)) => close.code.into(),
            other => panic!("not a close: {other:?}"),
        }
    }
}

pub(super) fn linked() -> Value {
    json!({
        "type": "linked", "factor_sid": vectors::FACTOR_SID,
        "server_time": "2023-11-14T22:13:20Z", "ping_seconds": 45,
    })
}

pub(super) fn prompt(notification_sid: &str) -> Value {
    json!({
        "type": "verify_push_challenge", "notification_sid": notification_sid,
        "challenge_sid": vectors::CHALLENGE_SID, "factor_sid": vectors::FACTOR_SID,
        "message": "Log in from Lisbon?", "expires_at": "2023-11-14T22:18:20.512Z",
    })
}

pub(super) fn ack(notification_sid: &str) -> Value {
    json!({"type": "ack", "notification_sid": notification_sid})
}

/// The reason of a close frame with code 4401.
pub(super) fn refusal(server_time: &str) -> String {
    let message = "Authentication Failed";
    json!({"code": 20151, "message": message, "server_time": server_time}).to_string()
}
