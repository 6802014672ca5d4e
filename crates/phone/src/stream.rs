//! A connection of the device stream: nonce, token, confirmation, then prompts until it ends.

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
use crate::error::PhoneError;
use crate::frame::{self, Ended, Frame, Linked, Prompt};
use crate::phone::Phone;
use crate::server::Reply;

/// Time from the first byte to the confirmation.
const CONNECTING: Duration = Duration::from_secs(15);
/// Time for the server to answer a close frame.
const CLOSING: Duration = Duration::from_secs(2);

/// An authenticated connection of the device stream.
///
/// Nothing runs in the background: prompts are read and pings answered while [`next_prompt`](Self::next_prompt) is awaited.
#[derive(Debug)]
pub struct Stream {
    socket: WebSocketStream<Upgraded>,
    linked: Linked,
    automatic_ack: bool,
    /// Read, but not yet acknowledged.
    held: Option<Prompt>,
    last_heard: Instant,
    closed: Option<Closed>,
}

/// A message of the server about a challenge.
#[derive(Debug)]
pub enum Told {
    /// A prompt.
    Prompt(Prompt),
    /// The prompt of a challenge is over.
    Ended(Ended),
}

impl Phone {
    /// Connects to the device stream.
    ///
    /// If the server rejects the token and returns its time, the phone corrects its clock and retries once. A second rejection
    /// is [`PhoneError::Closed`] with 4401.
    pub async fn connect(&self) -> Result<Stream, PhoneError> {
        let refused = match self.connect_once().await {
            Err(PhoneError::Closed(closed)) => closed,
            result => return result,
        };
        let Some(refusal) = refused.refusal() else {
            return Err(PhoneError::Closed(refused));
        };
        self.correct_clock(refusal.server_time.as_second());
        self.connect_once().await
    }

    async fn connect_once(&self) -> Result<Stream, PhoneError> {
        let connecting = async {
            let socket = self.open_socket().await?;
            Stream::link(socket, self).await
        };
        timeout(CONNECTING, Box::pin(connecting)).await.map_err(|_| PhoneError::Silent)?
    }

    async fn open_socket(&self) -> Result<WebSocketStream<Upgraded>, PhoneError> {
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
            return Err(match Reply::read(response).await?.accepted() {
                Ok(_) => PhoneError::malformed("an upgrade that was answered and not done"),
                Err(refusal) => refusal,
            });
        }
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| *accept != derive_accept_key(key.as_bytes())) {
            return Err(PhoneError::malformed("an upgrade to something that is no WebSocket"));
        }
        // A benchmark has thousands of connections with small frames.
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(64 * 1024));
        let upgraded = response.upgrade().await.map_err(PhoneError::Unreachable)?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }
}

