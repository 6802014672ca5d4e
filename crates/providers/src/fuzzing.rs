//! Entry points of the fuzz targets (`fuzz/`): the parsers of untrusted input.

use std::net::IpAddr;

use countersign_domain::outcome::Attempt;
use countersign_domain::time::Instant;
use url::{Host, Url};

use crate::exchange::HttpResponse;
use crate::guard::{Allowed, addresses};
use crate::{apns, fcm, webpush};

/// The attempts that a response of Apple, of Google and of a browser's push service results in.
pub fn attempts(status: u16, body: &[u8]) -> [Attempt; 3] {
    let response = HttpResponse { status, body: body.to_vec(), ..HttpResponse::default() };
    let (now, deadline) = (Instant::from_seconds(1_000), Instant::from_seconds(1_300));
    [
        apns::response::judge(&response).0,
        fcm::response::judge(&response, now, deadline).0,
        webpush::response::judge(&response),
    ]
}

/// The address that a URL names literally, in whatever spelling, if the guard takes it as one of the public internet.
pub fn public_address(url: &str) -> Option<IpAddr> {
    let address = match Url::parse(url).ok()?.host()? {
        Host::Domain(_) => return None,
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.into(),
    };
    addresses::is_public(address).then_some(address)
}

/// An entry of `outgoing.allow` as it is printed.
pub fn allowed(text: &str) -> Option<String> {
    text.parse::<Allowed>().ok().map(|allowed| allowed.to_string())
}
