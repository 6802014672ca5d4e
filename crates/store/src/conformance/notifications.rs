//! Notifications: their records, their limit, and the effect of a device's fetch.

use countersign_domain::address::Platform;
use countersign_domain::delivery::{DeliveryState, InitialState, NewNotification};
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::factor::FactorChange;
use countersign_domain::notification::Notification;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::settled::DeliveryEvent;
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks};
use crate::page::PageQuery;
use crate::seam::{Notified, Opened};

/// For every initial state of its delivery.
pub async fn a_notification_reads_back_as_it_was_stored(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let until = fixture.later(30);
    let node = fixture.make.node;
    let failed = Ending::failed(StatusReason::DeviceOffline, ErrorCode::NO_DESTINATION);
    let leased = DeliveryState::Leased { node, until, written: false };
    let due = DeliveryState::Due { at: fixture.now() };
    for (ttl, birth, ending, delivery) in [
        (300, InitialState::Leased { until }, None, Some((leased, 0))),
        (60, InitialState::Due, None, Some((due, 0))),
        (1, InitialState::Parked, None, Some((DeliveryState::Parked, 0))),
        (0, InitialState::Immediate, None, None),
        (0, InitialState::Ended(failed), Some(failed), None),
    ] {
        let new = fixture.notify(&challenge, ttl, birth).await;
        let expected = Notification {
            sid: new.delivery.notification,
            challenge: challenge.sid,
            automatic: false,
            ttl,
            created_at: fixture.now(),
            updated_at: fixture.now(),
            created_on: node,
            ending,
            delivery,
            attempts: Vec::new(),
        };
        assert_eq!(fixture.notification(&new).await, expected);
    }
}

/// Other challenges do not have it.
pub async fn a_notification_is_found_by_its_own_challenge_only(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (challenge, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let sid = fixture.due(&challenge).await.delivery.notification;
    assert_eq!(fixture.store.notification(other.sid, sid).await, Ok(None));
    let unknown = fixture.make.notification(&challenge, 0, InitialState::Immediate);
    let found = fixture.store.notification(challenge.sid, unknown.delivery.notification).await;
    assert_eq!(found, Ok(None));
    let page = fixture.store.notifications(other.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, []);
    let nowhere = fixture.make.challenge(&factor);
    let new = fixture.make.notification(&nowhere, 300, InitialState::Due);
    assert_eq!(fixture.store.notify(&new, 3).await, Ok(Notified::NotFound));
}

/// The automatic one is first, whatever its SID is.
pub async fn notifications_are_listed_with_the_automatic_one_first(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.make.challenge(&factor);
    let automatic = fixture.make.automatic(&challenge);
    assert_eq!(fixture.open(&challenge, Some(automatic)).await, Opened::Done);
    let mut sids = vec![automatic.delivery.notification];
    for ttl in [300, 0, 60, 300] {
        fixture.pass(1);
        let birth = if ttl == 0 { InitialState::Immediate } else { InitialState::Due };
        sids.push(fixture.notify(&challenge, ttl, birth).await.delivery.notification);
    }
    let read = async |page| {
        let found = fixture.store.notifications(challenge.sid, page).await;
        found.unwrap().map(|notification| notification.sid)
    };
    walks(&sids, read).await;
    let first = fixture.store.notifications(challenge.sid, PageQuery::first(2)).await.unwrap();
    let marks: Vec<_> = first.items.iter().map(|notification| notification.automatic).collect();
    assert_eq!(marks, [true, false]);
}

/// Concurrent commands do not exceed the limit.
pub async fn of_fifty_notifications_at_once_three_are_stored(fixture: &Fixture) {
    let challenge = fixture.make.challenge(&fixture.factor().await);
    let automatic = fixture.make.automatic(&challenge);
    assert_eq!(fixture.open(&challenge, Some(automatic)).await, Opened::Done);
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        let store = fixture.store.clone();
        requests.spawn(async move { store.notify(&new, 3).await.unwrap() });
    }
    let outcomes = requests.join_all().await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(Notified::Done(None)), count(Notified::TooMany)), (3, 47));
    let stored = fixture.store.notifications(challenge.sid, PageQuery::first(100)).await.unwrap();
    assert_eq!(stored.items.len(), 4);
    assert_eq!(fixture.lease_due(100).await.len(), 3);
}

/// Ended ones and those with `Ttl=0` count; refused ones and the automatic one do not.
pub async fn every_stored_notification_counts(fixture: &Fixture) {
    let challenge = fixture.make.challenge(&fixture.factor().await);
    let automatic = fixture.make.automatic(&challenge);
    assert_eq!(fixture.open(&challenge, Some(automatic)).await, Opened::Done);
    let lease = fixture.leased(&challenge).await;
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    fixture.notify(&challenge, 0, InitialState::Immediate).await;
    let new = || fixture.make.notification(&challenge, 300, InitialState::Due);
    assert_eq!(fixture.store.notify(&new(), 2).await, Ok(Notified::TooMany));
    assert_eq!(fixture.store.notify(&new(), 2).await, Ok(Notified::TooMany));
    assert_eq!(fixture.store.notify(&new(), 3).await, Ok(Notified::Done(None)));
    assert_eq!(fixture.store.notify(&new(), 3).await, Ok(Notified::TooMany));
    assert_eq!(fixture.store.notify(&new(), 0).await, Ok(Notified::Done(None)));
}

