//! Notifications: what is stored of them, how many there may be, and what a device's fetch says about them.

use countersign_domain::address::Platform;
use countersign_domain::delivery::{
    After, Birth, DeliveryState, Happening, NewNotification, Outcome,
};
use countersign_domain::factor::FactorChange;
use countersign_domain::notification::{Code, Ending, Notification, Reason, Status};
use tokio::task::JoinSet;

use super::stage::{Stage, walks};
use crate::page::PageQuery;
use crate::seam::{Notified, Opened};

/// However its delivery starts.
pub async fn a_notification_reads_back_as_it_was_stored(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let until = stage.later(30);
    let node = stage.make.node;
    let failed = Ending::failed(Reason::DeviceOffline, Code::NO_DESTINATION);
    let leased = DeliveryState::Leased { node, until, written: false };
    let due = DeliveryState::Due { at: stage.now() };
    for (ttl, birth, ending, delivery) in [
        (300, Birth::Leased { until }, None, Some((leased, 0))),
        (60, Birth::Due, None, Some((due, 0))),
        (1, Birth::Parked, None, Some((DeliveryState::Parked, 0))),
        (0, Birth::Immediate, None, None),
        (0, Birth::Stillborn(failed), Some(failed), None),
    ] {
        let new = stage.notify(&challenge, ttl, birth).await;
        let expected = Notification {
            sid: new.delivery.notification,
            challenge: challenge.sid,
            automatic: false,
            ttl,
            created_at: stage.now(),
            updated_at: stage.now(),
            born_on: node,
            ending,
            delivery,
            attempts: Vec::new(),
        };
        assert_eq!(stage.notification(&new).await, expected);
    }
}

/// And unknown elsewhere.
pub async fn a_notification_is_found_by_its_own_challenge_only(stage: &Stage) {
    let factor = stage.factor().await;
    let (challenge, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    let sid = stage.due(&challenge).await.delivery.notification;
    assert_eq!(stage.store.notification(other.sid, sid).await, Ok(None));
    let unknown = stage.make.notification(&challenge, 0, Birth::Immediate);
    let found = stage.store.notification(challenge.sid, unknown.delivery.notification).await;
    assert_eq!(found, Ok(None));
    let page = stage.store.notifications(other.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, []);
    let nowhere = stage.make.challenge(&factor);
    let new = stage.make.notification(&nowhere, 300, Birth::Due);
    assert_eq!(stage.store.notify(&new, 3).await, Ok(Notified::Gone));
}

/// The automatic one leads, whatever its SID is.
pub async fn notifications_are_listed_with_the_automatic_one_first(stage: &Stage) {
    let factor = stage.factor().await;
    let challenge = stage.make.challenge(&factor);
    let automatic = stage.make.automatic(&challenge);
    assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::Done);
    let mut sids = vec![automatic.delivery.notification];
    for ttl in [300, 0, 60, 300] {
        stage.pass(1);
        let birth = if ttl == 0 { Birth::Immediate } else { Birth::Due };
        sids.push(stage.notify(&challenge, ttl, birth).await.delivery.notification);
    }
    let read = async |page| {
        let found = stage.store.notifications(challenge.sid, page).await;
        found.unwrap().map(|notification| notification.sid)
    };
    walks(&sids, read).await;
    let first = stage.store.notifications(challenge.sid, PageQuery::first(2)).await.unwrap();
    let marks: Vec<_> = first.items.iter().map(|notification| notification.automatic).collect();
    assert_eq!(marks, [true, false]);
}

/// Whoever comes first, and however many come at once.
pub async fn of_fifty_notifications_at_once_three_are_stored(stage: &Stage) {
    let challenge = stage.make.challenge(&stage.factor().await);
    let automatic = stage.make.automatic(&challenge);
    assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::Done);
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let new = stage.make.notification(&challenge, 300, Birth::Due);
        let store = stage.store.clone();
        requests.spawn(async move { store.notify(&new, 3).await.unwrap() });
    }
    let outcomes = requests.join_all().await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(Notified::Done(None)), count(Notified::TooMany)), (3, 47));
    let stored = stage.store.notifications(challenge.sid, PageQuery::first(100)).await.unwrap();
    assert_eq!(stored.items.len(), 4);
    assert_eq!(stage.lease_due(100).await.len(), 3);
}

/// Ended ones and those of `Ttl=0` do, refused ones and the automatic one do not.
pub async fn every_stored_notification_counts(stage: &Stage) {
    let challenge = stage.make.challenge(&stage.factor().await);
    let automatic = stage.make.automatic(&challenge);
    assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::Done);
    let lease = stage.leased(&challenge).await;
    assert!(stage.settle(&lease, stage.delivered()).await);
    stage.notify(&challenge, 0, Birth::Immediate).await;
    let new = || stage.make.notification(&challenge, 300, Birth::Due);
    assert_eq!(stage.store.notify(&new(), 2).await, Ok(Notified::TooMany));
    assert_eq!(stage.store.notify(&new(), 2).await, Ok(Notified::TooMany));
    assert_eq!(stage.store.notify(&new(), 3).await, Ok(Notified::Done(None)));
    assert_eq!(stage.store.notify(&new(), 3).await, Ok(Notified::TooMany));
    assert_eq!(stage.store.notify(&new(), 0).await, Ok(Notified::Done(None)));
}

