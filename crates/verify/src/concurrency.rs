//! Limits how many requests are in progress at a time, in all and for each owner.
//!
//! A request starts without an owner. Once its credentials are good it belongs to an account and, if a device sent it, to that
//! device as well. If a request without good credentials has to wait, it counts against its address. A request counts until its
//! response has been sent, so that no caller can fill the server with work or with responses that are not read.

mod counts;
mod limits;
mod permit;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::counts::{Counters, is_full};
pub use self::limits::{ConcurrencyLimits, OverloadError};
pub use self::permit::{LongPoll, RequestPermit};

/// Counts all requests in progress. Cheap to clone.
#[derive(Clone)]
pub struct RequestLimiter(Arc<Counters>);

impl RequestLimiter {
    /// A limiter with no request in progress.
    pub fn new(limits: ConcurrencyLimits) -> Self {
        Self(Arc::new(Counters::new(limits)))
    }

    /// Admits a request from an address. The addresses of one IPv6 network are passed as one.
    ///
    /// # Errors
    /// [`OverloadError::Server`].
    pub fn admit(&self, from: Option<IpAddr>) -> Result<RequestPermit, OverloadError> {
        let before = self.0.working.fetch_add(1, Ordering::Relaxed);
        let permit = RequestPermit::new(Arc::clone(&self.0), from);
        if is_full(before, self.0.limits.requests) {
            Err(OverloadError::Server)
        } else {
            Ok(permit)
        }
    }

    /// Requests in progress, without long polls.
    pub fn working(&self) -> usize {
        self.0.working.load(Ordering::Relaxed)
    }

    /// Long polls that wait.
    pub fn waiting(&self) -> usize {
        self.0.counts().waiting
    }

    /// Bytes of counted responses that are still to be sent.
    pub fn unsent(&self) -> usize {
        self.0.counts().unsent
    }

    /// Whether more than nine tenths of all permits are in use.
    pub fn is_nearly_full(&self) -> bool {
        let limit = self.0.limits.requests;
        limit > 0 && self.working() > limit - limit / 10
    }
}

#[cfg(test)]
mod tests;
