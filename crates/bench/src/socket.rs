//! A minimal WebSocket client: small buffers, text frames, no fragments.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// The largest frame; those of the protocol are smaller.
const SIZE_MAX: usize = 64 * 1024;
const SMALL: usize = 1024;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// An open WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes that were read and not parsed yet.
    unread: std::ops::Range<usize>,
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Closed(u16),
}

impl Socket {
    /// Connects from a given loopback address and upgrades the connection.
    pub(crate) async fn open(to: SocketAddr, from: Ipv4Addr, path: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((IpAddr::V4(from), 0).into())?;
        let mut stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await?;
        let mut socket = Self { stream, buffer: vec![0; SMALL], unread: 0..0 };
        loop {
            socket.read_more().await?;
            let read = &socket.buffer[socket.unread.clone()];
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&read[..end]);
                ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
                socket.unread.start += end + 4;
                return Ok(socket);
            }
        }
    }

    /// The next text or close frame. Pings are answered.
    pub(crate) async fn next(&mut self) -> Result<Message<'_>> {
        loop {
            let Some(frame) = Frame::of(&self.buffer[self.unread.clone()])? else {
                self.read_more().await?;
                continue;
            };
            let start = self.unread.start + frame.head;
            let end = start + frame.length;
            self.unread.start = end;
            match frame.kind {
                TEXT => {
                    let text = str::from_utf8(&self.buffer[start..end]);
                    return Ok(Message::Text(text.context("a text that is not UTF-8")?));
                }
                PING => {
                    let payload = self.buffer[start..end].to_vec();
                    self.send(PONG, &payload).await?;
                }
                CLOSE => {
                    let code = self.buffer[start..end].first_chunk();
                    return Ok(Message::Closed(
                        code.map_or(1005, |code| u16::from_be_bytes(*code)),
                    ));
                }
                PONG => {}
                other => bail!("a frame of kind {other}"),
            }
        }
    }

    pub(crate) async fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send(TEXT, text.as_bytes()).await
    }

    async fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, payload)).await
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.buffer.len() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if self.unread.end == self.buffer.len() {
                ensure!(self.buffer.len() < SIZE_MAX, "a frame that is too large");
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let read = self.stream.read(&mut self.buffer[self.unread.end..]).await?;
        ensure!(read > 0, "the connection broke");
        self.unread.end += read;
        Ok(())
    }
}

/// A frame of a client. Its mask is zero, which costs nothing; the server cannot tell.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.push(0x80 | kind);
    match u16::try_from(payload.len()).unwrap_or(u16::MAX) {
        length @ 0..126 => frame.push(0x80 | length.to_be_bytes()[1]),
        length => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The position of a frame of the server.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    head: usize,
    length: usize,
}

impl Frame {
    /// `None` while the frame is incomplete.
    fn of(bytes: &[u8]) -> Result<Option<Self>> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        ensure!(first & 0xf0 == 0x80, "a frame in pieces, or of an extension");
        ensure!(second & 0x80 == 0, "a masked frame from a server");
        let (head, length) = match second & 0x7f {
            126 => match rest.first_chunk() {
                Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            127 => bail!("a frame that is too large"),
            length => (2, usize::from(length)),
        };
        let complete = bytes.len() >= head + length;
        Ok(complete.then_some(Self { kind: first & 0x0f, head, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_when_it_is_complete() {
        let mut long = vec![0x81, 126, 0, 200];
        long.extend([b'x'; 200]);
        for end in 0..long.len() {
            assert_eq!(Frame::of(&long[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(Frame::of(&long).unwrap(), Some(Frame { kind: TEXT, head: 4, length: 200 }));
        let ping = Frame { kind: PING, head: 2, length: 0 };
        assert_eq!(Frame::of(&[0x89, 0, 0x81]).unwrap(), Some(ping));
    }

    #[test]
    fn an_invalid_frame_is_an_error() {
        for bytes in [[0x01, 0], [0xc1, 0], [0x81, 0x80], [0x81, 127]] {
            assert!(Frame::of(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_of_ours_is_masked() {
        assert_eq!(frame(TEXT, b"ab"), [0x81, 0x82, 0, 0, 0, 0, b'a', b'b']);
        assert_eq!(frame(TEXT, &[0; 300])[..4], [0x81, 0xfe, 1, 44]);
    }
}
