//! Deliveries: their leases and wake-up times. Their outcomes are in [`super::settling`].

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::challenge::{Challenge, ChallengeState, MAX_LIFETIME};
use countersign_domain::delivery::{DeliveryState, InitialState, Lease};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::FactorChange;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::{ChallengeFacts, Prospect};
use countersign_domain::sid::NotificationSid;
use tokio::task::JoinSet;

use super::fixture::Fixture;
use crate::seam::{LogoChange, Opened, Updated};

fn sids(leases: &[Lease]) -> Vec<NotificationSid> {
    leases.iter().map(|lease| lease.delivery.notification).collect()
}

/// Until it ends or is given back.
pub async fn a_lease_is_held_by_one_worker(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let new = fixture.due(&challenge).await;
    let leases = fixture.lease_due(10).await;
    let lease = Lease { delivery: new.delivery, node: fixture.make.node, until: fixture.later(30) };
    assert_eq!(leases, [lease]);
    assert_eq!(fixture.lease_due(10).await, []);
    assert!(fixture.prospect(&lease).await.lease_holds);
    let state = DeliveryState::Leased { node: lease.node, until: lease.until, written: false };
    assert_eq!(fixture.notification(&new).await.delivery, Some((state, 0)));
}

/// No delivery is leased twice.
pub async fn workers_who_lease_at_once_share(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    for _ in 0..20 {
        fixture.due(&challenge).await;
    }
    let mut workers = JoinSet::new();
    for _ in 0..10 {
        let fixture = fixture.clone();
        workers.spawn(async move { sids(&fixture.lease_due(3).await) });
    }
    let mut taken = workers.join_all().await.concat();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 20);
}

/// At most as many as asked for, and none before its time.
pub async fn those_due_the_longest_are_leased_first(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(fixture.due(&challenge).await.delivery.notification);
        fixture.pass(1);
    }
    let (now, until) = (fixture.now(), fixture.later(30));
    let future = fixture.due(&challenge).await;
    fixture.make.clock.set(now - Duration::from_micros(1));
    assert_eq!(sids(&fixture.lease_due(2).await), expected[..2]);
    assert_eq!(sids(&fixture.lease_due(2).await), expected[2..]);
    assert_eq!(fixture.store.next_due().await, Ok(Some(now)));
    let leases = fixture.store.lease_due(fixture.make.node, now, until, 2).await.unwrap();
    assert_eq!(sids(&leases), [future.delivery.notification]);
}

/// Neither at the deadline nor after it.
pub async fn nothing_is_leased_past_its_deadline(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    fixture.notify(&challenge, 10, InitialState::Due).await;
    fixture.notify(&challenge, 10, InitialState::Parked).await;
    fixture.pass(10);
    assert_eq!(fixture.lease_due(10).await, []);
    let (now, until) = (fixture.now(), fixture.later(30));
    let parked = fixture.store.lease_parked(factor.sid, fixture.make.node, now, until, 10).await;
    assert_eq!(parked, Ok(Vec::new()));
}

/// No other worker leases it before that; then it is due again.
pub async fn a_lease_that_ran_out_is_rescued(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let held = fixture.leased(&challenge).await;
    let store = &fixture.store;
    assert_eq!((fixture.lease_due(10).await, store.next_due().await), (vec![], Ok(None)));
    fixture.pass(29);
    assert_eq!(store.rescue(fixture.now(), 10).await, Ok(0));
    fixture.pass(1);
    assert_eq!(store.rescue(fixture.now(), 10).await, Ok(1));
    assert_eq!(store.rescue(fixture.now(), 10).await, Ok(0));
    assert!(!fixture.prospect(&held).await.lease_holds);
    assert_eq!(store.next_due().await, Ok(Some(fixture.now())));
    let state = DeliveryState::Due { at: fixture.now() };
    assert_eq!(fixture.notification(&held).await.delivery, Some((state, 0)));
    let leases = fixture.lease_due(10).await;
    assert_eq!(leases.len(), 1);
    assert!(fixture.prospect(&leases[0]).await.lease_holds);
    assert!(!fixture.prospect(&held).await.lease_holds);
}

