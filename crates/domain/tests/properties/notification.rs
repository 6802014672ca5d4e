//! The status, the reason and the code of a notification agree.

use countersign_domain::delivery::DeliveryState;
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::notification::Notification;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use proptest::option;
use proptest::prelude::*;

use crate::draw::{instant, node};

const ENDINGS: [Ending; 7] = [
    Ending::SENT,
    Ending::DELIVERED,
    Ending::EXPIRED,
    Ending::NOT_ATTEMPTED,
    Ending::DEVICE_AWAY,
    Ending::cancelled(StatusReason::Superseded),
    Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION),
];

fn delivery_state() -> impl Strategy<Value = DeliveryState> {
    prop_oneof![
        instant().prop_map(|at| DeliveryState::Due { at }),
        (node(), instant(), any::<bool>())
            .prop_map(|(node, until, written)| DeliveryState::Leased { node, until, written }),
        Just(DeliveryState::Parked),
    ]
}

prop_compose! {
    fn notification()(
        created_at in instant(), created_on in node(), ending in option::of(0..ENDINGS.len()),
        delivery in option::of((delivery_state(), 0..3_u32)),
    ) -> Notification {
        Notification {
            sid: NotificationSid::from_bytes([1; 16]),
            challenge: ChallengeSid::from_bytes([2; 16]),
            automatic: false,
            ttl: 300,
            created_at,
            updated_at: created_at,
            created_on,
            ending: ending.map(|which| ENDINGS[which]),
            delivery,
            attempts: Vec::new(),
        }
    }
}

proptest! {
    #[test]
    fn every_standing_has_its_words(notification in notification(), node in node()) {
        let standing = notification.current(node);
        if let Some(ending) = notification.ending {
            prop_assert_eq!(standing, ending, "an ending is final");
            return Ok(());
        }
        let words = (standing.status.as_str(), standing.reason.map(StatusReason::as_str));
        let expected = match notification.delivery {
            Some((DeliveryState::Parked, _)) => ("queued", Some("device_offline")),
            Some((DeliveryState::Due { .. }, 0)) => ("queued", Some("waiting")),
            Some((DeliveryState::Due { .. }, _)) => ("queued", Some("retrying")),
            Some((DeliveryState::Leased { written: true, .. }, _)) => ("sent", None),
            Some((DeliveryState::Leased { .. }, _)) => ("sending", None),
            None if notification.created_on == node => ("sending", None),
            None => ("expired", Some("not_attempted")),
        };
        prop_assert_eq!(words, expected);
        let is_over = standing.status == NotificationStatus::Expired;
        prop_assert_eq!(standing.code, is_over.then_some(ErrorCode::TTL_PASSED));
    }

    #[test]
    fn words_of_the_database_are_read_or_refused(word in "[a-z_]{0,16}") {
        if let Some(status) = NotificationStatus::from_word(&word) {
            prop_assert_eq!(status.as_str(), word.as_str());
        }
        if let Some(reason) = StatusReason::from_word(&word) {
            prop_assert_eq!(reason.as_str(), word.as_str());
        }
    }
}
