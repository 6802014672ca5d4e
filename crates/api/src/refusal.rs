//! The response to a request that is refused before it is served, for those who wrap the router: a server in test mode.

use axum::response::Response;
use countersign_verify::concurrency::OverloadError;

use crate::error::ApiError;
use crate::headers::HeaderWriter;
use crate::state::ApiState;

/// The response to a request for `path`, byte for byte that of the envelope.
pub fn refusal(state: &ApiState, overload: OverloadError, path: &str) -> Response {
    let in_flight = HeaderWriter::of(state).begin();
    let mut response = Response::default();
    ApiError::from(overload).write(&mut response, path, in_flight.id());
    in_flight.finish(response.headers_mut(), None, 1);
    response
}
