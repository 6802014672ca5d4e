//! A minimal HTTP/1.1 client: requests are bytes made in advance, and responses are barely parsed.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded;

/// The largest response in bytes.
const SIZE_MAX: usize = 1024 * 1024;

/// The value of an `Authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A form body.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The bytes of a GET request.
pub(crate) fn get(host: SocketAddr, path: &str, authorization: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n").into()
}

/// The bytes of a POST request with a form.
pub(crate) fn post(host: SocketAddr, path: &str, authorization: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
    .into()
}

/// A persistent connection.
pub(crate) struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(Self::over(socket))
    }

    /// Uses a connected socket.
    pub(crate) fn over(socket: TcpStream) -> Self {
        Self { socket, buffer: vec![0; 4 * 1024] }
    }

    /// Sends a request and waits for the whole response.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.socket.write_all(request).await?;
        let mut filled = 0;
        let mut shape = None;
        loop {
            if filled == self.buffer.len() {
                if filled >= SIZE_MAX {
                    return Err(io::Error::other("an answer that is too large"));
                }
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.socket.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if shape.is_none() {
                shape = Lengths::of(&self.buffer[..filled])?;
            }
            if let Some(Lengths { status, head, body }) = shape
                && filled >= head + body
            {
                let (head, rest) = self.buffer.split_at(head);
                return Ok(Response { status, head, body: &rest[..body] });
            }
        }
    }
}

impl Response<'_> {
    /// The response as text, for error messages.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(self.body))
    }
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    lines(head).find_map(|(_, line)| value_of(line, name))
}

/// The status and the lengths of a response.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Lengths {
    status: u16,
    head: usize,
    body: usize,
}

impl Lengths {
    /// `None` while the head is incomplete.
    fn of(bytes: &[u8]) -> io::Result<Option<Self>> {
        let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut status = None;
        let mut body = None;
        for (end, line) in lines(bytes) {
            if status.is_none() {
                let digits = line.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
                let number = digits.and_then(|digits| digits.parse::<u16>().ok());
                status = Some(number.ok_or_else(|| bad("a status line without a status"))?);
            } else if line.is_empty() {
                let status = status.unwrap_or_default();
                let has_none = status < 200 || status == 204 || status == 304;
                let body = if has_none { Some(0) } else { body };
                let body = body.ok_or_else(|| bad("an answer without Content-Length"))?;
                return Ok(Some(Self { status, head: end, body }));
            } else if let Some(length) = value_of(line, "content-length") {
                let length = length.parse::<usize>().ok().filter(|length| *length <= SIZE_MAX);
                body = Some(length.ok_or_else(|| bad("a Content-Length that is too large"))?);
            }
        }
        Ok(None)
    }
}

/// The complete lines of a head without their ends, each with the position after it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let length = bytes[start..].iter().position(|byte| *byte == b'\n')?;
        let line = &bytes[start..start + length];
        start += length + 1;
        Some((start, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a str> {
    let (key, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    if !key.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    str::from_utf8(value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_a_response_are_known_when_its_head_is_complete() {
        let answer = b"HTTP/1.1 201 Created\r\nDate: x\r\nCONTENT-length:  5\r\n\r\nhello";
        let shape = Lengths { status: 201, head: answer.len() - 5, body: 5 };
        assert_eq!(Lengths::of(answer).unwrap(), Some(shape));
        for end in 0..shape.head {
            assert_eq!(Lengths::of(&answer[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(header(answer, "date"), Some("x"));
        assert_eq!(header(answer, "dat"), None);
    }

    #[test]
    fn an_invalid_response_is_an_error() {
        let answers = ["nonsense\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"];
        for answer in answers {
            assert!(Lengths::of(answer.as_bytes()).is_err(), "{answer}");
        }
        let empty = Lengths::of(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((empty.status, empty.body), (204, 0));
    }

    #[test]
    fn a_form_is_escaped() {
        assert_eq!(form(&[("A.B", "x+/=ä"), ("C", "1")]), "A.B=x%2B%2F%3D%C3%A4&C=1");
    }
}
