//! Calls whose responses are kept: each request once, all responses in order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::Response;
use crate::load::{Plan, Requests, Target, run};
use crate::pace::Pace;

/// A response that is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptResponse {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// Sends all requests. Any other status than the expected one is an error.
pub(crate) async fn each(
    target: Target,
    wire: Vec<Vec<u8>>,
    expected: u16,
    connections: usize,
) -> Result<Vec<KeptResponse>> {
    let count = wire.len();
    let replies = Arc::new(Mutex::new(vec![KeptResponse::default(); count]));
    let keep = {
        let replies = Arc::clone(&replies);
        move |number: u64, _: Instant, answer: &Response<'_>| {
            let reply = KeptResponse { head: answer.head.into(), body: answer.body.into() };
            let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = usize::try_from(number).ok().and_then(|n| replies.get_mut(n)) {
                *slot = reply;
            }
        }
    };
    if count == 0 {
        return Ok(Vec::new());
    }
    let plan = Plan {
        connections: connections.min(count),
        pace: Pace::Count(count as u64),
        warm: Duration::ZERO,
        // an upper bound: on an idle machine a call takes a millisecond
        window: Duration::from_secs(30) + Duration::from_millis(20) * u32::try_from(count)?,
    };
    let load = run(
        target,
        &Arc::new(Requests { wire, expected, may_shed: false }),
        plan,
        Some(Arc::new(keep)),
    )
    .await?;
    if let Some(failure) = load.failure {
        bail!("{} of {count} requests failed, the first with {failure}", load.failed);
    }
    let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *replies))
}