/// It can only expire.
pub async fn a_delivery_rescued_past_its_deadline_is_not_leased(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let birth = InitialState::Leased { until: fixture.later(30) };
    let new = fixture.notify(&challenge, 10, birth).await;
    fixture.pass(30);
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(0));
    assert_eq!(fixture.store.rescue(fixture.now(), 10).await, Ok(1));
    assert_eq!(fixture.lease_due(10).await, []);
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(1));
    assert_eq!(fixture.ending(&new).await, Some(Ending::NOT_ATTEMPTED));
}

/// The others wait for the next call.
pub async fn rescue_expire_and_void_take_no_more_than_asked(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let (store, other) = (&fixture.store, fixture.make.other_node());
    for _ in 0..5 {
        fixture.leased(&challenge).await;
    }
    fixture.pass(30);
    for expected in [2, 2, 1, 0] {
        assert_eq!(store.rescue(fixture.now(), 2).await, Ok(expected));
    }
    assert_eq!(fixture.lease_due(10).await.len(), 5);
    for expected in [2, 2, 1, 0] {
        assert_eq!(store.void_leases(other, fixture.now(), 2).await, Ok(expected));
    }
    for _ in 0..2 {
        fixture.parked(&challenge).await;
    }
    fixture.make.clock.set(challenge.expires_at);
    for expected in [3, 3, 1, 0] {
        assert_eq!(store.expire(fixture.now(), 3).await, Ok(expected));
    }
}

/// Even if they have not run out; the node keeps its own leases.
pub async fn the_leases_of_other_nodes_can_be_voided(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let own = fixture.leased(&challenge).await;
    let store = &fixture.store;
    assert_eq!(store.void_leases(own.node, fixture.now(), 10).await, Ok(0));
    assert!(fixture.prospect(&own).await.lease_holds);
    let other = fixture.make.other_node();
    assert_eq!(store.void_leases(other, fixture.now(), 10).await, Ok(1));
    assert!(!fixture.prospect(&own).await.lease_holds);
    assert_eq!(sids(&fixture.lease_due(10).await), [own.delivery.notification]);
}

/// Due or parked, at the instant of the deadline, with the reason for which it waited. Others continue.
pub async fn a_delivery_past_its_deadline_expires(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let due = fixture.notify(&challenge, 10, InitialState::Due).await;
    let parked = fixture.notify(&challenge, 10, InitialState::Parked).await;
    let (later, leased) = (fixture.due(&challenge).await, fixture.leased(&challenge).await);
    fixture.pass(9);
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(0));
    fixture.pass(1);
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(2));
    for (new, ending) in [(due, Ending::NOT_ATTEMPTED), (parked, Ending::DEVICE_AWAY)] {
        let notification = fixture.notification(&new).await;
        assert_eq!(notification.ending, Some(ending));
        assert_eq!((notification.delivery, notification.updated_at), (None, fixture.now()));
    }
    assert_eq!(fixture.ending(&later).await, None);
    assert!(fixture.prospect(&leased).await.lease_holds);
}

/// Only due deliveries count.
pub async fn the_next_due_is_the_earliest(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    assert_eq!(fixture.store.next_due().await, Ok(None));
    fixture.parked(&challenge).await;
    fixture.leased(&challenge).await;
    assert_eq!(fixture.store.next_due().await, Ok(None));
    fixture.pass(1);
    let first = fixture.now();
    fixture.due(&challenge).await;
    fixture.pass(1);
    fixture.due(&challenge).await;
    assert_eq!(fixture.store.next_due().await, Ok(Some(first)));
    assert_eq!(fixture.lease_due(1).await.len(), 1);
    assert_eq!(fixture.store.next_due().await, Ok(Some(fixture.now())));
}

