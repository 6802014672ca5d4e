//! Entry points of the fuzz targets (`fuzz/`): the parsers of untrusted input.

use countersign_domain::secret::Secret;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::duo::{Credentials, Parameters, Transaction};

/// The form in which the parameters of a form are signed; `None` if the bytes are no form.
pub fn duo_form(bytes: &[u8]) -> Option<String> {
    Parameters::of_form(bytes).ok().map(|parameters| parameters.canonical())
}

/// As [`duo_form`], of the members of a JSON object.
pub fn duo_json(bytes: &[u8]) -> Option<String> {
    Parameters::of_json(bytes).ok().map(|parameters| parameters.canonical())
}

/// Whether bytes are the value of `Authorization`.
pub fn is_duo_authorization(bytes: &[u8]) -> bool {
    let value = HeaderValue::from_bytes(bytes).ok();
    let headers: HeaderMap = value.map(|value| (AUTHORIZATION, value)).into_iter().collect();
    Credentials::of(&headers).is_ok()
}

/// The name of a login, computed again; `None` if the holder of `secret` got no such name.
pub fn duo_transaction(name: &str, secret: &str) -> Option<String> {
    let secret = Secret::new(secret);
    Transaction::read(name, &secret).map(|read| read.name(&secret))
}

/// Whether a datagram is a RADIUS packet; `Some(false)` if a response to it would be none.
pub fn radius_packet(bytes: &[u8], secret: &str) -> Option<bool> {
    crate::radius::fuzz(bytes, secret.as_bytes())
}
