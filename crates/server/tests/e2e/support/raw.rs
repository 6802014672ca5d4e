//! HTTP/1.1 by hand, for requests that a client library would correct, hide or refuse to send.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Caller;

/// A response as it came over the wire.
#[derive(Debug)]
pub struct RawReply {
    pub status: u16,
    /// The lines of the head but the first.
    pub headers: Vec<String>,
    pub body: String,
}

impl RawReply {
    /// A header's text by its name, letter by letter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("a head: {text}"));
        let mut lines = head.split("\r\n").map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("a status: {first}"));
        Self { status, headers: lines.collect(), body: body.to_owned() }
    }
}

/// A request with a form, as one write puts it on the wire.
pub fn request_bytes(caller: &Caller, method: &str, path: &str, form: &str) -> Vec<u8> {
    let pair = STANDARD.encode(format!("{}:{}", caller.user, caller.password));
    format!(
        "{method} {path} HTTP/1.1\r\nhost: countersign\r\nauthorization: Basic {pair}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

/// A connection on which this text has been sent.
pub async fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    stream.write_all(bytes).await.expect("it can be written");
    stream
}

/// Sends this text, and reads the response until the server closes; the request must ask it to close.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> RawReply {
    let mut stream = open(address, bytes).await;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("it can be read");
    RawReply::parse(&String::from_utf8(heard).expect("UTF-8"))
}
