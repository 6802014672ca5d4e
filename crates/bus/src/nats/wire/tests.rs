use countersign_domain::presence::{PresenceHint, PresenceNumber};
use countersign_domain::service_protection::UserVerification;
use proptest::prelude::*;

use super::*;

fn manner() -> impl Strategy<Value = PromptManner> {
    let number = (10_u8..=99).prop_map(|number| PresenceNumber::new(number).expect("two digits"));
    let presence = prop_oneof![
        Just(None),
        Just(Some(PresenceHint::Number)),
        [number.clone(), number.clone(), number].prop_map(|all| Some(PresenceHint::Pick(all))),
    ];
    let verification = prop_oneof![Just(UserVerification::None), Just(UserVerification::Required)];
    (any::<bool>(), presence, verification).prop_map(|(quiet, presence, user_verification)| {
        PromptManner { quiet, presence, user_verification }
    })
}

fn request() -> impl Strategy<Value = HolderRequest> {
    let offer = (any::<[[u8; 16]; 3]>(), "[^\\x00-\\x1f]{1,100}", any::<[u32; 2]>(), manner());
    let offer =
        offer.prop_filter_map("a message", |([a, b, c], text, [expires, until], manner)| {
            let offer = Offer {
                notification: NotificationSid::from_bytes(a),
                challenge: ChallengeSid::from_bytes(b),
                factor: FactorSid::from_bytes(c),
                message: Message::parse(&text).ok()?,
                manner,
                expires_at: Instant::from_seconds(expires.into()),
            };
            Some(HolderRequest::Offer { offer, until: Instant::from_seconds(until.into()) })
        });
    prop_oneof![
        offer,
        Just(HolderRequest::IsPresent),
        Just(HolderRequest::GiveUp),
        any::<u32>().prop_map(|micros| HolderRequest::Held(Duration::from_micros(micros.into()))),
        Just(HolderRequest::Dismiss),
        any::<[u8; 16]>()
            .prop_map(|sid| HolderRequest::HasInHand(NotificationSid::from_bytes(sid))),
        any::<[u8; 16]>()
            .prop_map(|sid| HolderRequest::AnsweredElsewhere(ChallengeSid::from_bytes(sid))),
    ]
}

/// The offer that an older node, which knows no manner, reads in its first `cut` bytes.
fn as_of_an_older_node(request: HolderRequest, cut: usize) -> Option<HolderRequest> {
    let HolderRequest::Offer { offer, until } = request else { return None };
    let offer = Offer { manner: PromptManner::default(), ..offer };
    (cut == 2 + 3 * 16 + 2 * 8 + 2 + offer.message.as_str().len())
        .then_some(HolderRequest::Offer { offer, until })
}

#[test]
fn an_offer_of_an_older_node_is_an_ordinary_prompt() {
    let offer = crate::conformance::offer();
    let request = HolderRequest::Offer { until: offer.expires_at, offer };
    let bytes = request.encode();
    let cut = bytes.len() - 2 - r#"{"quiet":true}"#.len();
    let read = HolderRequest::decode(&bytes[..cut]);
    assert!(read.is_some());
    assert_eq!(read, as_of_an_older_node(request, cut));
}

proptest! {
    #[test]
    fn a_request_survives_and_bytes_after_it_are_ignored(request in request(), more: Vec<u8>) {
        let bytes = [&request.encode()[..], &more].concat();
        prop_assert_eq!(HolderRequest::decode(&bytes), Some(request));
    }

    #[test]
    fn any_bytes_decode_or_are_rejected(bytes: Vec<u8>) {
        let _ = (HolderRequest::decode(&bytes), HolderReply::decode(&bytes), Broadcast::decode(&bytes));
    }

    #[test]
    fn a_truncated_message_is_rejected(request in request(), share in 0.0..1.0) {
        let bytes = request.encode();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let cut = (bytes.len() as f64 * share) as usize;
        prop_assert_eq!(HolderRequest::decode(&bytes[..cut]), as_of_an_older_node(request, cut));
    }
}

#[test]
fn every_reply_and_broadcast_survives() {
    use OfferOutcome::{Acknowledged, Busy, NotConnected, Unacknowledged};
    for reply in [Acknowledged, Unacknowledged, NotConnected, Busy].map(HolderReply::Offered) {
        assert_eq!(HolderReply::decode(&reply.encode()), Some(reply));
    }
    for reply in [HolderReply::Here, HolderReply::NotHere, HolderReply::TooSoon] {
        assert_eq!(HolderReply::decode(&reply.encode()), Some(reply));
    }
    let sid = [7; 16];
    for broadcast in [
        Broadcast::ChallengeChanged(ChallengeSid::from_bytes(sid)),
        Broadcast::Changed(Changed::Account(AccountSid::from_bytes(sid))),
        Broadcast::Changed(Changed::ApiKey(ApiKeySid::from_bytes(sid))),
        Broadcast::Changed(Changed::Service(ServiceSid::from_bytes(sid))),
        Broadcast::Changed(Changed::Credential(CredentialSid::from_bytes(sid))),
        Broadcast::Changed(Changed::Entity(EntitySid::from_bytes(sid))),
        Broadcast::Changed(Changed::Factor(FactorSid::from_bytes(sid))),
        Broadcast::Changed(Changed::Integration(IntegrationSid::from_bytes(sid))),
    ] {
        assert_eq!(Broadcast::decode(&broadcast.encode()), Some(broadcast));
    }
}

#[test]
fn unknown_versions_and_kinds_are_rejected() {
    for bytes in [&[2, 2][..], &[1, 200], &[1], &[]] {
        assert_eq!(HolderRequest::decode(bytes), None);
        assert_eq!(HolderReply::decode(bytes), None);
        assert_eq!(Broadcast::decode(&[bytes, &[0; 16]].concat()), None);
    }
}
