//! Verifies the identification of application servers (RFC 8292).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jws::{Algorithm, Jws};

use super::content::POINT;
use super::rejection::Rejection;

/// The longest lifetime of a token, in seconds.
const LONGEST: i64 = 24 * 3600;

/// An identified application server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationServer {
    /// The public key: base64url of the point.
    pub key: String,
    /// The contact of its operator: `mailto:` or `https:`.
    pub subject: String,
}

/// Checks the `Authorization` of a push to a subscription at `origin`.
pub(super) fn check(
    authorization: Option<&str>,
    origin: &str,
    now: i64,
) -> Result<ApplicationServer, Rejection> {
    let header = authorization.ok_or((401, "Authorization is missing"))?;
    let (scheme, parameters) = header.split_once(' ').ok_or((401, "Authorization is empty"))?;
    if !scheme.eq_ignore_ascii_case("vapid") {
        return Err((401, "Authorization is not of scheme vapid"));
    }
    let parameter = |name: &str| {
        parameters.split(',').find_map(|part| {
            let (key, value) = part.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    };
    let token = parameter("t").ok_or((401, "parameter t is missing"))?;
    let key = parameter("k").ok_or((401, "parameter k is missing"))?;
    let point = URL_SAFE_NO_PAD.decode(key).map_err(|_| (403, "k is not base64url"))?;
    if point.len() != POINT || point[0] != 4 {
        return Err((403, "k is not an uncompressed point on P-256"));
    }
    let jws = Jws::parse(token).ok_or((403, "t is not a compact JWS"))?;
    if !jws.is_signed_by(Algorithm::Es256, &point) {
        return Err((403, "t is not signed with ES256 by k"));
    }
    if jws.text("aud") != Some(origin) {
        return Err((403, "aud is not the origin of the endpoint"));
    }
    let expires = jws.seconds("exp").ok_or((403, "exp is not a number"))?;
    if expires <= now {
        return Err((403, "exp has passed"));
    }
    if expires > now + LONGEST {
        return Err((403, "exp is more than a day ahead"));
    }
    let subject = jws.text("sub").unwrap_or_default();
    if !subject.starts_with("mailto:") && !subject.starts_with("https:") {
        return Err((403, "sub is neither mailto: nor https:"));
    }
    Ok(ApplicationServer { key: key.to_owned(), subject: subject.to_owned() })
}
