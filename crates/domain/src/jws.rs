//! Compact JWS with ES256 (RFC 7515, RFC 7518 §3.4), the form of everything a device signs but its enrolment.
//!
//! No extension is understood, so a header that asks for one (`crit`, or the `b64` of RFC 7797) is refused, and a member
//! that is given twice is refused in the header and at any depth of the payload: two readers could take different values.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::key::DeviceKey;
use crate::unique::Unique;

/// Members of a header that change what the token means to a reader that understands them (RFC 7515 §4.1.11, RFC 7797).
const EXTENSIONS: [&str; 2] = ["crit", "b64"];

/// A token whose form is right and whose signature has not been checked yet.
#[derive(Debug)]
pub struct Jws {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub payload: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

/// The text is no compact JWS of JSON objects with `"alg": "ES256"`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a compact JWS with alg ES256")]
pub struct NotJws;

impl Jws {
    /// Splits and decodes a token. `alg` must be exactly `ES256`: never `none`, never a MAC. A signature of the wrong
    /// length is a wrong signature and no fault of form: iOS makes one now and then (wire reference §3.4).
    ///
    /// # Errors
    /// [`NotJws`] for every fault of form.
    pub fn parse(text: &str) -> Result<Self, NotJws> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotJws);
        };
        let signed = text[..header.len() + 1 + payload.len()].to_owned();
        let header = object(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("ES256")
            || EXTENSIONS.iter().any(|name| header.contains_key(*name))
        {
            return Err(NotJws);
        }
        let payload = object(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotJws)?;
        Ok(Self { header, payload, signed, signature })
    }

    /// Whether the signature is that of `key`.
    pub fn is_signed_by(&self, key: &DeviceKey) -> bool {
        key.signed_raw(self.signed.as_bytes(), &self.signature)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, NotJws> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| NotJws)?;
    match serde_json::from_slice(&bytes) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(_) | Err(_) => Err(NotJws),
    }
}
