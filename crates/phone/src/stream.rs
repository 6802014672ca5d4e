//! One connection of the device stream: nonce, token, linked, and then prompts until it ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{StatusCode, Upgraded};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, tungstenite};

use crate::close::Closed;
use crate::error::Error;
use crate::frame::{self, Frame, Linked, Prompt};
use crate::phone::Phone;
use crate::server::Answer;

/// From the first byte to the linked frame.
const CONNECTING: Duration = Duration::from_secs(15);
/// How long a close waits for the server to close too.
const CLOSING: Duration = Duration::from_secs(2);

/// A linked connection of the device stream.
///
/// Nothing runs in the background: prompts are read, and pings answered, while
/// [`next_prompt`](Self::next_prompt) is awaited.
#[derive(Debug)]
pub struct Stream {
    socket: WebSocketStream<Upgraded>,
    linked: Linked,
    automatic_ack: bool,
    /// Read, and on its way to being acknowledged.
    held: Option<Prompt>,
    last_heard: Instant,
    closed: Option<Closed>,
}

impl Phone {
    /// Connects to the device stream.
    ///
    /// When the server refuses the token and says what time it is, the phone corrects its clock and
    /// tries once more; a second refusal is [`Error::Closed`] with 4401.
    pub async fn connect(&self) -> Result<Stream, Error> {
        let refused = match self.connect_once().await {
            Err(Error::Closed(closed)) => closed,
            result => return result,
        };
        let Some(refusal) = refused.refusal() else {
            return Err(Error::Closed(refused));
        };
        self.correct_clock(refusal.server_time.as_second());
        self.connect_once().await
    }

    async fn connect_once(&self) -> Result<Stream, Error> {
        let connecting = async {
            let socket = self.open_socket().await?;
            Stream::link(socket, self).await
        };
        timeout(CONNECTING, Box::pin(connecting)).await.map_err(|_| Error::Silent)?
    }

    async fn open_socket(&self) -> Result<WebSocketStream<Upgraded>, Error> {
        let url = self.entity_url(&["Factors", self.factor_sid(), "Stream"])?;
        let key = generate_key();
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let header = HeaderValue::from_str(&key).expect("base64 fits into a header");
        headers.insert(SEC_WEBSOCKET_KEY, header);

        let response = self.server().upgrade(url, headers).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(match Answer::read(response).await?.accepted() {
                Ok(_) => Error::malformed("an upgrade that was answered and not done"),
                Err(refusal) => refusal,
            });
        }
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| *accept != derive_accept_key(key.as_bytes())) {
            return Err(Error::malformed("an upgrade to something that is no WebSocket"));
        }
        // a benchmark holds thousands of these; frames are small
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(64 * 1024));
        let upgraded = response.upgrade().await.map_err(Error::Unreachable)?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }
}

impl Stream {
    async fn link(mut socket: WebSocketStream<Upgraded>, phone: &Phone) -> Result<Self, Error> {
        let first = next_text(&mut socket).await?;
        let token = phone.signed_in(Some(frame::nonce(&first)?))?;
        socket.send(Message::text(token)).await?;
        let second = next_text(&mut socket).await?;
        let Frame::Linked(linked) = Frame::parse(&second)? else {
            return Err(Error::malformed("a second frame that does not link"));
        };
        if linked.factor_sid != phone.factor_sid() {
            return Err(Error::WrongFactor(linked.factor_sid));
        }
        Ok(Self {
            socket,
            linked,
            automatic_ack: true,
            held: None,
            last_heard: Instant::now(),
            closed: None,
        })
    }

    /// What the server said when it linked the phone.
    pub fn linked(&self) -> &Linked {
        &self.linked
    }

    /// Whether each prompt is acknowledged as it is read, which is the default. Without it, call
    /// [`ack`](Self::ack), or see what the server does when nobody does.
    pub fn set_automatic_ack(&mut self, automatic: bool) {
        self.automatic_ack = automatic;
    }

    /// Waits for the next prompt. Dropping the future loses nothing.
    ///
    /// [`Error::Closed`] when the server ended the stream; every later call says the same.
    pub async fn next_prompt(&mut self) -> Result<Prompt, Error> {
        let prompt = match self.held.take() {
            Some(prompt) => prompt,
            None => self.read_prompt().await?,
        };
        if self.automatic_ack {
            // held until the ack has left, so that a caller who stops waiting still gets it
            let ack = frame::ack(&prompt.notification_sid);
            self.held = Some(prompt.clone());
            let sent = self.socket.send(Message::text(ack)).await;
            self.held = None;
            sent?;
        }
        Ok(prompt)
    }

    /// Acknowledges a prompt by hand.
    pub async fn ack(&mut self, prompt: &Prompt) -> Result<(), Error> {
        let ack = frame::ack(&prompt.notification_sid);
        Ok(self.socket.send(Message::text(ack)).await?)
    }

    /// Says goodbye, and waits a moment for the server to do so too. Dropping a stream instead
    /// breaks the connection, as a phone in a tunnel does.
    pub async fn close(mut self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let closing = async {
            // a stream that has ended already is closed enough
            if self.socket.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = timeout(CLOSING, closing).await;
    }

    async fn read_prompt(&mut self) -> Result<Prompt, Error> {
        loop {
            let text = self.read_text().await?;
            let Frame::Prompt(prompt) = Frame::parse(&text)? else {
                continue;
            };
            if prompt.factor_sid != self.linked.factor_sid {
                return Err(Error::WrongFactor(prompt.factor_sid));
            }
            return Ok(prompt);
        }
    }

    async fn read_text(&mut self) -> Result<String, Error> {
        if let Some(closed) = &self.closed {
            return Err(Error::Closed(closed.clone()));
        }
        loop {
            // two pings missed, and some time for a slow network
            let patience = Duration::from_secs(u64::from(self.linked.ping_seconds) * 2 + 10);
            let read = timeout_at(self.last_heard + patience, self.socket.next());
            let message = read.await.map_err(|_| Error::Silent)?;
            self.last_heard = Instant::now();
            match heard(message)? {
                Heard::Text(text) => return Ok(text),
                Heard::Nothing => {}
                Heard::Closed(closed) => {
                    self.closed = Some(closed.clone());
                    // sends the close that answers the server's
                    let _ = self.socket.flush().await;
                    return Err(Error::Closed(closed));
                }
            }
        }
    }
}

/// What a WebSocket message means to us.
enum Heard {
    Text(String),
    /// A ping or a pong: the library answers.
    Nothing,
    Closed(Closed),
}

fn heard(message: Option<Result<Message, tungstenite::Error>>) -> Result<Heard, Error> {
    let ended = |code, reason: &str| Heard::Closed(Closed { code, reason: reason.to_owned() });
    Ok(match message {
        Some(Ok(Message::Text(text))) => Heard::Text(text.to_string()),
        Some(Ok(Message::Close(Some(close)))) => ended(close.code.into(), &close.reason),
        Some(Ok(Message::Close(None))) => ended(1005, ""),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Nothing,
        Some(Ok(Message::Binary(_))) => return Err(Error::malformed("a frame that is not text")),
        Some(Err(error)) => return Err(error.into()),
        None => ended(1006, ""),
    })
}

/// The next text before the stream is linked, when no ping is due yet.
async fn next_text(socket: &mut WebSocketStream<Upgraded>) -> Result<String, Error> {
    loop {
        match heard(socket.next().await)? {
            Heard::Text(text) => return Ok(text),
            Heard::Nothing => {}
            Heard::Closed(closed) => {
                let _ = socket.flush().await;
                return Err(Error::Closed(closed));
            }
        }
    }
}
