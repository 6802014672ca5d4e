//! Authentication of a device stream: the server sends a nonce, the device a token that contains it.
//!
//! A separate type from [`Linked`](super::protocol::Linked), so that nothing can be offered to an unauthenticated device.

use std::time::Duration;

use countersign_domain::factor::Factor;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::world::{Entropy, random};

use super::close::{Close, End};
use super::now::Now;
use super::protocol::Received;
use crate::rows;

/// Time for a device to authenticate.
const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(5);

/// The factor that a path names. Unverified until a token has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) service: ServiceSid,
    pub(super) identity: Identity,
    pub(super) factor: FactorSid,
}

/// A stream before authentication.
#[derive(Debug)]
pub(super) struct Greeting {
    nonce: String,
    deadline: Monotonic,
}

impl Greeting {
    /// Begins a stream with a new nonce.
    pub(super) fn new(entropy: &dyn Entropy, now: Monotonic) -> Self {
        let nonce = u128::from_be_bytes(random(entropy));
        Self { nonce: format!("{nonce:032x}"), deadline: now + AUTHENTICATE_WITHIN }
    }

    /// The nonce, which is the first frame.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// When [`tick`](Self::tick) must be called.
    pub(super) const fn deadline(&self) -> Monotonic {
        self.deadline
    }

    /// Ends the stream if the device has taken too long.
    pub(super) fn tick(&self, now: Now) -> Result<(), End> {
        if now.at < self.deadline {
            return Ok(());
        }
        Err(Close::refused(&rows::AUTHENTICATE, now.day).into())
    }

    /// Processes a message; returns the token to check, if it is one.
    pub(super) fn receive<'a>(
        &self,
        received: Received<'a>,
        now: Now,
    ) -> Result<Option<&'a str>, End> {
        self.tick(now)?;
        match received {
            Received::Text(token) => Ok(Some(token)),
            Received::Beat => Ok(None),
            other => Err(other.ending()),
        }
    }

    /// Checks that the owner of a valid token may open the stream of this path.
    pub(super) fn admit(claim: &Claim, factor: &Factor, now: Now) -> Result<FactorSid, Close> {
        let its_own = factor.sid == claim.factor
            && factor.owner.service == claim.service
            && factor.owner.identity == claim.identity;
        if its_own && factor.address.platform().may_stream() {
            Ok(factor.sid)
        } else {
            Err(Close::refused(&rows::FORBIDDEN, now.day))
        }
    }
}
