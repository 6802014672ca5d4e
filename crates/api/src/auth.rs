//! Who is calling (wire reference §1.2). These extractors stand first in every handler, so that nobody learns anything
//! about a path or a parameter before they have said who they are. A request that a browser was made to send by a page
//! of somebody else is refused before its credentials are judged.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::sid::AccountSid;
use countersign_verify::Caller;
use countersign_verify::concurrency::RequestPermit;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::error::ApiError;
use crate::state::Shared;
use crate::{fetch_metadata, rows};

/// Anybody whose credentials are good: an application or a device.
pub(crate) struct Anybody(pub(crate) Caller);

/// An application; a device may not do this, however good its credentials are.
pub(crate) struct Backend(pub(crate) AccountSid);

impl FromRequestParts<Shared> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        if fetch_metadata::is_forged(&parts.method, &parts.headers) {
            return Err(ApiError::because(&rows::FORBIDDEN, fetch_metadata::REASON));
        }
        let pair = basic(&parts.headers).map_err(no_credentials)?;
        let (user, password) = pair.split_once(':').ok_or(no_credentials(NOT_A_PAIR))?;
        let place = parts.extensions.get::<Arc<RequestPermit>>();
        if let Some(place) = place {
            place.begin_credential_check();
        }
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| address.ip());
        let caller = state.verify.authenticate_from(from, user, password).await?;
        if let Some(place) = place {
            place.assign(&caller)?;
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Shared> for Backend {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        let Anybody(caller) = Anybody::from_request_parts(parts, state).await?;
        Ok(Self(caller.application()?))
    }
}

const NOT_A_PAIR: &str = "Authorization must hold base64 of user:password";

fn no_credentials(why: &'static str) -> ApiError {
    ApiError::because(&rows::AUTHENTICATE, why)
}

/// User and password with a colon between them. The password may hold anything, colons too.
///
/// # Errors
/// The reason for which the header holds no such pair.
fn basic(headers: &HeaderMap) -> Result<String, &'static str> {
    let header = headers.get(AUTHORIZATION).ok_or("there is no Authorization header")?;
    let header = header.to_str().map_err(|_| NOT_A_PAIR)?;
    let (scheme, token) = header.split_once(' ').ok_or(NOT_A_PAIR)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("the scheme of Authorization must be Basic");
    }
    let pair = STANDARD.decode(token.trim()).map_err(|_| NOT_A_PAIR)?;
    String::from_utf8(pair).map_err(|_| NOT_A_PAIR)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Basic QUM6c2VjcmV0", Ok("AC:secret"))]
    #[case("basic  dG9rZW46YTpi", Ok("token:a:b"))]
    #[case("Bearer QUM6c2VjcmV0", Err("the scheme of Authorization must be Basic"))]
    #[case("Basic", Err(NOT_A_PAIR))]
    #[case("Basic QUM6c2VjcmV0=", Err(NOT_A_PAIR))]
    #[case("Basic /w==", Err(NOT_A_PAIR))]
    fn reads_basic_credentials(
        #[case] header: &'static str,
        #[case] pair: Result<&str, &'static str>,
    ) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(header))]);
        assert_eq!(basic(&headers).as_deref().map_err(|why| *why), pair);
    }

    #[test]
    fn credentials_that_are_absent_are_told_from_wrong_ones() {
        assert_eq!(basic(&HeaderMap::new()), Err("there is no Authorization header"));
    }
}
