//! One request and its answer, of which no more is read than can be of use.

use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response};

use crate::outgoing::Fault;
use crate::words;

/// The most of an answer's body that is read.
const LONGEST_BODY: usize = 8 * 1024;

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// When to come back, if it says so.
    pub(crate) not_before: Option<Instant>,
    /// The beginning of its body.
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the answer. [`reqwest::Error`] stays whole for whoever wants to look for a cause.
pub(crate) async fn exchange(
    request: RequestBuilder,
    clock: &dyn Clock,
) -> Result<Reply, reqwest::Error> {
    let mut response = request.send().await?;
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let not_before = words::retry_after(retry_after, clock.now());
    let status = response.status().as_u16();
    let body = read(&mut response).await;
    Ok(Reply { status, not_before, body })
}

/// The status says what happened; a body that breaks off takes nothing of that away.
async fn read(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < LONGEST_BODY {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = LONGEST_BODY - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) | Err(_) => break,
        }
    }
    body
}

/// Either the answer or what went wrong, in a form without the URL.
pub(crate) fn told(result: Result<Reply, reqwest::Error>) -> Result<Reply, Fault> {
    result.map_err(|error| Fault::new(&error))
}
