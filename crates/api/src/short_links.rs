//! Short enrolment links: they lead a browser to the authenticator, with the content of the whole link. The content stands in the
//! fragment of the address there, which browsers send to no server.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use countersign_domain::invitation::Invitation;
use countersign_verify::VerifyError;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use crate::error::ApiError;
use crate::state::SharedState;

/// For people, whose browser shows it.
const OVER: &str = "This link was used, or its time is over. Ask for another one.\n";

pub(crate) async fn follow(
    State(state): State<SharedState>,
    Path(code): Path<String>,
) -> Result<Response, ApiError> {
    let opened = match state.verify.open_short_link(&code).await {
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
