//! What becomes of leased deliveries.

use std::time::Duration;

use countersign_domain::address::Address;
use countersign_domain::delivery::{After, Birth, DeliveryState, Happening, Lease};
use countersign_domain::delivery::{Outcome, Settled};
use countersign_domain::factor::{Factor, FactorChange};
use countersign_domain::notification::{Code, Ending, Reason};
use countersign_domain::time::Instant;

use super::stage::Stage;
use crate::seam::{Enrolled, Settlement};

/// Its row goes, the attempt and the ending are kept.
pub async fn an_ending_is_kept_with_its_attempt(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    for ending in [
        Ending::SENT,
        Ending::DELIVERED,
        Ending::EXPIRED,
        Ending::failed(Reason::AddressGone, Code::NO_DESTINATION),
        Ending::cancelled(Reason::FactorGone),
    ] {
        let lease = stage.leased(&challenge).await;
        stage.pass(1);
        let mut record = stage.record(Outcome::Accepted);
        record.provider_status = Some(410);
        record.provider_reason = Some("Unregistered\n„ü“".to_owned());
        record.code = Some(Code::NO_DESTINATION);
        let after = After::Done(ending);
        let what = Happening::Attempted { record: record.clone(), after, forget: None };
        assert!(stage.settle(&lease, what).await);
        let notification = stage.notification(&lease).await;
        assert_eq!(notification.ending, Some(ending));
        assert_eq!(notification.attempts, [record]);
        assert_eq!((notification.delivery, notification.updated_at), (None, stage.now()));
        assert!(!stage.prospect(&lease).await.lease_holds);
    }
}

/// It ends, and no attempt is recorded.
pub async fn a_delivery_can_end_without_an_attempt(stage: &Stage) {
    let lease = stage.leased(&stage.challenge(&stage.factor().await).await).await;
    let cancelled = Ending::cancelled(Reason::Answered);
    assert!(stage.settle(&lease, Happening::Ended(cancelled)).await);
    let notification = stage.notification(&lease).await;
    assert_eq!((notification.ending, notification.delivery), (Some(cancelled), None));
    assert_eq!(notification.attempts, []);
}

/// Not before that, and one attempt richer.
pub async fn a_retry_is_due_at_its_time(stage: &Stage) {
    let lease = stage.leased(&stage.challenge(&stage.factor().await).await).await;
    let retry = After::Retry { at: stage.later(4) };
    let (at, first) = (stage.later(4), stage.attempted(Outcome::Later { not_before: None }, retry));
    assert!(stage.settle(&lease, first.clone()).await);
    assert!(!stage.settle(&lease, first).await);
    let notification = stage.notification(&lease).await;
    assert_eq!(notification.delivery, Some((DeliveryState::Due { at }, 1)));
    assert_eq!((notification.ending, notification.attempts.len()), (None, 2));
    assert_eq!(stage.store.next_due().await, Ok(Some(at)));
    stage.pass(3);
    assert_eq!(stage.lease_due(10).await, []);
    stage.pass(1);
    let leases = stage.lease_due(10).await;
    assert_eq!(leases[0].delivery.attempts, 1);
    assert!(stage.settle(&leases[0], stage.delivered()).await);
    let outcomes: Vec<_> =
        stage.notification(&lease).await.attempts.into_iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, ["later", "later", "acknowledged"]);
}

/// It waits for its device, and is nobody's.
pub async fn a_parked_delivery_waits_for_its_device(stage: &Stage) {
    let factor = stage.factor().await;
    let lease = stage.leased(&stage.challenge(&factor).await).await;
    assert!(stage.settle(&lease, stage.attempted(Outcome::Offline, After::Park)).await);
    let notification = stage.notification(&lease).await;
    assert_eq!(notification.delivery, Some((DeliveryState::Parked, 1)));
    stage.pass(60);
    assert_eq!(
        (stage.lease_due(10).await, stage.store.rescue(stage.now(), 10).await),
        (vec![], Ok(0))
    );
    let (now, until) = (stage.now(), stage.later(30));
    let leases =
        stage.store.lease_parked(factor.sid, stage.make.node, now, until, 10).await.unwrap();
    assert_eq!(leases[0].delivery.attempts, 1);
    assert!(!stage.settle(&lease, stage.delivered()).await);
    assert!(stage.settle(&leases[0], stage.delivered()).await);
    assert_eq!(stage.ending(&lease).await, Some(Ending::DELIVERED));
}

