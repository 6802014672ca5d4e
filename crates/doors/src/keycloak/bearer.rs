//! The token that a question comes with, and that its answer goes back with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::time::Instant;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Deserialize;

/// The longest token.
const LONGEST: usize = 8 * 1024;

/// A token, as far as it must be known. Its signature is not checked.
#[derive(Debug)]
pub(crate) struct Bearer<'a> {
    /// The token itself.
    pub(super) text: &'a str,
    /// The realm's issuer.
    pub(super) issuer: String,
    /// The client that the realm asks for.
    pub(super) client: Option<String>,
    /// When it expires.
    pub(super) expires_at: Instant,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    azp: Option<String>,
}

impl<'a> Bearer<'a> {
    /// Reads the header of a request; `None` without a token of that form.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, text) = header.split_once(' ').filter(|_| header.len() <= LONGEST)?;
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        if !scheme.eq_ignore_ascii_case("bearer") || !text.bytes().all(is_plain) {
            return None;
        }
        let mut parts = text.split('.');
        let (_, claims) = (parts.next()?, parts.next()?);
        if parts.next().is_none() || parts.next().is_some() {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        // A later year is no date that anything lasts until.
        let expires_at = (0..253_402_300_800).contains(&claims.exp).then_some(claims.exp)?;
        let expires_at = Instant::from_seconds(expires_at);
        Some(Self { text, issuer: claims.iss, client: claims.azp, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(String, i64)> {
        let headers = [(AUTHORIZATION, header.parse().unwrap())].into_iter().collect();
        Bearer::of(&headers).map(|bearer| (bearer.issuer, bearer.expires_at.as_seconds()))
    }

    fn token(claims: &str) -> String {
        format!("Bearer e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_says_who_issued_it_and_until_when() {
        let good = token(r#"{"iss":"https://sso.example/realms/a","exp":1700000000,"aud":["x"]}"#);
        assert_eq!(read(&good), Some(("https://sso.example/realms/a".to_owned(), 1_700_000_000)));
        for wrong in [
            "Bearer",
            "Bearer x",
            "Bearer a.b",
            "Bearer e30.e30.e30.e30",
            "Basic e30.e30.e30",
            &token("{}"),
            &token("[]"),
            &token(r#"{"iss":1,"exp":1}"#),
            &token(r#"{"iss":"a","exp":-1}"#),
            &token(r#"{"iss":"a","exp":9000000000000000000}"#),
            &token(r#"{"iss":"a","exp":"1"}"#),
            &format!("{good} x"),
            &format!("Bearer {}", "x".repeat(9_000)),
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