/// Deliveries of another device of the person stay parked, and a leased one is not leased twice.
pub async fn of_each_challenge_the_newest_parked_is_leased(fixture: &Fixture) {
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let factor = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    // The deadline of the second challenge is earlier.
    let late = fixture.challenge(&factor).await;
    let early = Challenge { expires_at: fixture.later(60), ..fixture.make.challenge(&factor) };
    assert_eq!(fixture.open(&early, None).await, Opened::Done);
    fixture.parked(&fixture.challenge(&other).await).await;
    let mut newest = Vec::new();
    for challenge in [&late, &early] {
        fixture.parked(challenge).await;
        newest.push(fixture.parked(challenge).await.delivery.notification);
        fixture.due(challenge).await;
    }
    newest.reverse();
    let (store, node) = (&fixture.store, fixture.make.node);
    let (now, until) = (fixture.now(), fixture.later(30));
    let first = store.lease_parked(factor.sid, node, now, until, 1).await.unwrap();
    assert_eq!(sids(&first), newest[..1]);
    assert_eq!((first[0].node, first[0].until), (node, until));
    assert!(fixture.prospect(&first[0]).await.lease_holds);
    let rest = store.lease_parked(factor.sid, node, now, until, 10).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert!(sids(&rest).contains(&newest[1]) && !sids(&rest).contains(&newest[0]));
}

/// If the newest has passed its deadline, an older one is offered to the device.
pub async fn an_older_parked_one_is_leased_when_the_newest_is_overdue(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let older = fixture.parked(&challenge).await;
    fixture.notify(&challenge, 10, InitialState::Parked).await;
    fixture.pass(10);
    let (now, until) = (fixture.now(), fixture.later(30));
    let leases =
        fixture.store.lease_parked(factor.sid, fixture.make.node, now, until, 10).await.unwrap();
    assert_eq!(sids(&leases), [older.delivery.notification]);
}

/// Also if the challenge has the longest lifetime.
pub async fn a_parked_delivery_is_leased_until_its_challenge_expires(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let expires_at = fixture.now() + MAX_LIFETIME;
    let challenge = Challenge { expires_at, ..fixture.make.challenge(&factor) };
    assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
    let ttl = u16::try_from(MAX_LIFETIME.as_secs()).unwrap();
    let parked = fixture.notify(&challenge, ttl, InitialState::Parked).await;
    assert_eq!(parked.delivery.deadline, expires_at);
    fixture.make.clock.set(expires_at - Duration::from_micros(1));
    let (now, until) = (fixture.now(), fixture.later(30));
    let leases = fixture.store.lease_parked(factor.sid, fixture.make.node, now, until, 10).await;
    assert_eq!(sids(&leases.unwrap()), [parked.delivery.notification]);
}

/// With the state of the challenge and the factor as they are now.
pub async fn a_prospect_is_read_again(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let lease = fixture.leased(&challenge).await;
    let store = &fixture.store;
    let prospect = fixture.prospect(&lease).await;
    assert!(prospect.lease_holds);
    let message = challenge.details.message.clone().unwrap();
    let asked =
        ChallengeFacts { state: ChallengeState::Pending, message, manner: PromptManner::default() };
    assert_eq!(prospect.challenge, Some(asked));
    let target = prospect.factor.unwrap();
    let owner = &factor.owner;
    assert_eq!((target.account, target.service), (owner.account, owner.service));
    assert_eq!((target.address, target.app_id), (factor.address, factor.app_id));
    assert_eq!(target.credential, None);

    let address = Some(fixture.make.fcm_address());
    let change = FactorChange { address: address.clone(), ..FactorChange::default() };
    store.update_factor(owner.entity, factor.sid, &change, fixture.now()).await.unwrap();
    let target = fixture.prospect(&lease).await.factor.unwrap();
    assert_eq!(Some(target.address), address);
    store.delete_factor(owner.entity, factor.sid, fixture.now()).await.unwrap();
    let prospect = fixture.prospect(&lease).await;
    assert!(prospect.challenge.is_some() && prospect.factor.is_none());
}

