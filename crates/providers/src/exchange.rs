//! Sends one request and reads the response, up to a bound.

use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};

use crate::call_error::CallError;
use crate::reasons;

/// The bytes of a body that are read at most.
const LONGEST_BODY: usize = 8 * 1024;

/// A response.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpResponse {
    /// The status.
    pub(crate) status: u16,
    /// The instant of its `Retry-After`, if it has one.
    pub(crate) not_before: Option<Instant>,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, up to the bound.
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the response. Returns the whole [`reqwest::Error`], so that its causes can be examined.
pub(crate) async fn exchange(
    request: RequestBuilder,
    clock: &dyn Clock,
) -> Result<HttpResponse, reqwest::Error> {
    let mut response = request.send().await?;
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let not_before = reasons::retry_after(retry_after, clock.now());
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let body = read(&mut response).await;
    Ok(HttpResponse { status, not_before, headers, body })
}

/// Reads the body up to the bound. The status decides the outcome, so a body that breaks off is no error.
async fn read(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < LONGEST_BODY {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let rest = LONGEST_BODY - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(rest)]);
            }
            Ok(None) | Err(_) => break,
        }
    }
    body
}

/// Converts the error into one whose text does not hold the URL.
pub(crate) fn without_url(
    result: Result<HttpResponse, reqwest::Error>,
) -> Result<HttpResponse, CallError> {
    result.map_err(|error| CallError::new(&error))
}
