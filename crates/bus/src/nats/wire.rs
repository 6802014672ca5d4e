//! The messages between nodes as bytes: one for the version, one for the kind, then the fields, big-endian.
//!
//! Nodes of different releases run side by side: bytes after the known fields are ignored, and a message of an unknown
//! version or kind is dropped. A new field therefore goes to the end, and a message that older nodes must not misread gets a
//! new kind.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorSid, IntegrationSid,
    NotificationSid, ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;

use crate::seam::{Changed, Offer, OfferOutcome};

const VERSION: u8 = 1;

/// A request to the node that holds a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HolderRequest {
    /// Offer a prompt to the device.
    Offer {
        /// The prompt.
        offer: Offer,
        /// The instant from which the sender no longer waits and the prompt must not be written.
        until: Instant,
    },
    /// Is the device present?
    IsPresent,
    /// A socket of the sender is to hold the device.
    GiveUp,
    /// A socket of the sender has held the device for this long; a socket that has held it longer is the older one. A
    /// duration and not an instant, since clocks differ.
    Held(Duration),
    /// The device is no longer reached by a stream.
    Dismiss,
    /// Does an offer of this notification have no outcome yet?
    HasInHand(NotificationSid),
    /// Another device has answered this challenge of the device.
    AnsweredElsewhere(ChallengeSid),
}

/// The reply of a node to a [`HolderRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HolderReply {
    /// The outcome of the offer.
    Offered(OfferOutcome),
    /// The device is here, or the offer is in hand.
    Here,
    /// The device is not here, or the offer has its outcome.
    NotHere,
    /// The device has been here for less than a second.
    TooSoon,
}

/// A message to all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broadcast {
    /// A challenge may have left `pending`.
    ChallengeChanged(ChallengeSid),
    /// Something that caches may hold has changed.
    Changed(Changed),
}

impl HolderRequest {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Offer { offer, until } => {
                let mut bytes = begin(1);
                bytes.put_slice(offer.notification.as_bytes());
                bytes.put_slice(offer.challenge.as_bytes());
                bytes.put_slice(offer.factor.as_bytes());
                bytes.put_i64(offer.expires_at.as_micros());
                bytes.put_i64(until.as_micros());
                let text = offer.message.as_str().as_bytes();
                bytes.put_u16(u16::try_from(text.len()).unwrap_or_default());
                bytes.put_slice(text);
                put_manner(&mut bytes, &offer.manner);
                bytes.freeze()
            }
            Self::IsPresent => begin(2).freeze(),
            Self::GiveUp => begin(3).freeze(),
            Self::Held(age) => {
                let mut bytes = begin(4);
                bytes.put_u64(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
                bytes.freeze()
            }
            Self::Dismiss => begin(5).freeze(),
            Self::HasInHand(notification) => {
                let mut bytes = begin(6);
                bytes.put_slice(notification.as_bytes());
                bytes.freeze()
            }
            Self::AnsweredElsewhere(challenge) => {
                let mut bytes = begin(7);
                bytes.put_slice(challenge.as_bytes());
                bytes.freeze()
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = split_kind(bytes)?;
        Some(match kind {
            1 => {
                let rest = &mut rest;
                let notification = NotificationSid::from_bytes(take(rest)?);
                let challenge = ChallengeSid::from_bytes(take(rest)?);
                let factor = FactorSid::from_bytes(take(rest)?);
                let expires_at = Instant::from_micros(i64::from_be_bytes(take(rest)?));
                let until = Instant::from_micros(i64::from_be_bytes(take(rest)?));
                let length = u16::from_be_bytes(take(rest)?);
                let text = rest.get(..usize::from(length))?;
                let message = Message::parse(std::str::from_utf8(text).ok()?).ok()?;
                *rest = rest.get(usize::from(length)..)?;
                let manner = take_manner(rest)?;
                let offer = Offer { notification, challenge, factor, message, manner, expires_at };
                Self::Offer { offer, until }
            }
            2 => Self::IsPresent,
            3 => Self::GiveUp,
            4 => Self::Held(Duration::from_micros(u64::from_be_bytes(take(&mut rest)?))),
            5 => Self::Dismiss,
            6 => Self::HasInHand(NotificationSid::from_bytes(take(&mut rest)?)),
            7 => Self::AnsweredElsewhere(ChallengeSid::from_bytes(take(&mut rest)?)),
            _ => return None,
        })
    }

    /// The label in metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::IsPresent => "is_there",
            Self::GiveUp => "give_up",
            Self::Held(_) => "held",
            Self::Dismiss => "dismiss",
            Self::HasInHand(_) => "has_in_hand",
            Self::AnsweredElsewhere(_) => "answered_elsewhere",
        }
    }
}