/// Unsent notifications continue, and failed ones stay failed.
pub async fn a_fetch_makes_sent_notifications_delivered(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (challenge, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let after = |ending| fixture.attempted(Outcome::Accepted, AfterAttempt::Done(ending));
    let (sent, elsewhere) = (fixture.leased(&challenge).await, fixture.leased(&other).await);
    for lease in [&sent, &elsewhere] {
        assert!(fixture.settle(lease, after(Ending::SENT)).await);
    }
    let failed = fixture.leased(&challenge).await;
    let failure = Ending::failed(StatusReason::Refused, ErrorCode::INTERNAL);
    assert!(fixture.settle(&failed, after(failure)).await);
    let (unsent, parked) = (fixture.leased(&challenge).await, fixture.parked(&challenge).await);
    let once = fixture.notify(&challenge, 0, InitialState::Immediate).await;
    fixture.pass(1);

    assert_eq!(fixture.store.mark_fetched(challenge.sid, fixture.now()).await, Ok(()));
    let notification = fixture.notification(&sent).await;
    assert_eq!(notification.ending, Some(Ending::DELIVERED));
    assert_eq!(notification.updated_at, fixture.now());
    assert_eq!(notification.attempts.len(), 1);
    assert_eq!(fixture.ending(&failed).await, Some(failure));
    assert_eq!(fixture.ending(&elsewhere).await, Some(Ending::SENT));
    assert!(fixture.prospect(&unsent).await.lease_holds);
    assert_eq!((fixture.ending(&parked).await, fixture.ending(&once).await), (None, None));
}

/// Its delivery ends; a later ack changes nothing.
pub async fn a_fetch_ends_deliveries_written_to_the_stream(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let lease = fixture.leased(&challenge).await;
    assert!(fixture.settle(&lease, DeliveryEvent::Written).await);
    assert_eq!(fixture.notification(&lease).await.current(fixture.make.node), Ending::SENT);
    assert_eq!(fixture.store.mark_fetched(challenge.sid, fixture.now()).await, Ok(()));
    let notification = fixture.notification(&lease).await;
    assert_eq!(notification.ending, Some(Ending::DELIVERED));
    assert_eq!(notification.delivery, None);
    assert!(!fixture.settle(&lease, fixture.delivered()).await);
    assert_eq!(fixture.ending(&lease).await, Some(Ending::DELIVERED));
    // A second fetch, and a fetch of an unknown challenge, change nothing.
    assert_eq!(fixture.store.mark_fetched(challenge.sid, fixture.now()).await, Ok(()));
    let unknown = fixture.make.challenge(&fixture.factor().await).sid;
    assert_eq!(fixture.store.mark_fetched(unknown, fixture.now()).await, Ok(()));
}

/// Only the process that stored it can start its attempt.
pub async fn nothing_in_the_database_can_start_a_ttl_of_zero(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let new = fixture.notify(&challenge, 0, InitialState::Immediate).await;
    let other = fixture.make.other_node();
    let store = &fixture.store;
    assert_eq!(store.next_due().await, Ok(None));
    assert_eq!(store.void_leases(other, fixture.now(), 10).await, Ok(0));
    fixture.pass(60);
    assert_eq!(store.rescue(fixture.now(), 10).await, Ok(0));
    assert_eq!(store.expire(fixture.now(), 10).await, Ok(0));
    assert_eq!(fixture.lease_due(10).await, []);
    let factor = challenge.factor;
    let parked = store.lease_parked(factor, other, fixture.now(), fixture.later(30), 10).await;
    assert_eq!(parked, Ok(Vec::new()));
    let notification = fixture.notification(&new).await;
    assert_eq!(notification.current(fixture.make.node).status, NotificationStatus::Sending);
    assert_eq!(notification.current(other), Ending::NOT_ATTEMPTED);
}

/// If the address has changed or the factor was deleted, the caller must plan again.
pub async fn a_notification_is_stored_only_for_the_platform_it_was_planned_for(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let planned = fixture.make.notification(&challenge, 300, InitialState::Parked);
    let (entity, sid) = (factor.owner.entity, factor.sid);
    let address = Some(fixture.make.fcm_address());
    let change = FactorChange { address, ..FactorChange::default() };
    fixture.store.update_factor(entity, sid, &change, fixture.now()).await.unwrap();
    assert_eq!(fixture.store.notify(&planned, 0).await, Ok(Notified::PlatformChanged));
    let planned = NewNotification { platform: Platform::Fcm, ..planned };
    assert_eq!(fixture.store.notify(&planned, 0).await, Ok(Notified::Done(None)));

    assert_eq!(fixture.store.delete_factor(entity, sid, fixture.now()).await, Ok(true));
    let planned = fixture.make.notification(&challenge, 300, InitialState::Parked);
    let planned = NewNotification { platform: Platform::Fcm, ..planned };
    assert_eq!(fixture.store.notify(&planned, 0).await, Ok(Notified::PlatformChanged));
    fixture.make.clock.set(challenge.expires_at);
    let late = NewNotification { created_at: fixture.now(), ..planned };
    assert!(matches!(fixture.store.notify(&late, 0).await, Ok(Notified::Refused(_))));
}
