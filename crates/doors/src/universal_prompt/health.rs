//! `health_check`: whether a client can sign people in. Applications ask before a sign-in, and some let people in without one if the
//! response is a failure.

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use countersign_verify::AuthError;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::json;

use super::client::ClientRequest;
use super::door::UniversalPromptDoor;
use crate::openid::Refusal;

/// The response to a request.
pub(super) async fn answer(door: &UniversalPromptDoor, request: Request) -> Response {
    let (status, body) = match check(door, request).await {
        Ok(()) => {
            let timestamp = door.verify.now().as_seconds();
            (StatusCode::OK, json!({"stat": "OK", "response": {"timestamp": timestamp}}))
        }
        Err(refusal) => {
            let failure = json!({
                "stat": "FAIL",
                "code": code(refusal),
                "message": refusal.word(),
                "message_detail": refusal.description(),
            });
            (refusal.status(), failure)
        }
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Checks who asks. A client that is known, but whose account may do nothing now, is told nothing: its people are refused on the
/// page, where that lets nobody in.
async fn check(door: &UniversalPromptDoor, request: Request) -> Result<(), Refusal> {
    match ClientRequest::read(request).await?.client(door).await {
        Ok(_) | Err(AuthError::Suspended | AuthError::TooManyRequests) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The code of a failure, as in the Auth API.
const fn code(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::InvalidClient => 40_103,
        Refusal::TooManyFailures(_) => 42_901,
        Refusal::Busy(_) | Refusal::Unavailable => 50_301,
        _ => 40_002,
    }
}
