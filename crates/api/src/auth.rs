//! Authentication of requests (Twilio documentation).
//!
//! These extractors come first in every handler, so that a caller learns nothing about paths or parameters before its
//! credentials are checked. A request that another site's page made a browser send is rejected before its credentials are
//! checked.

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
use crate::state::SharedState;
use crate::{fetch_metadata, rows};

/// Any caller with valid credentials: an application or a device.
pub(crate) struct AnyCaller(pub(crate) Caller);

/// An application. Devices are rejected even with valid credentials.
pub(crate) struct Application(pub(crate) AccountSid);

impl FromRequestParts<SharedState> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> Result<Self, ApiError> {
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

impl FromRequestParts<SharedState> for Application {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> Result<Self, ApiError> {
        let AnyCaller(caller) = AnyCaller::from_request_parts(parts, state).await?;
        Ok(Self(caller.application()?))
    }
}

const NOT_A_PAIR: &str = "Authorization must hold base64 of user:password";

fn no_credentials(why: &'static str) -> ApiError {
    ApiError::because(&rows::AUTHENTICATE, why)
}

/// User and password, separated by the first colon. The password may contain colons.
///
/// # Errors
/// Returns the reason if the header contains no such pair.
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
    fn absent_credentials_have_their_own_reason() {
        assert_eq!(basic(&HeaderMap::new()), Err("there is no Authorization header"));
    }
}