/// What was sent has arrived; what was not sent goes on, and a failure stays one.
pub async fn a_fetch_makes_sent_notifications_delivered(stage: &Stage) {
    let factor = stage.factor().await;
    let (challenge, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    let after = |ending| stage.attempted(Outcome::Accepted, After::Done(ending));
    let (sent, elsewhere) = (stage.leased(&challenge).await, stage.leased(&other).await);
    for lease in [&sent, &elsewhere] {
        assert!(stage.settle(lease, after(Ending::SENT)).await);
    }
    let failed = stage.leased(&challenge).await;
    let failure = Ending::failed(Reason::Refused, Code::INTERNAL);
    assert!(stage.settle(&failed, after(failure)).await);
    let (unsent, parked) = (stage.leased(&challenge).await, stage.parked(&challenge).await);
    let once = stage.notify(&challenge, 0, Birth::Immediate).await;
    stage.pass(1);

    assert_eq!(stage.store.mark_fetched(challenge.sid, stage.now()).await, Ok(()));
    let notification = stage.notification(&sent).await;
    assert_eq!(notification.ending, Some(Ending::DELIVERED));
    assert_eq!(notification.updated_at, stage.now());
    assert_eq!(notification.attempts.len(), 1);
    assert_eq!(stage.ending(&failed).await, Some(failure));
    assert_eq!(stage.ending(&elsewhere).await, Some(Ending::SENT));
    assert!(stage.prospect(&unsent).await.lease_holds);
    assert_eq!((stage.ending(&parked).await, stage.ending(&once).await), (None, None));
}

/// Its delivery ends: the ack that may still come is late.
pub async fn a_fetch_ends_what_was_written_to_the_stream(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let lease = stage.leased(&challenge).await;
    assert!(stage.settle(&lease, Happening::Written).await);
    assert_eq!(stage.notification(&lease).await.standing(stage.make.node), Ending::SENT);
    assert_eq!(stage.store.mark_fetched(challenge.sid, stage.now()).await, Ok(()));
    let notification = stage.notification(&lease).await;
    assert_eq!(notification.ending, Some(Ending::DELIVERED));
    assert_eq!(notification.delivery, None);
    assert!(!stage.settle(&lease, stage.delivered()).await);
    assert_eq!(stage.ending(&lease).await, Some(Ending::DELIVERED));
    // once more, and of a challenge that nobody knows: nothing happens
    assert_eq!(stage.store.mark_fetched(challenge.sid, stage.now()).await, Ok(()));
    let unknown = stage.make.challenge(&stage.factor().await).sid;
    assert_eq!(stage.store.mark_fetched(unknown, stage.now()).await, Ok(()));
}

/// Its attempt is started by the process that made it, or never.
pub async fn nothing_in_the_database_can_start_a_ttl_of_zero(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let new = stage.notify(&challenge, 0, Birth::Immediate).await;
    let other = stage.make.other_node();
    let store = &stage.store;
    assert_eq!(store.next_due().await, Ok(None));
    assert_eq!(store.void_leases(other, stage.now(), 10).await, Ok(0));
    stage.pass(60);
    assert_eq!(store.rescue(stage.now(), 10).await, Ok(0));
    assert_eq!(store.expire(stage.now(), 10).await, Ok(0));
    assert_eq!(stage.lease_due(10).await, []);
    let factor = challenge.factor;
    let parked = store.lease_parked(factor, other, stage.now(), stage.later(30), 10).await;
    assert_eq!(parked, Ok(Vec::new()));
    let notification = stage.notification(&new).await;
    assert_eq!(notification.standing(stage.make.node).status, Status::Sending);
    assert_eq!(notification.standing(other), Ending::NOT_ATTEMPTED);
}

/// Whoever planned it must plan again: where the device is reached has changed, or the device is gone.
pub async fn a_notification_is_stored_only_for_the_platform_it_was_planned_for(stage: &Stage) {
    let factor = stage.factor().await;
    let challenge = stage.challenge(&factor).await;
    let planned = stage.make.notification(&challenge, 300, Birth::Parked);
    let (entity, sid) = (factor.owner.entity, factor.sid);
    let address = Some(stage.make.fcm_address());
    let change = FactorChange { address, ..FactorChange::default() };
    stage.store.update_factor(entity, sid, &change, stage.now()).await.unwrap();
    assert_eq!(stage.store.notify(&planned, 0).await, Ok(Notified::Moved));
    let planned = NewNotification { platform: Platform::Fcm, ..planned };
    assert_eq!(stage.store.notify(&planned, 0).await, Ok(Notified::Done(None)));

    assert_eq!(stage.store.delete_factor(entity, sid, stage.now()).await, Ok(true));
    let planned = stage.make.notification(&challenge, 300, Birth::Parked);
    let planned = NewNotification { platform: Platform::Fcm, ..planned };
    assert_eq!(stage.store.notify(&planned, 0).await, Ok(Notified::Moved));
    stage.make.clock.set(challenge.expires_at);
    let late = NewNotification { created_at: stage.now(), ..planned };
    assert!(matches!(stage.store.notify(&late, 0).await, Ok(Notified::Refused(_))));
}
