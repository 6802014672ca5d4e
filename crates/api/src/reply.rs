//! Successful responses.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::ApiError;

/// The result of every handler.
pub(crate) type ApiResult = Result<Response, ApiError>;

/// 200 with a resource.
pub(crate) fn ok(view: &impl Serialize) -> ApiResult {
    json(StatusCode::OK, view)
}

/// 201 with a new resource.
pub(crate) fn created(view: &impl Serialize) -> ApiResult {
    json(StatusCode::CREATED, view)
}

/// 204 without a body.
#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
pub(crate) fn gone() -> ApiResult {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn json(status: StatusCode, view: &impl Serialize) -> ApiResult {
    // Large enough for most resources.
    let mut text = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut text, view).map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
