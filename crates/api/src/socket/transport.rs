//! The socket, as the conversation sees it: one frame to write at a time, and whatever the device says meanwhile.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use super::frames;
use super::protocol::Heard;

/// Most of what devices send fits in; a longer token makes the buffer grow.
const READ_BUFFER: usize = 1024;
/// Room for the longest prompt, and for pongs to a device that does not read them.
const WRITE_BUFFER: usize = 8 * 1024;

/// Bounds what one socket may cost. The library's own read buffer is 128 KiB, for each idle device.
pub(super) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(frames::LONGEST)
        .max_frame_size(frames::LONGEST)
}

/// What happened on a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// The frame that was to be written has left.
    Written,
    /// The device said something.
    Heard(Message),
    /// It said something that is none, or nothing any more.
    Fault(Heard<'static>),
}

impl Event {
    /// What the device said, if it did.
    pub(super) fn heard(&self) -> Option<Heard<'_>> {
        Some(match self {
            Self::Written => return None,
            Self::Heard(Message::Text(text)) => Heard::Text(text.as_str()),
            Self::Heard(Message::Binary(_)) => Heard::Binary,
            Self::Heard(Message::Ping(_) | Message::Pong(_)) => Heard::Beat,
            Self::Heard(Message::Close(_)) => Heard::Farewell,
            Self::Fault(fault) => *fault,
        })
    }

    /// Whether the connection is over.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Fault(Heard::Silence))
    }
}

/// A socket.
pub(super) struct Transport {
    socket: WebSocket,
    /// Not yet taken by the socket.
    queued: Option<Message>,
    /// Taken, and not yet known to have left.
    is_writing: bool,
    /// After a fault nothing sensible can be read any more; writing still works.
    is_deaf: bool,
}

impl Transport {
    pub(super) const fn new(socket: WebSocket) -> Self {
        Self { socket, queued: None, is_writing: false, is_deaf: false }
    }

    /// Writes a message while [`next`](Self::next) is awaited. One that the socket has not even begun with is replaced.
    pub(super) fn send(&mut self, message: Message) {
        self.queued = Some(message);
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(written) = self.poll_write(cx) {
            return Poll::Ready(match written {
                Ok(()) => Event::Written,
                Err(_) => {
                    self.is_deaf = true;
                    Event::Fault(Heard::Silence)
                }
            });
        }
        if self.is_deaf {
            return Poll::Pending;
        }
        let fault = match ready!(self.socket.poll_next_unpin(cx)) {
            Some(Ok(message)) => return Poll::Ready(Event::Heard(message)),
            Some(Err(error)) => fault_of(error),
            None => Heard::Silence,
        };
        self.is_deaf = true;
        Poll::Ready(Event::Fault(fault))
    }

    /// Ready when the message to be written has left, pending also while there is none.
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

fn fault_of(error: Error) -> Heard<'static> {
    match error.into_inner().downcast_ref() {
        Some(tungstenite::Error::Capacity(_)) => Heard::TooLarge,
        Some(tungstenite::Error::Utf8(_)) => Heard::NotUtf8,
        // Not a fault of the device: a phone in a tunnel says no goodbye.
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            Heard::Silence
        }
        Some(tungstenite::Error::Protocol(_)) => Heard::Violation,
        _ => Heard::Silence,
    }
}
