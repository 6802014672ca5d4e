//! Compact JWS with ES256 (RFC 7515, RFC 7518 §3.4), the form of everything that a device signs except its enrolment.
//!
//! A header with an extension (`crit`, or `b64` of RFC 7797) is refused, because none is supported. A repeated member is refused in
//! the header and at any depth of the payload, because two parsers could read different values.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::key::DeviceKey;
use crate::unique::Unique;

/// Header members that change the meaning of a token (RFC 7515 §4.1.11, RFC 7797).
const EXTENSIONS: [&str; 2] = ["crit", "b64"];

/// A well-formed token whose signature has not been checked yet.
#[derive(Debug)]
pub struct Jws {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The payload.
    pub payload: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

/// Why a text is not a JWS with ES256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The text is not three parts of base64url.
    #[error("must be a JWS: three parts of base64url, separated by dots")]
    Parts,
    /// A part is not a JSON object, or repeats a member: its header or payload.
    #[error("must have a JSON object without repeated members as its {0}")]
    Json(&'static str),
    /// `alg` is not `ES256`.
    #[error("must have alg ES256 in its header")]
    Algorithm,
    /// The header has an extension.
    #[error("must not have {0} in its header")]
    Extension(&'static str),
}

impl Jws {
    /// Parses a token. `alg` must be `ES256`: neither `none` nor a MAC is accepted. A signature of the wrong length is a wrong
    /// signature and not a malformed token, because the iOS SDK makes such signatures now and then.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn parse(text: &str) -> Result<Self, JwsError> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Parts);
        };
        let signed = text[..header.len() + 1 + payload.len()].to_owned();
        let header = object(header, "header")?;
        if header.get("alg").and_then(Value::as_str) != Some("ES256") {
            return Err(JwsError::Algorithm);
        }
        if let Some(name) = EXTENSIONS.into_iter().find(|name| header.contains_key(*name)) {
            return Err(JwsError::Extension(name));
        }
        let payload = object(payload, "payload")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwsError::Parts)?;
        Ok(Self { header, payload, signed, signature })
    }

    /// Whether the signature was made with `key`.
    pub fn is_signed_by(&self, key: &DeviceKey) -> bool {
        key.signed_raw(self.signed.as_bytes(), &self.signature)
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Parts)?;
    match serde_json::from_slice(&bytes) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(_) | Err(_) => Err(JwsError::Json(name)),
    }
}
