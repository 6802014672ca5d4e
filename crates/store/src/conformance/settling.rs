//! The outcomes of leased deliveries.

use std::time::Duration;

use countersign_domain::address::Address;
use countersign_domain::delivery::{DeliveryState, InitialState, Lease};
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::factor::{Factor, FactorChange};
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::settled::{DeliveryEvent, Settled};
use countersign_domain::time::Instant;

use super::fixture::Fixture;
use crate::seam::{Enrolled, Settlement};

/// Its row is removed; the attempt and the ending are kept.
pub async fn an_ending_is_kept_with_its_attempt(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    for ending in [
        Ending::SENT,
        Ending::DELIVERED,
        Ending::EXPIRED,
        Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION),
        Ending::cancelled(StatusReason::FactorGone),
    ] {
        let lease = fixture.leased(&challenge).await;
        fixture.pass(1);
        let mut record = fixture.record(Outcome::Accepted);
        record.provider_status = Some(410);
        record.provider_reason = Some("Unregistered\n„ü“".to_owned());
        record.code = Some(ErrorCode::NO_DESTINATION);
        let after = AfterAttempt::Done(ending);
        let what = DeliveryEvent::Attempted { record: record.clone(), after, forget: None };
        assert!(fixture.settle(&lease, what).await);
        let notification = fixture.notification(&lease).await;
        assert_eq!(notification.ending, Some(ending));
        assert_eq!(notification.attempts, [record]);
        assert_eq!((notification.delivery, notification.updated_at), (None, fixture.now()));
        assert!(!fixture.prospect(&lease).await.lease_holds);
    }
}

/// No attempt is recorded.
pub async fn a_delivery_can_end_without_an_attempt(fixture: &Fixture) {
    let lease = fixture.leased(&fixture.challenge(&fixture.factor().await).await).await;
    let cancelled = Ending::cancelled(StatusReason::Answered);
    assert!(fixture.settle(&lease, DeliveryEvent::Ended(cancelled)).await);
    let notification = fixture.notification(&lease).await;
    assert_eq!((notification.ending, notification.delivery), (Some(cancelled), None));
    assert_eq!(notification.attempts, []);
}

/// Not before that, with one more attempt.
pub async fn a_retry_is_due_at_its_time(fixture: &Fixture) {
    let lease = fixture.leased(&fixture.challenge(&fixture.factor().await).await).await;
    let retry = AfterAttempt::Retry { at: fixture.later(4) };
    let (at, first) =
        (fixture.later(4), fixture.attempted(Outcome::Later { not_before: None }, retry));
    assert!(fixture.settle(&lease, first.clone()).await);
    assert!(!fixture.settle(&lease, first).await);
    let notification = fixture.notification(&lease).await;
    assert_eq!(notification.delivery, Some((DeliveryState::Due { at }, 1)));
    assert_eq!((notification.ending, notification.attempts.len()), (None, 2));
    assert_eq!(fixture.store.next_due().await, Ok(Some(at)));
    fixture.pass(3);
    assert_eq!(fixture.lease_due(10).await, []);
    fixture.pass(1);
    let leases = fixture.lease_due(10).await;
    assert_eq!(leases[0].delivery.attempts, 1);
    assert!(fixture.settle(&leases[0], fixture.delivered()).await);
    let outcomes: Vec<_> =
        fixture.notification(&lease).await.attempts.into_iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, ["later", "later", "acknowledged"]);
}

/// It has no lease.
pub async fn a_parked_delivery_waits_for_its_device(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let lease = fixture.leased(&fixture.challenge(&factor).await).await;
    assert!(fixture.settle(&lease, fixture.attempted(Outcome::Offline, AfterAttempt::Park)).await);
    let notification = fixture.notification(&lease).await;
    assert_eq!(notification.delivery, Some((DeliveryState::Parked, 1)));
    fixture.pass(60);
    assert_eq!(
        (fixture.lease_due(10).await, fixture.store.rescue(fixture.now(), 10).await),
        (vec![], Ok(0))
    );
    let (now, until) = (fixture.now(), fixture.later(30));
    let leases =
        fixture.store.lease_parked(factor.sid, fixture.make.node, now, until, 10).await.unwrap();
    assert_eq!(leases[0].delivery.attempts, 1);
    assert!(!fixture.settle(&lease, fixture.delivered()).await);
    assert!(fixture.settle(&leases[0], fixture.delivered()).await);
    assert_eq!(fixture.ending(&lease).await, Some(Ending::DELIVERED));
}