/// Also of lost leases and deleted factors.
pub async fn prospects_are_in_the_order_of_the_leases(fixture: &Fixture) {
    assert_eq!(fixture.store.prospects(&[]).await, Ok(Vec::new()));
    let mut leases = Vec::new();
    let mut factors = Vec::new();
    for _ in 0..3 {
        let factor = fixture.factor().await;
        leases.push(fixture.leased(&fixture.challenge(&factor).await).await);
        factors.push(factor);
    }
    assert!(fixture.settle(&leases[0], fixture.delivered()).await);
    let (entity, gone) = (factors[1].owner.entity, factors[1].sid);
    fixture.store.delete_factor(entity, gone, fixture.now()).await.unwrap();
    leases.rotate_left(1);
    let prospects = fixture.store.prospects(&leases).await.unwrap();
    let found = |prospect: &Prospect| (prospect.lease_holds, prospect.factor.is_some());
    let found: Vec<_> = prospects.iter().map(found).collect();
    assert_eq!(found, [(true, false), (true, true), (false, true)]);
}

/// The credential of the factor's platform that the service names now.
pub async fn a_prospect_names_the_services_credential(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let lease = fixture.leased(&fixture.challenge(&factor).await).await;
    let store = &fixture.store;
    let mut service = store.service(factor.owner.service).await.unwrap().unwrap();
    let account = store.account(service.account).await.unwrap().unwrap();
    let (apn, fcm) = (fixture.make.credential(&account).sid, fixture.make.credential(&account).sid);
    service.settings.push.apn_credential_sid = Some(apn);
    service.settings.push.fcm_credential_sid = Some(fcm);
    let updated = store.update_service(&service, LogoChange::Keep, service.updated_at).await;
    assert_eq!(updated, Ok(Updated::Done));
    for (platform, credential) in
        [(Platform::Apn, Some(apn)), (Platform::Fcm, Some(fcm)), (Platform::Stream, None)]
    {
        let token = Some("ab".repeat(32)).filter(|_| platform != Platform::Stream);
        let address = countersign_domain::address::Address::from_stored(platform, token);
        let change = FactorChange { address: Some(address), ..FactorChange::default() };
        let (entity, now) = (factor.owner.entity, fixture.now());
        store.update_factor(entity, factor.sid, &change, now).await.unwrap();
        let target = fixture.prospect(&lease).await.factor.unwrap();
        assert_eq!((target.address.platform(), target.credential), (platform, credential));
    }
}

/// The end of a lease distinguishes it from the next lease of the same node.
pub async fn a_lease_taken_again_is_another_one(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let held = fixture.leased(&challenge).await;
    fixture.pass(30);
    assert_eq!(fixture.store.rescue(fixture.now(), 10).await, Ok(1));
    let again = fixture.lease_due(10).await;
    assert_eq!((again[0].node, again[0].delivery), (held.node, held.delivery));
    assert!(fixture.prospect(&again[0]).await.lease_holds);
    assert!(!fixture.prospect(&held).await.lease_holds);
    let foreign = Lease { node: fixture.make.other_node(), ..again[0] };
    assert!(!fixture.prospect(&foreign).await.lease_holds);
}

/// Until its notification has ended.
pub async fn the_lease_of_a_ttl_of_zero_holds_until_it_ends(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let lease = fixture.notify(&challenge, 0, InitialState::Immediate).await.lease().unwrap();
    assert!(fixture.prospect(&lease).await.lease_holds);
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    assert!(!fixture.prospect(&lease).await.lease_holds);
}

/// Also of deliveries that were due or leased when the factor was deleted.
pub async fn the_deliveries_of_a_deleted_factor_have_no_target(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let due = fixture.due(&challenge).await;
    fixture.store.delete_factor(factor.owner.entity, factor.sid, fixture.now()).await.unwrap();
    let leases = fixture.lease_due(10).await;
    assert_eq!(fixture.prospect(&leases[0]).await.factor, None);
    let gone = Ending::cancelled(StatusReason::FactorGone);
    let ended = countersign_domain::settled::DeliveryEvent::Ended(gone);
    assert!(fixture.settle(&leases[0], ended).await);
    assert_eq!(fixture.ending(&due).await, Some(gone));
}
