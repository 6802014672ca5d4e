//! Cleaning, and the checks of the database itself.

use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::factor::Factor;
use countersign_domain::factor::{FactorStatus, UNVERIFIED_FOR};
use countersign_domain::service::Service;
use countersign_domain::text::Identity;
use tokio::task::JoinSet;

use super::fixture::Fixture;
use super::webhook_fixture::{TAKEN, hook, lease, settle};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Inserted, Retention};

const KEPT: Retention = Retention { challenges: Duration::from_secs(30 * 24 * 60 * 60) };

/// Cleans by threes until nothing is left to do. Returns how many rows were removed.
pub(super) async fn clean_all(fixture: &Fixture) -> usize {
    let mut removed = 0;
    loop {
        let rows = fixture.store.clean(fixture.now(), KEPT, 3).await.unwrap();
        assert!(rows <= 3);
        removed += rows;
        if rows < 3 {
            break;
        }
    }
    assert_eq!(fixture.store.clean(fixture.now(), KEPT, 100).await, Ok(0));
    removed
}

/// Stores two factors with two challenges of three notifications each: at least 18 rows.
async fn furnish(fixture: &Fixture, service: &Service, identity: &Identity) -> Vec<Factor> {
    let mut factors = Vec::new();
    for _ in 0..2 {
        let factor = fixture.factor_of(service, identity).await;
        for _ in 0..2 {
            let challenge = fixture.challenge(&factor).await;
            fixture.leased(&challenge).await;
            fixture.due(&challenge).await;
            fixture.parked(&challenge).await;
        }
        factors.push(factor);
    }
    factors
}