/// Until it is acknowledged or given back. The lease continues.
pub async fn a_written_delivery_reads_sent(fixture: &Fixture) {
    let lease = fixture.leased(&fixture.challenge(&fixture.factor().await).await).await;
    fixture.pass(1);
    assert!(fixture.settle(&lease, DeliveryEvent::Written).await);
    let notification = fixture.notification(&lease).await;
    let (node, until) = (lease.node, lease.until);
    let written = DeliveryState::Leased { node, until, written: true };
    assert_eq!(notification.delivery, Some((written, 0)));
    assert_eq!((notification.ending, notification.updated_at), (None, fixture.now()));
    assert!(fixture.prospect(&lease).await.lease_holds);
    let park = fixture.attempted(Outcome::Unacknowledged, AfterAttempt::Park);
    assert!(fixture.settle(&lease, park).await);
    let delivery = fixture.notification(&lease).await.delivery;
    assert_eq!(delivery, Some((DeliveryState::Parked, 1)));
}

/// Another node may have sent or ended it.
pub async fn of_a_lost_lease_only_the_attempt_is_recorded(fixture: &Fixture) {
    let factor = Factor { address: fixture.make.fcm_address(), ..fixture.factor().await };
    let change = FactorChange { address: Some(factor.address.clone()), ..FactorChange::default() };
    let entity = factor.owner.entity;
    fixture.store.update_factor(entity, factor.sid, &change, fixture.now()).await.unwrap();
    let challenge = fixture.challenge(&factor).await;
    let parked = fixture.parked(&challenge).await;
    let lost = fixture.leased(&challenge).await;
    fixture.pass(30);
    assert_eq!(fixture.store.rescue(fixture.now(), 10).await, Ok(1));
    let held = fixture.lease_due(10).await[0];
    fixture.pass(1);

    assert!(!fixture.settle(&lost, DeliveryEvent::Written).await);
    assert!(!fixture.settle(&lost, DeliveryEvent::Ended(Ending::EXPIRED)).await);
    let forget = Some((factor.address.clone(), fixture.later(1)));
    for after in [
        AfterAttempt::Done(Ending::DELIVERED),
        AfterAttempt::Park,
        AfterAttempt::Retry { at: fixture.later(1) },
    ] {
        let record = fixture.record(Outcome::Gone { since: None });
        let what = DeliveryEvent::Attempted { record, after, forget: forget.clone() };
        assert!(!fixture.settle(&lost, what).await);
    }
    let notification = fixture.notification(&lost).await;
    let (node, until) = (held.node, held.until);
    let state = DeliveryState::Leased { node, until, written: false };
    assert_eq!((notification.delivery, notification.ending), (Some((state, 0)), None));
    assert_eq!(notification.attempts.len(), 3);
    assert_eq!(fixture.ending(&parked).await, None);
    assert_eq!(fixture.stored(&factor).await.unwrap().address, factor.address);
    assert!(fixture.settle(&held, fixture.delivered()).await);
    assert_eq!(fixture.notification(&lost).await.attempts.len(), 4);

    // An outcome that waited for the database is older than the ending, and does not change its time.
    let at = fixture.now();
    fixture.pass(9);
    let record = fixture.record(Outcome::Acknowledged);
    let what = DeliveryEvent::Attempted {
        record,
        after: AfterAttempt::Done(Ending::DELIVERED),
        forget: None,
    };
    let late = Settled { lease: lost, event: what.clone(), at: fixture.now() };
    assert_eq!(fixture.store.settle(&[late]).await.map(|done| done.lost.len()), Ok(1));
    let ended = fixture.notification(&lost).await.updated_at;
    let late = Settled { lease: lost, event: what, at };
    assert_eq!(fixture.store.settle(&[late]).await.map(|done| done.lost.len()), Ok(1));
    assert_eq!(fixture.notification(&lost).await.updated_at, ended);
}

