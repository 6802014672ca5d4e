//! What nodes say to each other, as bytes: one for the version, one for the kind, then the fields, big-endian.
//!
//! Nodes of different age work side by side: what follows the known fields is passed over, and a message of an unknown
//! version or kind is no message. A new field therefore goes to the end, and what must not be misunderstood gets a new
//! kind.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, EntitySid, FactorSid, NotificationSid,
    ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;

use crate::seam::{Changed, Offer, Reception};

const VERSION: u8 = 1;

/// To whoever holds a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToHolder {
    /// A prompt, for as long as somebody waits for the answer.
    Offer {
        /// The prompt.
        offer: Offer,
        /// From then on nobody waits: it is not to be written any more.
        until: Instant,
    },
    /// Is it there?
    IsThere,
    /// A socket of mine wants to hold it.
    GiveUp,
    /// A socket of mine has held it for so long; whoever has held it longer has the older socket. A span, not an
    /// instant, since clocks differ.
    Held(Duration),
    /// It is no longer reached by a stream.
    Dismiss,
    /// Is an offer of this notification still in hand?
    HasInHand(NotificationSid),
}

/// The answer of whoever holds a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// What became of the offer.
    Received(Reception),
    /// It is here, or in hand.
    Here,
    /// It is not, or not any more.
    NotHere,
    /// It has been here for less than a second.
    TooSoon,
}

/// To all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToAll {
    /// A challenge may have left `pending`.
    Settled(ChallengeSid),
    /// Something that may be in caches.
    Changed(Changed),
}

impl ToHolder {
    pub(super) fn encode(&self) -> Bytes {
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
                bytes.freeze()
            }
            Self::IsThere => begin(2).freeze(),
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
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = opened(bytes)?;
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
                let offer = Offer { notification, challenge, factor, message, expires_at };
                Self::Offer { offer, until }
            }
            2 => Self::IsThere,
            3 => Self::GiveUp,
            4 => Self::Held(Duration::from_micros(u64::from_be_bytes(take(&mut rest)?))),
            5 => Self::Dismiss,
            6 => Self::HasInHand(NotificationSid::from_bytes(take(&mut rest)?)),
            _ => return None,
        })
    }

    /// In metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::IsThere => "is_there",
            Self::GiveUp => "give_up",
            Self::Held(_) => "held",
            Self::Dismiss => "dismiss",
            Self::HasInHand(_) => "has_in_hand",
        }
    }
}

impl Answer {
    pub(super) fn encode(self) -> Bytes {
        let kind = match self {
            Self::Received(Reception::Acknowledged) => 1,
            Self::Received(Reception::Unacknowledged) => 2,
            Self::Received(Reception::Nobody) => 3,
            Self::Received(Reception::Busy) => 4,
            Self::Here => 5,
            Self::NotHere => 6,
            Self::TooSoon => 7,
        };
        begin(kind).freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(match opened(bytes)?.0 {
            1 => Self::Received(Reception::Acknowledged),
            2 => Self::Received(Reception::Unacknowledged),
            3 => Self::Received(Reception::Nobody),
            4 => Self::Received(Reception::Busy),
            5 => Self::Here,
            6 => Self::NotHere,
            7 => Self::TooSoon,
            _ => return None,
        })
    }
}

impl ToAll {
    pub(super) fn encode(self) -> Bytes {
        let (kind, sid) = match self {
            Self::Settled(sid) => (1, *sid.as_bytes()),
            Self::Changed(Changed::Account(sid)) => (2, *sid.as_bytes()),
            Self::Changed(Changed::ApiKey(sid)) => (3, *sid.as_bytes()),
            Self::Changed(Changed::Service(sid)) => (4, *sid.as_bytes()),
            Self::Changed(Changed::Credential(sid)) => (5, *sid.as_bytes()),
            Self::Changed(Changed::Entity(sid)) => (6, *sid.as_bytes()),
            Self::Changed(Changed::Factor(sid)) => (7, *sid.as_bytes()),
        };
        let mut bytes = begin(kind);
        bytes.put_slice(&sid);
        bytes.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = opened(bytes)?;
        let sid = take(&mut rest)?;
        Some(match kind {
            1 => Self::Settled(ChallengeSid::from_bytes(sid)),
            2 => Self::Changed(Changed::Account(AccountSid::from_bytes(sid))),
            3 => Self::Changed(Changed::ApiKey(ApiKeySid::from_bytes(sid))),
            4 => Self::Changed(Changed::Service(ServiceSid::from_bytes(sid))),
            5 => Self::Changed(Changed::Credential(CredentialSid::from_bytes(sid))),
            6 => Self::Changed(Changed::Entity(EntitySid::from_bytes(sid))),
            7 => Self::Changed(Changed::Factor(FactorSid::from_bytes(sid))),
            _ => return None,
        })
    }

