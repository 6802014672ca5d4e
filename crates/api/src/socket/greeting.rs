//! The conversation until the device is known: a nonce, and a token that holds it.
//!
//! Another type than [`Linked`](super::protocol::Linked), so that nothing can be offered to a stranger.

use std::time::Duration;

use countersign_domain::factor::Factor;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::world::{Entropy, random};

use super::Now;
use super::close::{Close, End};
use super::protocol::Heard;
use crate::rows;

/// How long a device may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose stream a path names. Nothing of it is believed until a token has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) service: ServiceSid,
    pub(super) identity: Identity,
    pub(super) factor: FactorSid,
}

/// A conversation with a stranger.
#[derive(Debug)]
pub(super) struct Greeting {
    nonce: String,
    deadline: Monotonic,
}

impl Greeting {
    /// Begins a conversation, with a nonce that nobody has seen before.
    pub(super) fn new(entropy: &dyn Entropy, now: Monotonic) -> Self {
        let nonce = u128::from_be_bytes(random(entropy));
        Self { nonce: format!("{nonce:032x}"), deadline: now + PATIENCE }
    }

    /// The first frame.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// When [`tick`](Self::tick) wants to be called.
    pub(super) const fn deadline(&self) -> Monotonic {
        self.deadline
    }

    /// Ends the conversation if the device has taken too long.
    pub(super) fn tick(&self, now: Now) -> Result<(), End> {
        if now.at < self.deadline {
            return Ok(());
        }
        Err(Close::refused(&rows::AUTHENTICATE, now.day).into())
    }

    /// Takes what the device said; gives the token to check, once there is one.
    pub(super) fn hear<'a>(&self, heard: Heard<'a>, now: Now) -> Result<Option<&'a str>, End> {
        self.tick(now)?;
        match heard {
            Heard::Text(token) => Ok(Some(token)),
            Heard::Beat => Ok(None),
            other => Err(other.ending()),
        }
    }

    /// Decides whether the owner of a token that was found good may have the stream it asked for.
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
