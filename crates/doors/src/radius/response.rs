//! The response to a request.

use bytes::Bytes;

use super::packet::{Packet, code, kind};
use super::sums::{hmac_md5, md5};

/// Where the Message-Authenticator begins: it is the first attribute, so that nothing can be put before it (CVE-2024-3596).
const AUTHENTICATOR_AT: usize = 22;
/// The longest value of an attribute.
const LONGEST: usize = 253;

/// A response that is not sealed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    code: u8,
    attributes: Vec<u8>,
}

impl Response {
    fn new(code: u8) -> Self {
        Self { code, attributes: Vec::new() }
    }

    /// The person may enter, or the server is alive.
    pub(super) fn accept() -> Self {
        Self::new(code::ACCESS_ACCEPT)
    }

    /// The person may not enter; `why` is shown.
    pub(super) fn reject(why: &str) -> Self {
        Self::new(code::ACCESS_REJECT).with(kind::REPLY_MESSAGE, why.as_bytes())
    }

    /// The client asks again with `state`; `message` is shown.
    pub(super) fn challenge(message: &str, state: &[u8]) -> Self {
        // The person sees what they type.
        Self::new(code::ACCESS_CHALLENGE)
            .with(kind::REPLY_MESSAGE, message.as_bytes())
            .with(kind::STATE, state)
            .with(kind::PROMPT, &1_u32.to_be_bytes())
    }

    /// The same response with one more attribute, whose value is cut to 253 bytes.
    pub(super) fn with(mut self, kind: u8, value: &[u8]) -> Self {
        let value = value.get(..LONGEST).unwrap_or(value);
        self.attributes.push(kind);
        self.attributes.push(u8::try_from(value.len() + 2).unwrap_or(u8::MAX));
        self.attributes.extend_from_slice(value);
        self
    }

    /// The kind of response, as the label of a metric.
    pub(super) const fn outcome(&self) -> &'static str {
        match self.code {
            code::ACCESS_ACCEPT => "accepted",
            code::ACCESS_REJECT => "rejected",
            _ => "challenged",
        }
    }

    /// The packet for a request, under the secret. The states of proxies come back to them.
    pub(super) fn seal(&self, request: &Packet<'_>, secret: &[u8]) -> Bytes {
        let mut all = self.clone();
        for proxy in request.all(kind::PROXY_STATE) {
            all = all.with(kind::PROXY_STATE, proxy.value);
        }
        let length = AUTHENTICATOR_AT + 16 + all.attributes.len();
        let size = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let mut packet = vec![self.code, request.id, size[0], size[1]];
        packet.extend_from_slice(&request.authenticator);
        packet.extend_from_slice(&[kind::MESSAGE_AUTHENTICATOR, 18]);
        packet.extend_from_slice(&[0; 16]);
        packet.extend_from_slice(&all.attributes);
        let sum = hmac_md5(secret, &[&packet]);
        packet[AUTHENTICATOR_AT..AUTHENTICATOR_AT + 16].copy_from_slice(&sum);
        let sum = md5(&[&packet, secret]);
        packet[4..20].copy_from_slice(&sum);
        packet.into()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// A request of radclient 3.2.1, and an answer that it took.
    const REQUEST: &str = "015a003ce46a2cfbe8a5f1f4a270b210d2c3f0fe0105616e6e021263b4804a0978d19400ed8891dc1c42d7200676706e311f0b3139322e302e322e37";
    const ACCEPT: &str =
        "025a002aaaf81ced100ea34d7ea2ec3d0b22a015501208a57aef40326fc12b6c1431f8c1fa2412046f6b";

    #[test]
    fn a_response_is_the_one_that_radclient_takes() {
        let request = HEXLOWER.decode(REQUEST.as_bytes()).unwrap();
        let request = Packet::parse(&request).unwrap();
        let response = Response::accept().with(kind::REPLY_MESSAGE, b"ok");
        let packet = response.seal(&request, b"testing123");
        assert_eq!(HEXLOWER.encode(&packet), ACCEPT);
    }

    #[test]
    fn the_states_of_proxies_come_back_in_their_order() {
        let mut request = HEXLOWER.decode(REQUEST.as_bytes()).unwrap();
        for value in [b"one", b"two"] {
            request.extend_from_slice(&[kind::PROXY_STATE, 5]);
            request.extend_from_slice(value);
        }
        request[3] += 10;
        let request = Packet::parse(&request).unwrap();
        let response = Response::challenge("Approve", &[7; 32]).seal(&request, b"testing123");
        let parsed = Packet::parse(&response).unwrap();
        assert_eq!((parsed.code, parsed.id), (code::ACCESS_CHALLENGE, 0x5a));
        let states: Vec<_> = parsed.all(kind::PROXY_STATE).map(|state| state.value).collect();
        assert_eq!(states, [b"one", b"two"]);
        assert_eq!(parsed.first(kind::STATE).unwrap().value, [7; 32]);
        assert_eq!(response[20], kind::MESSAGE_AUTHENTICATOR, "it is the first attribute");
    }
}