    /// In metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Settled(_) => "settled",
            Self::Changed(_) => "changed",
        }
    }
}

fn begin(kind: u8) -> BytesMut {
    BytesMut::from(&[VERSION, kind][..])
}

/// The kind, and what follows.
fn opened(bytes: &[u8]) -> Option<(u8, &[u8])> {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to_holder() -> impl Strategy<Value = ToHolder> {
        let offer = (any::<[[u8; 16]; 3]>(), "[^\\x00-\\x1f]{1,100}", any::<[u32; 2]>());
        let offer = offer.prop_filter_map("a message", |([a, b, c], text, [expires, until])| {
            let offer = Offer {
                notification: NotificationSid::from_bytes(a),
                challenge: ChallengeSid::from_bytes(b),
                factor: FactorSid::from_bytes(c),
                message: Message::parse(&text).ok()?,
                expires_at: Instant::from_seconds(expires.into()),
            };
            Some(ToHolder::Offer { offer, until: Instant::from_seconds(until.into()) })
        });
        prop_oneof![
            offer,
            Just(ToHolder::IsThere),
            Just(ToHolder::GiveUp),
            any::<u32>().prop_map(|micros| ToHolder::Held(Duration::from_micros(micros.into()))),
            Just(ToHolder::Dismiss),
            any::<[u8; 16]>().prop_map(|sid| ToHolder::HasInHand(NotificationSid::from_bytes(sid))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_is_heard_and_what_follows_is_passed_over(said in to_holder(), more: Vec<u8>) {
            let bytes = [&said.encode()[..], &more].concat();
            prop_assert_eq!(ToHolder::decode(&bytes), Some(said));
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes: Vec<u8>) {
            let _ = (ToHolder::decode(&bytes), Answer::decode(&bytes), ToAll::decode(&bytes));
        }

        #[test]
        fn half_a_message_is_none(said in to_holder(), share in 0.0..1.0) {
            let bytes = said.encode();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
            let cut = (bytes.len() as f64 * share) as usize;
            prop_assert_eq!(ToHolder::decode(&bytes[..cut]), None);
        }
    }

    #[test]
    fn every_short_message_survives() {
        use Reception::{Acknowledged, Busy, Nobody, Unacknowledged};
        for answer in [Acknowledged, Unacknowledged, Nobody, Busy].map(Answer::Received) {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        for answer in [Answer::Here, Answer::NotHere, Answer::TooSoon] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        let sid = [7; 16];
        for said in [
            ToAll::Settled(ChallengeSid::from_bytes(sid)),
            ToAll::Changed(Changed::Account(AccountSid::from_bytes(sid))),
            ToAll::Changed(Changed::ApiKey(ApiKeySid::from_bytes(sid))),
            ToAll::Changed(Changed::Service(ServiceSid::from_bytes(sid))),
            ToAll::Changed(Changed::Credential(CredentialSid::from_bytes(sid))),
            ToAll::Changed(Changed::Entity(EntitySid::from_bytes(sid))),
            ToAll::Changed(Changed::Factor(FactorSid::from_bytes(sid))),
        ] {
            assert_eq!(ToAll::decode(&said.encode()), Some(said));
        }
    }

    #[test]
    fn other_versions_and_kinds_are_no_messages() {
        for bytes in [&[2, 2][..], &[1, 200], &[1], &[]] {
            assert_eq!(ToHolder::decode(bytes), None);
            assert_eq!(Answer::decode(bytes), None);
            assert_eq!(ToAll::decode(&[bytes, &[0; 16]].concat()), None);
        }
    }
}
