//! A RADIUS client of its own: it makes requests and checks responses by the words of the RFCs, without the server's code.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use tokio::net::UdpSocket;

use crate::support::TestApp;

pub const ACCEPT: u8 = 2;
pub const REJECT: u8 = 3;
pub const CHALLENGE: u8 = 11;

/// A response whose sums are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u8,
    pub message: String,
    pub state: Option<Vec<u8>>,
    pub bytes: Vec<u8>,
}

/// A gateway with a socket of its own.
pub struct Gateway {
    socket: UdpSocket,
    secret: String,
    next: u8,
}

/// Types of attributes.
pub mod kind {
    pub const USER: u8 = 1;
    pub const PASSWORD: u8 = 2;
    pub const CHAP: u8 = 3;
    pub const MESSAGE: u8 = 18;
    pub const STATE: u8 = 24;
    pub const CALLING: u8 = 31;
    pub const NAS: u8 = 32;
    pub const AUTHENTICATOR: u8 = 80;
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut sum = Md5::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.finalize().into()
}

fn hmac(secret: &str, text: &[u8]) -> [u8; 16] {
    let mut sum = Hmac::<Md5>::new_from_slice(secret.as_bytes()).expect("a key");
    sum.update(text);
    sum.finalize().into_bytes().into()
}

/// The attributes of a packet.
fn attributes(packet: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut rest, mut all) = (&packet[20..], Vec::new());
    while let [kind, size, ..] = *rest {
        all.push((kind, &rest[2..usize::from(size)]));
        rest = &rest[usize::from(size)..];
    }
    all
}

impl Gateway {
    /// A gateway that knows this secret.
    pub async fn new(to: SocketAddr, secret: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(to).await.expect("an address");
        Self { socket, secret: secret.to_owned(), next: 0 }
    }

    /// An integration for this machine, with more parameters, and its gateway.
    pub async fn of(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let own = [
            ("FriendlyName", "Owl VPN"),
            ("Kind", "radius"),
            ("Networks", "127.0.0.1"),
            ("Aliases", "ann=alice-0001"),
        ];
        let path = format!("/v2/Services/{}/Integrations", app.service);
        let secret = app.api().post(&path, &[&own[..], more].concat()).await.text("secret");
        Self::new(app.server().radius_address.expect("the door is open"), &secret).await
    }

    /// Another gateway of the same integration.
    pub async fn beside(&self, to: SocketAddr) -> Self {
        Self::new(to, &self.secret).await
    }

    /// A packet without a Message-Authenticator.
    pub fn bare(&mut self, code: u8, given: &[(u8, &[u8])]) -> Vec<u8> {
        self.next += 1;
        let authenticator = md5(&[b"random", &[self.next]]);
        let mut packet = vec![code, self.next, 0, 0];
        packet.extend(authenticator);
        for (kind, value) in given {
            let covered = self.cover(value, authenticator);
            let value = if *kind == kind::PASSWORD { &covered } else { *value };
            packet.extend([*kind, u8::try_from(value.len() + 2).expect("a short value")]);
            packet.extend_from_slice(value);
        }
        let size = u16::try_from(packet.len()).expect("a short packet").to_be_bytes();
        packet[2..4].copy_from_slice(&size);
        packet
    }

    /// A packet with a Message-Authenticator as its last attribute.
    pub fn packet(&mut self, code: u8, given: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = self.bare(code, &[given, &[(kind::AUTHENTICATOR, &[0; 16][..])]].concat());
        let sum = hmac(&self.secret, &packet);
        let at = packet.len() - 16;
        packet[at..].copy_from_slice(&sum);
        packet
    }

    /// A request for a user with a password.
    pub fn request(&mut self, user: &str, password: &str) -> Vec<u8> {
        self.request_with(user, password, &[])
    }

    /// The same with more attributes.
    pub fn request_with(&mut self, user: &str, password: &str, more: &[(u8, &[u8])]) -> Vec<u8> {
        let own = [(kind::USER, user.as_bytes()), (kind::PASSWORD, password.as_bytes())];
        self.packet(1, &[&own[..], more].concat())
    }

    fn cover(&self, password: &[u8], authenticator: [u8; 16]) -> Vec<u8> {
        let mut padded = password.to_vec();
        padded.resize(password.len().max(1).next_multiple_of(16), 0);
        let mut before = authenticator;
        for block in padded.chunks_mut(16) {
            let pad = md5(&[self.secret.as_bytes(), &before]);
            block.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
            before.copy_from_slice(block);
        }
        padded
    }

    pub async fn send(&self, packet: &[u8]) {
        self.socket.send(packet).await.expect("it is sent");
    }

    /// The next response, which must be of this request, with the Message-Authenticator in the first place.
    pub async fn receive(&self, request: &[u8]) -> Answer {
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).await.expect("a response");
        let bytes = buffer[..length].to_vec();
        assert_eq!(bytes[1], request[1], "the id of the request");
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), length);
        let mut signed = bytes.clone();
        signed[4..20].copy_from_slice(&request[4..20]);
        let sum = md5(&[&signed, self.secret.as_bytes()]);
        assert_eq!(bytes[4..20], sum, "the authenticator of the response");
        assert_eq!(bytes[20..22], [kind::AUTHENTICATOR, 18]);
        let sum = signed[22..38].to_vec();
        signed[22..38].fill(0);
        assert_eq!(hmac(&self.secret, &signed), *sum, "the Message-Authenticator");
        let of = |wanted: u8| attributes(&bytes).into_iter().find(|(kind, _)| *kind == wanted);
        let message = of(kind::MESSAGE).map(|(_, text)| text.to_vec()).unwrap_or_default();
        Answer {
            code: bytes[0],
            message: String::from_utf8(message).expect("text"),
            state: of(kind::STATE).map(|(_, state)| state.to_vec()),
            bytes: bytes.clone(),
        }
    }

    /// Sends a request and returns its response.
    pub async fn ask(&self, request: &[u8]) -> Answer {
        self.send(request).await;
        self.receive(request).await
    }

    /// Whether nothing was received.
    pub fn has_nothing(&self) -> bool {
        self.socket.try_recv(&mut [0; 4_096]).is_err()
    }
}
