//! The socket as the conversation sees it: one frame to write at a time, and incoming messages.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use super::frames;
use super::protocol::Received;

/// Large enough for most messages of devices. Grows for a longer token.
const READ_BUFFER: usize = 1024;
/// Large enough for the longest prompt, and for pongs to a device that does not read them.
const WRITE_BUFFER: usize = 8 * 1024;

/// Limits the memory of one socket. The library's default read buffer is 128 KiB per socket.
pub(super) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(frames::LONGEST)
        .max_frame_size(frames::LONGEST)
}

/// An event of a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// The frame has been written.
    Written,
    /// A message of the device.
    Received(Message),
    /// A protocol error or the end of the connection.
    Fault(Received<'static>),
}

impl Event {
    /// The message of the device, if the event is one.
    pub(super) fn received(&self) -> Option<Received<'_>> {
        Some(match self {
            Self::Written => return None,
            Self::Received(Message::Text(text)) => Received::Text(text.as_str()),
            Self::Received(Message::Binary(_)) => Received::Binary,
            Self::Received(Message::Ping(_) | Message::Pong(_)) => Received::Beat,
            Self::Received(Message::Close(_)) => Received::Farewell,
            Self::Fault(fault) => *fault,
        })
    }

    /// Whether the connection is over.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Fault(Received::Silence))
    }
}

/// A socket.
pub(super) struct Transport {
    socket: WebSocket,
    /// Not yet accepted by the socket.
    queued: Option<Message>,
    /// Accepted by the socket, but not known to be written.
    is_writing: bool,
    /// After an error nothing can be read; writing still works.
    is_unreadable: bool,
}

impl Transport {
    pub(super) const fn new(socket: WebSocket) -> Self {
        Self { socket, queued: None, is_writing: false, is_unreadable: false }
    }

    /// Writes a message while [`next`](Self::next) is awaited. Replaces a message that the socket has not begun to write.
    pub(super) fn send(&mut self, message: Message) {
        self.queued = Some(message);
    }

    /// Waits for the next event. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(written) = self.poll_write(cx) {
            return Poll::Ready(match written {
                Ok(()) => Event::Written,
                Err(_) => {
                    self.is_unreadable = true;
                    Event::Fault(Received::Silence)
                }
            });
        }
        if self.is_unreadable {
            return Poll::Pending;
        }
        let fault = match ready!(self.socket.poll_next_unpin(cx)) {
            Some(Ok(message)) => return Poll::Ready(Event::Received(message)),
            Some(Err(error)) => fault_of(error),
            None => Received::Silence,
        };
        self.is_unreadable = true;
        Poll::Ready(Event::Fault(fault))
    }

    /// Ready when the message has been written. Pending while there is none.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.queued.is_some() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(message) = self.queued.take() {
                self.is_writing = true;
                self.socket.start_send_unpin(message)?;
            }
        }
        if !self.is_writing {
            return Poll::Pending;
        }
        let flushed = ready!(self.socket.poll_flush_unpin(cx));
        self.is_writing = false;
        Poll::Ready(flushed)
    }
}

fn fault_of(error: Error) -> Received<'static> {
    match error.into_inner().downcast_ref() {
        Some(tungstenite::Error::Capacity(_)) => Received::TooLarge,
        Some(tungstenite::Error::Utf8(_)) => Received::NotUtf8,
        // Not an error of the device: a phone that loses its network sends no close frame.
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            Received::Silence
        }
        Some(tungstenite::Error::Protocol(_)) => Received::Violation,
        _ => Received::Silence,
    }
}