/// The others are written.
pub async fn the_lost_leases_of_a_slice_are_named(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let mut settled = Vec::new();
    for _ in 0..4 {
        let lease = fixture.leased(&challenge).await;
        settled.push(Settled { lease, event: fixture.delivered(), at: fixture.now() });
    }
    settled[1].lease.node = fixture.make.other_node();
    settled[2].lease.until = fixture.later(29);
    let lost = fixture.store.settle(&settled).await.unwrap().lost;
    let name = |at: usize| settled[at].lease.delivery.notification;
    assert_eq!(lost, [name(1), name(2)]);
    for (at, ending) in
        [(0, Some(Ending::DELIVERED)), (1, None), (2, None), (3, Some(Ending::DELIVERED))]
    {
        assert_eq!(fixture.ending(&settled[at].lease).await, ending);
    }
    assert_eq!(fixture.store.settle(&[]).await, Ok(Settlement::default()));
}

/// Not newer ones, not those of other challenges, and not due or leased ones.
pub async fn a_delivered_notification_supersedes_older_parked_ones(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (challenge, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let (first, due) = (fixture.parked(&challenge).await, fixture.due(&challenge).await);
    let second = fixture.parked(&challenge).await;
    let lease = fixture.leased(&challenge).await;
    let (newer, foreign) = (fixture.parked(&challenge).await, fixture.parked(&other).await);
    fixture.pass(1);
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    for older in [&first, &second] {
        let notification = fixture.notification(older).await;
        assert_eq!(notification.ending, Some(Ending::cancelled(StatusReason::Superseded)));
        assert_eq!((notification.delivery, notification.updated_at), (None, fixture.now()));
    }
    for untouched in [&due, &newer, &foreign] {
        assert_eq!(fixture.ending(untouched).await, None);
    }
}

/// After `sent` the device may not have the notification.
pub async fn a_sent_notification_supersedes_nothing(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let older = fixture.parked(&challenge).await;
    let lease = fixture.leased(&challenge).await;
    let after = AfterAttempt::Done(Ending::SENT);
    assert!(fixture.settle(&lease, fixture.attempted(Outcome::Accepted, after)).await);
    assert_eq!(fixture.ending(&older).await, None);
}

/// It has no row, so its lease cannot be lost.
pub async fn a_ttl_of_zero_ends_once(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let older = fixture.parked(&challenge).await;
    let once =
        || async { fixture.notify(&challenge, 0, InitialState::Immediate).await.lease().unwrap() };
    let failed = Ending::failed(StatusReason::DeviceOffline, ErrorCode::NO_DESTINATION);
    let done = |ending| fixture.attempted(Outcome::Offline, AfterAttempt::Done(ending));

    let lease = once().await;
    assert!(fixture.settle(&lease, done(failed)).await);
    assert_eq!(fixture.ending(&lease).await, Some(failed));
    for late in [Ending::SENT, Ending::DELIVERED, Ending::EXPIRED] {
        fixture.settle(&lease, done(late)).await;
        assert_eq!(fixture.ending(&lease).await, Some(failed));
    }
    assert_eq!(fixture.notification(&lease).await.attempts.len(), 4);

    let lease = once().await;
    assert!(fixture.settle(&lease, DeliveryEvent::Ended(Ending::NOT_ATTEMPTED)).await);
    assert_eq!(fixture.ending(&lease).await, Some(Ending::NOT_ATTEMPTED));
    assert_eq!(fixture.notification(&lease).await.attempts, []);
    assert_eq!(fixture.notification(&older).await.delivery.unwrap().0, DeliveryState::Parked);
}

/// No other change may follow an ending.
pub async fn a_ttl_of_zero_may_go_from_sent_to_delivered(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let older = fixture.parked(&challenge).await;
    let lease = fixture.notify(&challenge, 0, InitialState::Immediate).await.lease().unwrap();
    assert!(fixture.settle(&lease, DeliveryEvent::Written).await);
    assert_eq!(fixture.notification(&lease).await.current(lease.node), Ending::SENT);
    let unacknowledged = AfterAttempt::Done(Ending::SENT);
    let what = fixture.attempted(Outcome::Unacknowledged, unacknowledged);
    assert!(fixture.settle(&lease, what).await);
    assert_eq!(fixture.ending(&lease).await, Some(Ending::SENT));
    let what = fixture.attempted(
        Outcome::Refused { breaks_credential: false },
        AfterAttempt::Done(Ending::EXPIRED),
    );
    fixture.settle(&lease, what).await;
    assert_eq!(fixture.ending(&lease).await, Some(Ending::SENT));
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    assert_eq!(fixture.ending(&lease).await, Some(Ending::DELIVERED));
    assert_eq!(fixture.ending(&older).await, Some(Ending::cancelled(StatusReason::Superseded)));
    fixture.settle(&lease, fixture.attempted(Outcome::Accepted, unacknowledged)).await;
    assert_eq!(fixture.ending(&lease).await, Some(Ending::DELIVERED));
}

async fn gone(fixture: &Fixture, lease: &Lease, address: &Address, before: Instant) {
    let ending = Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION);
    let what = DeliveryEvent::Attempted {
        record: fixture.record(Outcome::Gone { since: Some(before) }),
        after: AfterAttempt::Done(ending),
        forget: Some((address.clone(), before)),
    };
    assert!(fixture.settle(lease, what).await);
    assert_eq!(fixture.ending(lease).await, Some(ending));
}