/// Until it is acknowledged or given back; the lease runs on.
pub async fn what_was_written_stands_at_sent(stage: &Stage) {
    let lease = stage.leased(&stage.challenge(&stage.factor().await).await).await;
    stage.pass(1);
    assert!(stage.settle(&lease, Happening::Written).await);
    let notification = stage.notification(&lease).await;
    let (node, until) = (lease.node, lease.until);
    let written = DeliveryState::Leased { node, until, written: true };
    assert_eq!(notification.delivery, Some((written, 0)));
    assert_eq!((notification.ending, notification.updated_at), (None, stage.now()));
    assert!(stage.prospect(&lease).await.lease_holds);
    let park = stage.attempted(Outcome::Unacknowledged, After::Park);
    assert!(stage.settle(&lease, park).await);
    let delivery = stage.notification(&lease).await.delivery;
    assert_eq!(delivery, Some((DeliveryState::Parked, 1)));
}

/// By then it may have been sent, or ended, by somebody else.
pub async fn of_a_lost_lease_only_the_attempt_is_recorded(stage: &Stage) {
    let factor = Factor { address: stage.make.fcm_address(), ..stage.factor().await };
    let change = FactorChange { address: Some(factor.address.clone()), ..FactorChange::default() };
    let entity = factor.owner.entity;
    stage.store.update_factor(entity, factor.sid, &change, stage.now()).await.unwrap();
    let challenge = stage.challenge(&factor).await;
    let parked = stage.parked(&challenge).await;
    let lost = stage.leased(&challenge).await;
    stage.pass(30);
    assert_eq!(stage.store.rescue(stage.now(), 10).await, Ok(1));
    let held = stage.lease_due(10).await[0];
    stage.pass(1);

    assert!(!stage.settle(&lost, Happening::Written).await);
    assert!(!stage.settle(&lost, Happening::Ended(Ending::EXPIRED)).await);
    let forget = Some((factor.address.clone(), stage.later(1)));
    for after in [After::Done(Ending::DELIVERED), After::Park, After::Retry { at: stage.later(1) }]
    {
        let record = stage.record(Outcome::Gone { since: None });
        let what = Happening::Attempted { record, after, forget: forget.clone() };
        assert!(!stage.settle(&lost, what).await);
    }
    let notification = stage.notification(&lost).await;
    let (node, until) = (held.node, held.until);
    let state = DeliveryState::Leased { node, until, written: false };
    assert_eq!((notification.delivery, notification.ending), (Some((state, 0)), None));
    assert_eq!(notification.attempts.len(), 3);
    assert_eq!(stage.ending(&parked).await, None);
    assert_eq!(stage.stored(&factor).await.unwrap().address, factor.address);
    assert!(stage.settle(&held, stage.delivered()).await);
    assert_eq!(stage.notification(&lost).await.attempts.len(), 4);

    // a result that was kept while the database was away is older than the end, and does not move that back
    let at = stage.now();
    stage.pass(9);
    let record = stage.record(Outcome::Acknowledged);
    let what = Happening::Attempted { record, after: After::Done(Ending::DELIVERED), forget: None };
    let late = Settled { lease: lost, what: what.clone(), at: stage.now() };
    assert_eq!(stage.store.settle(&[late]).await.map(|done| done.lost.len()), Ok(1));
    let ended = stage.notification(&lost).await.updated_at;
    let late = Settled { lease: lost, what, at };
    assert_eq!(stage.store.settle(&[late]).await.map(|done| done.lost.len()), Ok(1));
    assert_eq!(stage.notification(&lost).await.updated_at, ended);
}