/// In batches of at most the given size. Everything else stays.
pub async fn everything_below_a_deleted_entity_is_removed(fixture: &Fixture) {
    let service = fixture.service().await;
    let (identity, other) = (fixture.make.identity(), fixture.make.identity());
    furnish(fixture, &service, &identity).await;
    let kept = furnish(fixture, &service, &other).await;
    assert_eq!(clean_all(fixture).await, 0);
    let deleted = fixture.store.delete_entity(service.sid, &identity, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    let again = fixture.factor_of(&service, &identity).await;
    assert!(clean_all(fixture).await >= 18);
    assert_eq!(fixture.stored(&again).await, Some(again));
    for factor in kept {
        let found = fixture.stored(&factor).await;
        assert_eq!(found, Some(factor));
    }
    assert_eq!(fixture.lease_due(100).await.len(), 4);
}

/// Including its webhooks, integrations and access tokens.
pub async fn everything_below_a_deleted_service_is_removed(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    for service in [&service, &other] {
        for _ in 0..2 {
            let identity = fixture.make.identity();
            furnish(fixture, service, &identity).await;
            let token = fixture.make.access_token(service, &identity);
            assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
            let webhook = fixture.make.webhook(service);
            assert_eq!(fixture.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
            let made = fixture.make.integration(service);
            assert_eq!(fixture.store.create_integration(&made, 0).await, Ok(Inserted::Done));
        }
    }
    assert_eq!(fixture.store.delete_service(service.sid, fixture.now()).await, Ok(true));
    assert!(clean_all(fixture).await >= 2 * (18 + 4));
    let page = fixture.store.webhooks(other.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let page = fixture.store.integrations(other.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items.len(), 2);
    assert_eq!(fixture.lease_due(100).await.len(), 8);
}

/// A day after its creation, and not a second before.
pub async fn a_factor_left_unverified_is_removed(fixture: &Fixture) {
    let owner = fixture.factor().await.owner;
    let factor = Factor { status: FactorStatus::Unverified, ..fixture.make.factor(&owner) };
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    fixture.make.clock.advance(UNVERIFIED_FOR - Duration::from_secs(1));
    assert_eq!(clean_all(fixture).await, 0);
    assert!(fixture.stored(&factor).await.is_some());
    fixture.pass(1);
    assert_eq!(clean_all(fixture).await, 1);
    assert_eq!(fixture.stored(&factor).await, None);
    let left = fixture.store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(left.items.len(), 1);
}

/// Used or unused.
pub async fn an_expired_access_token_is_removed(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let (used, unused) = (
        fixture.make.access_token(&service, &identity),
        fixture.make.access_token(&service, &identity),
    );
    for token in [&used, &unused] {
        assert_eq!(fixture.store.create_access_token(token).await, Ok(Inserted::Done));
    }
    let owner = fixture.make.entity(&service, &identity).owner;
    let enrolled = fixture.enrol(&fixture.make.factor(&owner), Some(used.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(owner.entity));
    fixture.pass(59);
    assert_eq!(clean_all(fixture).await, 0);
    fixture.pass(1);
    assert_eq!(clean_all(fixture).await, 2);
    for token in [used, unused] {
        assert_eq!(fixture.store.access_token(service.sid, token.sid).await, Ok(None));
    }
}

/// With its notifications. Younger challenges stay.
pub async fn a_challenge_is_removed_after_the_retention(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (old, young) = (fixture.challenge(&factor).await, async {
        fixture.pass(60);
        fixture.challenge(&factor).await
    });
    let lease = fixture.leased(&old).await;
    assert!(fixture.settle(&lease, fixture.delivered()).await);
    let parked = fixture.parked(&old).await;
    let young = young.await;
    let sent = fixture.leased(&young).await;
    fixture.make.clock.set(old.created_at + KEPT.challenges);
    assert_eq!(clean_all(fixture).await, 0);
    fixture.pass(1);
    assert!(clean_all(fixture).await >= 3);
    assert_eq!(fixture.challenge_now(&old).await, None);
    for sid in [lease.delivery.notification, parked.delivery.notification] {
        assert_eq!(fixture.store.notification(old.sid, sid).await, Ok(None));
    }
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(0));
    assert_eq!(fixture.challenge_now(&young).await, Some(young));
    assert_eq!(fixture.notification(&sent).await.attempts, []);
}

/// Neither an open challenge nor its deliveries.
pub async fn nothing_open_is_removed_whatever_the_retention_is(fixture: &Fixture) {
    const NONE: Retention = Retention { challenges: Duration::ZERO };
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let leased = fixture.leased(&challenge).await;
    let (due, parked) = (fixture.due(&challenge).await, fixture.parked(&challenge).await);
    let left = challenge.expires_at.since(fixture.now());
    for pause in [Duration::ZERO, left / 2, left / 2] {
        fixture.make.clock.advance(pause);
        assert_eq!(fixture.store.clean(fixture.now(), NONE, 100).await, Ok(0));
        assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge.clone()));
        for sid in [&leased.delivery, &due.delivery, &parked.delivery].map(|one| one.notification) {
            let found = fixture.store.notification(challenge.sid, sid).await.unwrap();
            assert!(found.is_some(), "{sid}");
        }
    }
    assert!(
        fixture.store.rescue(fixture.now(), 10).await.unwrap() == 1,
        "it is still to be delivered"
    );
    fixture.make.clock.advance(Retention::LEAST);
    assert!(fixture.store.clean(fixture.now(), NONE, 100).await.unwrap() >= 4);
    assert_eq!(fixture.challenge_now(&challenge).await, None);
}

/// At the retention and with a deleted entity; also a call that was taken after the removal of its challenge.
pub async fn a_taken_call_is_removed_with_its_challenge(fixture: &Fixture) {
    let service = fixture.service().await;
    for _ in 0..2 {
        hook(fixture, &service).await;
    }
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let taken = async || {
        let calls = lease(fixture).await;
        assert_eq!(calls.len(), 2);
        for call in &calls {
            assert!(settle(fixture, call, TAKEN).await);
        }
    };
    let kept = async |challenge: &Challenge| {
        fixture.store.taken_calls(challenge.sid, 10).await.unwrap().len()
    };
    taken().await;
    let old = fixture.challenge(&factor).await;
    fixture.answer(&old).await;
    taken().await;
    fixture.pass(60);
    let young = fixture.challenge(&factor).await;
    fixture.answer(&young).await;
    taken().await;
    fixture.make.clock.set(old.created_at + KEPT.challenges + Duration::from_secs(1));
    assert!(clean_all(fixture).await >= 3);
    assert_eq!((kept(&old).await, kept(&young).await), (0, 2));
    let last = fixture.challenge(&factor).await;
    fixture.answer(&last).await;
    let entity = factor.owner;
    let deleted =
        fixture.store.delete_entity(entity.service, &entity.identity, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    assert!(clean_all(fixture).await >= 4);
    assert_eq!((kept(&young).await, fixture.challenge_now(&last).await), (0, None));
    taken().await;
    assert_eq!(kept(&last).await, 2);
    fixture.make.clock.advance(KEPT.challenges + Duration::from_secs(2 * 24 * 60 * 60));
    clean_all(fixture).await;
    assert_eq!(kept(&last).await, 0);
}

/// Only the record of the attempt is lost.
pub async fn settling_a_removed_delivery_is_a_lost_lease(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let lease = fixture.leased(&challenge).await;
    let owner = &factor.owner;
    fixture.store.delete_entity(owner.service, &owner.identity, fixture.now()).await.unwrap();
    assert!(clean_all(fixture).await > 0);
    let prospect = fixture.prospect(&lease).await;
    assert!(!prospect.lease_holds && prospect.challenge.is_none() && prospect.factor.is_none());
    assert!(!fixture.settle(&lease, fixture.delivered()).await);
}

/// Each time.
pub async fn a_working_store_passes_its_checks(fixture: &Fixture) {
    for _ in 0..3 {
        assert_eq!(fixture.store.check().await, Ok(()));
        assert_eq!(fixture.store.is_writable().await, Ok(()));
    }
}

/// A later command gets the stored value.
pub async fn the_first_key_check_is_kept(fixture: &Fixture) {
    let mut nodes = JoinSet::new();
    for node in 0..4 {
        let store = fixture.store.clone();
        nodes.spawn(async move { store.key_check([node; 32]).await.unwrap() });
    }
    let mut kept = nodes.join_all().await;
    kept.dedup();
    assert_eq!(kept.len(), 1);
    assert_eq!(fixture.store.key_check([9; 32]).await, Ok(kept[0]));
}

/// Each command has its own result, whatever the others of its batch return.
pub async fn a_failing_command_fails_alone(fixture: &Fixture) {
    let account = fixture.account().await;
    let twin = fixture.make.service(&account);
    let mut callers = JoinSet::new();
    for number in 0..60 {
        let (store, expected, service) = match number % 3 {
            0 => (fixture.store.clone(), Inserted::Done, fixture.make.service(&account)),
            1 => {
                let nobody = fixture.make.account();
                (fixture.store.clone(), Inserted::NoParent, fixture.make.service(&nobody))
            }
            _ => (fixture.store.clone(), Inserted::NotUnique, twin.clone()),
        };
        callers.spawn(async move { (store.create_service(&service).await.unwrap(), expected) });
    }
    let mut outcomes = callers.join_all().await;
    outcomes.retain(|(outcome, expected)| outcome != expected);
    // Of two equal commands, one is the first.
    assert_eq!(outcomes, [(Inserted::Done, Inserted::NotUnique)]);
    let stored = fixture.store.services(account.sid, PageQuery::first(100)).await.unwrap();
    assert_eq!(stored.items.len(), 21);
}
