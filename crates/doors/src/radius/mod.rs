//! RADIUS (RFC 2865): authentication of VPN gateways, switches and Wi-Fi controllers, over UDP. Clients are known by their address and
//! a shared secret, and send passwords under PAP only. Every response carries a Message-Authenticator as its first attribute
//! (CVE-2024-3596). The password is not checked: the client has done so, or the approval is all that is asked for.

mod clients;
mod door;
mod listener;
mod login;
mod packet;
mod request;
mod response;
mod running;
mod state;
mod sums;

pub use door::{Dependencies, RadiusDoor};

/// Whether bytes are a request, and what of it a response keeps: a fuzz target (`fuzz/`).
pub(crate) fn fuzz(bytes: &[u8], secret: &[u8]) -> Option<bool> {
    let packet = packet::Packet::parse(bytes).ok()?;
    sums::is_authentic(&packet, secret);
    let is_request = request::AccessRequest::read(&packet, secret).is_ok();
    let response = response::Response::reject("no").seal(&packet, secret);
    let parsed = packet::Packet::parse(&response);
    // Too much state of proxies makes a request unusable, so that every response to a request is a packet.
    let keeps = parsed.is_ok_and(|it| it.id == packet.id);
    Some(!is_request || keeps)
}