/// And the others are written.
pub async fn the_lost_leases_of_a_slice_are_named(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let mut settled = Vec::new();
    for _ in 0..4 {
        let lease = stage.leased(&challenge).await;
        settled.push(Settled { lease, what: stage.delivered(), at: stage.now() });
    }
    settled[1].lease.node = stage.make.other_node();
    settled[2].lease.until = stage.later(29);
    let lost = stage.store.settle(&settled).await.unwrap().lost;
    let name = |at: usize| settled[at].lease.delivery.notification;
    assert_eq!(lost, [name(1), name(2)]);
    for (at, ending) in
        [(0, Some(Ending::DELIVERED)), (1, None), (2, None), (3, Some(Ending::DELIVERED))]
    {
        assert_eq!(stage.ending(&settled[at].lease).await, ending);
    }
    assert_eq!(stage.store.settle(&[]).await, Ok(Settlement::default()));
}

/// Not the newer ones, not those of other challenges, and not what is due or leased.
pub async fn a_delivered_notification_supersedes_older_parked_ones(stage: &Stage) {
    let factor = stage.factor().await;
    let (challenge, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    let (first, due) = (stage.parked(&challenge).await, stage.due(&challenge).await);
    let second = stage.parked(&challenge).await;
    let lease = stage.leased(&challenge).await;
    let (newer, foreign) = (stage.parked(&challenge).await, stage.parked(&other).await);
    stage.pass(1);
    assert!(stage.settle(&lease, stage.delivered()).await);
    for older in [&first, &second] {
        let notification = stage.notification(older).await;
        assert_eq!(notification.ending, Some(Ending::cancelled(Reason::Superseded)));
        assert_eq!((notification.delivery, notification.updated_at), (None, stage.now()));
    }
    for untouched in [&due, &newer, &foreign] {
        assert_eq!(stage.ending(untouched).await, None);
    }
}

/// An ending that is merely `sent` says nothing about what the device has.
pub async fn a_sent_notification_supersedes_nothing(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let older = stage.parked(&challenge).await;
    let lease = stage.leased(&challenge).await;
    let after = After::Done(Ending::SENT);
    assert!(stage.settle(&lease, stage.attempted(Outcome::Accepted, after)).await);
    assert_eq!(stage.ending(&older).await, None);
}

/// With no row to lose, it is settled whoever holds it.
pub async fn a_ttl_of_zero_ends_once(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let older = stage.parked(&challenge).await;
    let once = || async { stage.notify(&challenge, 0, Birth::Immediate).await.lease().unwrap() };
    let failed = Ending::failed(Reason::DeviceOffline, Code::NO_DESTINATION);
    let done = |ending| stage.attempted(Outcome::Offline, After::Done(ending));

    let lease = once().await;
    assert!(stage.settle(&lease, done(failed)).await);
    assert_eq!(stage.ending(&lease).await, Some(failed));
    for late in [Ending::SENT, Ending::DELIVERED, Ending::EXPIRED] {
        stage.settle(&lease, done(late)).await;
        assert_eq!(stage.ending(&lease).await, Some(failed));
    }
    assert_eq!(stage.notification(&lease).await.attempts.len(), 4);

    let lease = once().await;
    assert!(stage.settle(&lease, Happening::Ended(Ending::NOT_ATTEMPTED)).await);
    assert_eq!(stage.ending(&lease).await, Some(Ending::NOT_ATTEMPTED));
    assert_eq!(stage.notification(&lease).await.attempts, []);
    assert_eq!(stage.notification(&older).await.delivery.unwrap().0, DeliveryState::Parked);
}

/// And nothing else may follow an ending.
pub async fn a_ttl_of_zero_may_go_from_sent_to_delivered(stage: &Stage) {
    let challenge = stage.challenge(&stage.factor().await).await;
    let older = stage.parked(&challenge).await;
    let lease = stage.notify(&challenge, 0, Birth::Immediate).await.lease().unwrap();
    assert!(stage.settle(&lease, Happening::Written).await);
    assert_eq!(stage.notification(&lease).await.standing(lease.node), Ending::SENT);
    let unacknowledged = After::Done(Ending::SENT);
    let what = stage.attempted(Outcome::Unacknowledged, unacknowledged);
    assert!(stage.settle(&lease, what).await);
    assert_eq!(stage.ending(&lease).await, Some(Ending::SENT));
    let what = stage
        .attempted(Outcome::Refused { breaks_credential: false }, After::Done(Ending::EXPIRED));
    stage.settle(&lease, what).await;
    assert_eq!(stage.ending(&lease).await, Some(Ending::SENT));
    assert!(stage.settle(&lease, stage.delivered()).await);
    assert_eq!(stage.ending(&lease).await, Some(Ending::DELIVERED));
    assert_eq!(stage.ending(&older).await, Some(Ending::cancelled(Reason::Superseded)));
    stage.settle(&lease, stage.attempted(Outcome::Accepted, unacknowledged)).await;
    assert_eq!(stage.ending(&lease).await, Some(Ending::DELIVERED));
}

async fn gone(stage: &Stage, lease: &Lease, address: &Address, before: Instant) {
    let ending = Ending::failed(Reason::AddressGone, Code::NO_DESTINATION);
    let what = Happening::Attempted {
        record: stage.record(Outcome::Gone { since: Some(before) }),
        after: After::Done(ending),
        forget: Some((address.clone(), before)),
    };
    assert!(stage.settle(lease, what).await);
    assert_eq!(stage.ending(lease).await, Some(ending));
}

/// The factor keeps its platform and can no longer be reached.
pub async fn a_dead_address_is_forgotten(stage: &Stage) {
    let owner = stage.factor().await.owner;
    let factor = Factor { address: stage.make.fcm_address(), ..stage.make.factor(&owner) };
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let lease = stage.leased(&stage.challenge(&factor).await).await;
    stage.pass(1);
    gone(stage, &lease, &factor.address, stage.now()).await;
    let address = stage.stored(&factor).await.unwrap().address;
    assert_eq!(address.platform(), factor.address.platform());
    assert!(address.token().is_none() && !address.can_be_reached());
}

/// The push service spoke of another one, or of a time before the device came back.
pub async fn an_address_registered_since_is_not_forgotten(stage: &Stage) {
    let owner = stage.factor().await.owner;
    let old = stage.make.fcm_address();
    let factor = Factor { address: old.clone(), ..stage.make.factor(&owner) };
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let challenge = stage.challenge(&factor).await;
    let address = async || stage.stored(&factor).await.unwrap().address;

    // as old as the word of the push service
    gone(stage, &stage.leased(&challenge).await, &old, factor.updated_at).await;
    assert_eq!(address().await, old);

    // registered again, and the word is older
    stage.pass(10);
    let again = FactorChange { address: Some(old.clone()), ..FactorChange::default() };
    stage.store.update_factor(owner.entity, factor.sid, &again, stage.now()).await.unwrap();
    let lease = stage.leased(&challenge).await;
    gone(stage, &lease, &old, stage.now() - Duration::from_secs(1)).await;
    assert_eq!(address().await, old);

    // another address by now
    let new = stage.make.fcm_address();
    let moved = FactorChange { address: Some(new.clone()), ..FactorChange::default() };
    stage.store.update_factor(owner.entity, factor.sid, &moved, stage.now()).await.unwrap();
    gone(stage, &stage.leased(&challenge).await, &old, stage.later(60)).await;
    assert_eq!(address().await, new);
}