/// Appends the manner of a prompt: a length and JSON; nothing but the length for the ordinary one.
fn put_manner(bytes: &mut BytesMut, manner: &PromptManner) {
    let text = match *manner == PromptManner::default() {
        true => Vec::new(),
        false => serde_json::to_vec(manner).unwrap_or_default(),
    };
    bytes.put_u16(u16::try_from(text.len()).unwrap_or_default());
    bytes.put_slice(&text);
}

/// The manner of a prompt; `None` if it is truncated. Older nodes send none, and newer ones may send members that are ignored.
fn take_manner(rest: &mut &[u8]) -> Option<PromptManner> {
    if rest.is_empty() {
        return Some(PromptManner::default());
    }
    let length = u16::from_be_bytes(take(rest)?);
    let text = rest.get(..usize::from(length))?;
    Some(serde_json::from_slice(text).unwrap_or_default())
}

impl HolderReply {
    pub(crate) fn encode(self) -> Bytes {
        let kind = match self {
            Self::Offered(OfferOutcome::Acknowledged) => 1,
            Self::Offered(OfferOutcome::Unacknowledged) => 2,
            Self::Offered(OfferOutcome::NotConnected) => 3,
            Self::Offered(OfferOutcome::Busy) => 4,
            Self::Here => 5,
            Self::NotHere => 6,
            Self::TooSoon => 7,
        };
        begin(kind).freeze()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(match split_kind(bytes)?.0 {
            1 => Self::Offered(OfferOutcome::Acknowledged),
            2 => Self::Offered(OfferOutcome::Unacknowledged),
            3 => Self::Offered(OfferOutcome::NotConnected),
            4 => Self::Offered(OfferOutcome::Busy),
            5 => Self::Here,
            6 => Self::NotHere,
            7 => Self::TooSoon,
            _ => return None,
        })
    }
}

impl Broadcast {
    pub(crate) fn encode(self) -> Bytes {
        let (kind, sid) = match self {
            Self::ChallengeChanged(sid) => (1, *sid.as_bytes()),
            Self::Changed(Changed::Account(sid)) => (2, *sid.as_bytes()),
            Self::Changed(Changed::ApiKey(sid)) => (3, *sid.as_bytes()),
            Self::Changed(Changed::Service(sid)) => (4, *sid.as_bytes()),
            Self::Changed(Changed::Credential(sid)) => (5, *sid.as_bytes()),
            Self::Changed(Changed::Entity(sid)) => (6, *sid.as_bytes()),
            Self::Changed(Changed::Factor(sid)) => (7, *sid.as_bytes()),
            Self::Changed(Changed::Integration(sid)) => (8, *sid.as_bytes()),
        };
        let mut bytes = begin(kind);
        bytes.put_slice(&sid);
        bytes.freeze()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = split_kind(bytes)?;
        let sid = take(&mut rest)?;
        Some(match kind {
            1 => Self::ChallengeChanged(ChallengeSid::from_bytes(sid)),
            2 => Self::Changed(Changed::Account(AccountSid::from_bytes(sid))),
            3 => Self::Changed(Changed::ApiKey(ApiKeySid::from_bytes(sid))),
            4 => Self::Changed(Changed::Service(ServiceSid::from_bytes(sid))),
            5 => Self::Changed(Changed::Credential(CredentialSid::from_bytes(sid))),
            6 => Self::Changed(Changed::Entity(EntitySid::from_bytes(sid))),
            7 => Self::Changed(Changed::Factor(FactorSid::from_bytes(sid))),
            8 => Self::Changed(Changed::Integration(IntegrationSid::from_bytes(sid))),
            _ => return None,
        })
    }

    /// The label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ChallengeChanged(_) => "settled",
            Self::Changed(_) => "changed",
        }
    }
}

/// A message with its version and kind.
fn begin(kind: u8) -> BytesMut {
    BytesMut::from(&[VERSION, kind][..])
}

/// Splits a message into its kind and its fields.
fn split_kind(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [VERSION, kind, rest @ ..] => Some((*kind, rest)),
        _ => None,
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests;
