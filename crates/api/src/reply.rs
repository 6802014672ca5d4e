//! Answers that went well.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::ApiError;

/// What every handler gives.
pub(crate) type Answer = Result<Response, ApiError>;

/// 200 with a resource.
pub(crate) fn ok(view: &impl Serialize) -> Answer {
    json(StatusCode::OK, view)
}

/// 201 with a new resource.
pub(crate) fn created(view: &impl Serialize) -> Answer {
    json(StatusCode::CREATED, view)
}

/// 204: there is nothing left to show.
#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
pub(crate) fn gone() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn json(status: StatusCode, view: &impl Serialize) -> Answer {
    // Most resources fit; a list grows.
    let mut text = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut text, view).map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