/// The factor keeps its platform and cannot be reached.
pub async fn a_dead_address_is_forgotten(fixture: &Fixture) {
    let owner = fixture.factor().await.owner;
    let factor = Factor { address: fixture.make.fcm_address(), ..fixture.make.factor(&owner) };
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let lease = fixture.leased(&fixture.challenge(&factor).await).await;
    fixture.pass(1);
    gone(fixture, &lease, &factor.address, fixture.now()).await;
    let address = fixture.stored(&factor).await.unwrap().address;
    assert_eq!(address.platform(), factor.address.platform());
    assert!(address.token().is_none() && !address.can_be_reached());
}

/// The push service reported another address, or a time before the registration.
pub async fn an_address_registered_since_is_not_forgotten(fixture: &Fixture) {
    let owner = fixture.factor().await.owner;
    let old = fixture.make.fcm_address();
    let factor = Factor { address: old.clone(), ..fixture.make.factor(&owner) };
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let challenge = fixture.challenge(&factor).await;
    let address = async || fixture.stored(&factor).await.unwrap().address;

    // Registered at the time of the report.
    gone(fixture, &fixture.leased(&challenge).await, &old, factor.updated_at).await;
    assert_eq!(address().await, old);

    // Registered again after the report.
    fixture.pass(10);
    let again = FactorChange { address: Some(old.clone()), ..FactorChange::default() };
    fixture.store.update_factor(owner.entity, factor.sid, &again, fixture.now()).await.unwrap();
    let lease = fixture.leased(&challenge).await;
    gone(fixture, &lease, &old, fixture.now() - Duration::from_secs(1)).await;
    assert_eq!(address().await, old);

    // Another address is registered.
    let new = fixture.make.fcm_address();
    let moved = FactorChange { address: Some(new.clone()), ..FactorChange::default() };
    fixture.store.update_factor(owner.entity, factor.sid, &moved, fixture.now()).await.unwrap();
    gone(fixture, &fixture.leased(&challenge).await, &old, fixture.later(60)).await;
    assert_eq!(address().await, new);
}