impl Stream {
    async fn link(
        mut socket: WebSocketStream<Upgraded>,
        phone: &Phone,
    ) -> Result<Self, PhoneError> {
        let first = next_text(&mut socket).await?;
        let token = phone.signed_in(Some(frame::nonce(&first)?))?;
        socket.send(Message::text(token)).await?;
        let second = next_text(&mut socket).await?;
        let Frame::Linked(linked) = Frame::parse(&second)? else {
            return Err(PhoneError::malformed("a second frame that does not link"));
        };
        if linked.factor_sid != phone.factor_sid() {
            return Err(PhoneError::WrongFactor(linked.factor_sid));
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

    /// The server's confirmation.
    pub fn linked(&self) -> &Linked {
        &self.linked
    }

    /// Whether prompts are acknowledged as they are read, which is the default. Otherwise call [`ack`](Self::ack), or test how
    /// the server treats unacknowledged prompts.
    pub fn set_automatic_ack(&mut self, automatic: bool) {
        self.automatic_ack = automatic;
    }

    /// Waits for the next prompt. Cancel safe.
    ///
    /// Returns [`PhoneError::Closed`] when the server has ended the stream, and on every later call.
    pub async fn next_prompt(&mut self) -> Result<Prompt, PhoneError> {
        loop {
            if let Told::Prompt(prompt) = self.next().await? {
                return Ok(prompt);
            }
        }
    }

    /// Waits for the next prompt, or the end of one, in the manner of [`next_prompt`](Self::next_prompt).
    pub async fn next(&mut self) -> Result<Told, PhoneError> {
        let prompt = match self.held.take() {
            Some(prompt) => prompt,
            None => match self.read().await? {
                Told::Prompt(prompt) => prompt,
                ended @ Told::Ended(_) => return Ok(ended),
            },
        };
        if self.automatic_ack {
            // Kept until the ack has been written, so that a caller that is cancelled still gets the prompt.
            let ack = frame::ack(&prompt.notification_sid);
            self.held = Some(prompt.clone());
            let sent = self.socket.send(Message::text(ack)).await;
            self.held = None;
            sent?;
        }
        Ok(Told::Prompt(prompt))
    }

    /// Acknowledges a prompt.
    pub async fn ack(&mut self, prompt: &Prompt) -> Result<(), PhoneError> {
        let ack = frame::ack(&prompt.notification_sid);
        Ok(self.socket.send(Message::text(ack)).await?)
    }

    /// Sends a close frame and waits briefly for the server's. Dropping a stream instead breaks the connection, as losing the
    /// network does.
    pub async fn close(mut self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let closing = async {
            // A stream that has ended needs no close frame.
            if self.socket.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = timeout(CLOSING, closing).await;
    }

    async fn read(&mut self) -> Result<Told, PhoneError> {
        loop {
            let text = self.read_text().await?;
            let (factor, told) = match Frame::parse(&text)? {
                Frame::Prompt(prompt) => (prompt.factor_sid.clone(), Told::Prompt(prompt)),
                Frame::Ended(ended) => (ended.factor_sid.clone(), Told::Ended(ended)),
                Frame::Linked(_) | Frame::Unknown => continue,
            };
            if factor != self.linked.factor_sid {
                return Err(PhoneError::WrongFactor(factor));
            }
            return Ok(told);
        }
    }

    async fn read_text(&mut self) -> Result<String, PhoneError> {
        if let Some(closed) = &self.closed {
            return Err(PhoneError::Closed(closed.clone()));
        }
        loop {
            // Two missed pings, and some time for a slow network.
            let patience = Duration::from_secs(u64::from(self.linked.ping_seconds) * 2 + 10);
            let read = timeout_at(self.last_heard + patience, self.socket.next());
            let message = read.await.map_err(|_| PhoneError::Silent)?;
            self.last_heard = Instant::now();
            match received(message)? {
                Received::Text(text) => return Ok(text),
                Received::Nothing => {}
                Received::Closed(closed) => {
                    self.closed = Some(closed.clone());
                    // Writes the close frame that answers the server's.
                    let _ = self.socket.flush().await;
                    return Err(PhoneError::Closed(closed));
                }
            }
        }
    }
}

/// A WebSocket message.
enum Received {
    Text(String),
    /// A ping or a pong, which the library answers.
    Nothing,
    Closed(Closed),
}

fn received(message: Option<Result<Message, tungstenite::Error>>) -> Result<Received, PhoneError> {
    let ended = |code, reason: &str| Received::Closed(Closed { code, reason: reason.to_owned() });
    Ok(match message {
        Some(Ok(Message::Text(text))) => Received::Text(text.to_string()),
        Some(Ok(Message::Close(Some(close)))) => ended(close.code.into(), &close.reason),
        Some(Ok(Message::Close(None))) => ended(1005, ""),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Received::Nothing,
        Some(Ok(Message::Binary(_))) => {
            return Err(PhoneError::malformed("a frame that is not text"));
        }
        Some(Err(error)) => return Err(error.into()),
        None => ended(1006, ""),
    })
}

/// The next text message before the confirmation.
async fn next_text(socket: &mut WebSocketStream<Upgraded>) -> Result<String, PhoneError> {
    loop {
        match received(socket.next().await)? {
            Received::Text(text) => return Ok(text),
            Received::Nothing => {}
            Received::Closed(closed) => {
                let _ = socket.flush().await;
                return Err(PhoneError::Closed(closed));
            }
        }
    }
}
