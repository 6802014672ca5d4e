//! JWTs that both sides sign with the secret of the integration: HMAC with SHA-512 (RFC 7515, `HS512`).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Longer texts are not read, in bytes.
const LONGEST: usize = 8 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that a reader must understand.
    crit: Option<Value>,
}

/// The claims of a JWT under this secret; `None` if it is none, or has other claims.
pub(super) fn read<T: DeserializeOwned>(text: &str, secret: &Secret) -> Option<T> {
    let text = Some(text).filter(|text| text.len() <= LONGEST)?;
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    if header.alg != "HS512" || header.crit.is_some() {
        return None;
    }
    hmac::verify(&key(secret), signed.as_bytes(), &decode(signature)?).ok()?;
    serde_json::from_slice(&decode(claims)?).ok()
}

/// A JWT of these claims.
pub(super) fn write(claims: &Value, secret: &Secret) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({"alg": "HS512", "typ": "JWT"});
    let parts = [header.to_string(), claims.to_string()].map(|part| encode(part.as_bytes()));
    let signed = parts.join(".");
    let signature = hmac::sign(&key(secret), signed.as_bytes());
    format!("{signed}.{}", encode(signature.as_ref()))
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA512, secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_claims_under_the_same_secret_and_algorithm_are_read() {
        let (secret, other) = (Secret::new("s".repeat(40)), Secret::new("t".repeat(40)));
        let text = write(&json!({"a": 1}), &secret);
        assert_eq!(read::<Value>(&text, &secret), Some(json!({"a": 1})));
        assert_eq!(read::<Value>(&text, &other), None);
        for at in 0..text.len() {
            assert_eq!(read::<Value>(&text[..at], &secret), None);
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert_eq!(read::<Value>(&changed, &secret), None, "{changed}");
        }
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS512", "crit": ["x"]}),
        ] {
            let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(b"{}"));
            let signature = hmac::sign(&key(&secret), signed.as_bytes());
            let text = format!("{signed}.{}", encode(signature.as_ref()));
            assert_eq!(read::<Value>(&text, &secret), None, "{header}");
            assert_eq!(read::<Value>(&format!("{signed}."), &secret), None);
        }
    }
}
