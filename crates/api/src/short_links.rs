//! Short enrolment links, and codes that are typed in place of them: they lead a browser to the authenticator, with the content of
//! the whole link. The content stands in the fragment of the address there, which browsers send to no server.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse as _, Response};
use countersign_domain::invitation::Invitation;
use countersign_verify::enrolment_codes::EnrolmentCodeError;
use countersign_verify::{Verify, VerifyError};
use http::header::{LOCATION, RETRY_AFTER};
use http::{Extensions, HeaderValue, StatusCode};

use crate::error::ApiError;
use crate::state::SharedState;

/// For people, whose browser shows it.
const OVER: &str = "This link was used, or its time is over. Ask for another one.\n";

/// Likewise, after too many wrong codes.
const TOO_MANY: &str = "Too many codes were wrong. Try again in a minute.\n";

pub(crate) async fn follow(
    State(state): State<SharedState>,
    Path(code): Path<String>,
    extensions: Extensions,
) -> Result<Response, ApiError> {
    let verify = &state.verify;
    let opened = if Verify::is_enrolment_code(&code) {
        let from = extensions.get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| address.ip());
        match verify.open_enrolment_code(&code, from).await {
            Err(EnrolmentCodeError::Unknown) => Err(VerifyError::NotFound),
            Err(EnrolmentCodeError::TooMany(left)) => {
                let wait = [(RETRY_AFTER, HeaderValue::from(left.as_secs() + 1))];
                return Ok((StatusCode::TOO_MANY_REQUESTS, wait, TOO_MANY).into_response());
            }
            Err(EnrolmentCodeError::Verify(error)) => Err(error),
            Ok(opened) => Ok(opened),
        }
    } else {
        verify.open_short_link(&code).await
    };
    let opened = match opened {
        Err(VerifyError::NotFound) => return Ok((StatusCode::NOT_FOUND, OVER).into_response()),
        opened => opened?,
    };
    let invitation = Invitation {
        service: &opened.token.service.to_string(),
        identity: opened.token.identity.as_str(),
        token: opened.text.expose(),
        push_key: &opened.push_key,
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::try_from(invitation.link(state.public_url.as_str())) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}
