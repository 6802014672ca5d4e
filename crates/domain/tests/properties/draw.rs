//! The strategies that draw random values.

use std::time::Duration;

use countersign_domain::address::{Address, Platform};
use countersign_domain::challenge::{Challenge, ChallengeState, Details, MAX_LIFETIME, Verdict};
use countersign_domain::delivery::Delivery;
use countersign_domain::ending::ErrorCode;
use countersign_domain::entity::Owner;
use countersign_domain::factor::FactorType;
use countersign_domain::node::NodeId;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Target;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, EntitySid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, Identity, Message};
use countersign_domain::time::Instant;
use proptest::option;
use proptest::prelude::*;

/// The years 1970 to 2200.
const MICROS: std::ops::Range<i64> = 0..7_258_118_400_000_000;

pub(crate) fn instant() -> impl Strategy<Value = Instant> {
    MICROS.prop_map(Instant::from_micros)
}

/// A duration of up to a little more than an hour, the lifetime of a challenge. Edge cases are frequent.
pub(crate) fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_micros(1)),
        (0..4_u64).prop_map(Duration::from_secs),
        (0..10_000_000_u64).prop_map(Duration::from_micros),
        (0..4_000_000_000_u64).prop_map(Duration::from_micros),
    ]
}

/// An instant near another one, which is frequent itself.
pub(crate) fn around(at: Instant) -> impl Strategy<Value = Instant> {
    (span(), any::<bool>()).prop_map(move |(span, later)| if later { at + span } else { at - span })
}

pub(crate) fn platform() -> impl Strategy<Value = Platform> {
    prop_oneof![
        Just(Platform::Apn),
        Just(Platform::Fcm),
        Just(Platform::WebPush),
        Just(Platform::Stream),
        Just(Platform::None),
    ]
}

pub(crate) fn factor_type() -> impl Strategy<Value = FactorType> {
    prop_oneof![Just(FactorType::Push), Just(FactorType::Totp)]
}

pub(crate) fn state() -> impl Strategy<Value = ChallengeState> {
    let answered =
        |verdict| instant().prop_map(move |at| ChallengeState::Answered { verdict, at }).boxed();
    prop_oneof![
        Just(ChallengeState::Pending),
        answered(Verdict::Approved),
        answered(Verdict::Denied),
        instant().prop_map(|at| {
            ChallengeState::AnsweredElsewhere { by: ChallengeSid::from_bytes([9; 16]), at }
        }),
    ]
}

/// A delivery with any deadline.
pub(crate) fn delivery() -> impl Strategy<Value = Delivery> {
    (instant(), any::<bool>(), prop_oneof![0..4_u32, any::<u32>()], any::<[u8; 16]>()).prop_map(
        |(deadline, once, attempts, bytes)| Delivery {
            notification: NotificationSid::from_bytes(bytes),
            challenge: ChallengeSid::from_bytes(bytes),
            factor: FactorSid::from_bytes(bytes),
            entity: EntitySid::from_bytes(bytes),
            deadline,
            once,
            attempts,
        },
    )
}

/// Every outcome, with times near `now`.
pub(crate) fn outcome(now: Instant) -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accepted),
        Just(Outcome::Acknowledged),
        Just(Outcome::Unacknowledged),
        Just(Outcome::Offline),
        option::of(around(now)).prop_map(|since| Outcome::Gone { since }),
        option::of(around(now)).prop_map(|not_before| Outcome::Later { not_before }),
        any::<bool>().prop_map(|breaks_credential| Outcome::Refused { breaks_credential }),
    ]
}

pub(crate) fn attempt(now: Instant) -> impl Strategy<Value = Attempt> {
    let code = option::of((52_000..53_000_u32).prop_map(ErrorCode));
    (outcome(now), code).prop_map(|(outcome, code)| Attempt::plain(outcome, code))
}

pub(crate) fn target() -> impl Strategy<Value = Target> {
    (platform(), option::of("[0-9a-f]{64}")).prop_map(|(platform, token)| Target {
        account: AccountSid::from_bytes([1; 16]),
        service: ServiceSid::from_bytes([2; 16]),
        address: Address::from_stored(platform, token),
        app_id: AppId::parse("com.example.owlbank").expect("an app"),
        credential: None,
        user_verification: UserVerification::None,
    })
}

pub(crate) fn message() -> Message {
    Message::parse("Log in from Lisbon?").expect("a message")
}

/// A new challenge: it expires at a whole second within the hour.
pub(crate) fn challenge() -> impl Strategy<Value = Challenge> {
    let lifetime = (1..=MAX_LIFETIME.as_secs()).prop_map(Duration::from_secs);
    (instant(), lifetime).prop_map(|(created_at, lifetime)| {
        let expires_at = (created_at + lifetime).whole_seconds();
        Challenge {
            sid: ChallengeSid::from_bytes([3; 16]),
            owner: Owner {
                account: AccountSid::from_bytes([1; 16]),
                service: ServiceSid::from_bytes([2; 16]),
                entity: EntitySid::from_bytes([4; 16]),
                identity: Identity::parse("ann-of-owlbank").expect("an identity"),
            },
            factor: FactorSid::from_bytes([5; 16]),
            factor_type: FactorType::Push,
            details: Details { message: Some(message()), fields: Vec::new(), date: None },
            hidden_details: None,
            metadata: None,
            is_quiet: false,
            presence: None,
            group: None,
            state: ChallengeState::Pending,
            created_at,
            updated_at: created_at,
            expires_at: expires_at.max(created_at + Duration::from_micros(1)),
        }
    })
}

pub(crate) fn node() -> impl Strategy<Value = NodeId> {
    prop_oneof![Just(NodeId([0; 16])), Just(NodeId([1; 16]))]
}
