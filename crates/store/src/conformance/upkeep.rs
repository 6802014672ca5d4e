//! What keeps the database in shape.

use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::factor::{Factor, FactorStatus, UNVERIFIED_FOR};
use countersign_domain::service::Service;
use countersign_domain::text::Identity;
use tokio::task::JoinSet;

use super::stage::Stage;
use super::webhook_calls::{self, TAKEN};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Inserted, Retention};

const KEPT: Retention = Retention { challenges: Duration::from_secs(30 * 24 * 60 * 60) };

/// Cleans by threes until nothing is left to do; how many rows went.
async fn clean_all(stage: &Stage) -> usize {
    let mut removed = 0;
    loop {
        let rows = stage.store.clean(stage.now(), KEPT, 3).await.unwrap();
        assert!(rows <= 3);
        removed += rows;
        if rows < 3 {
            break;
        }
    }
    assert_eq!(stage.store.clean(stage.now(), KEPT, 100).await, Ok(0));
    removed
}

/// Two factors with two challenges of three notifications each: at least 18 rows.
async fn furnish(stage: &Stage, service: &Service, identity: &Identity) -> Vec<Factor> {
    let mut factors = Vec::new();
    for _ in 0..2 {
        let factor = stage.factor_of(service, identity).await;
        for _ in 0..2 {
            let challenge = stage.challenge(&factor).await;
            stage.leased(&challenge).await;
            stage.due(&challenge).await;
            stage.parked(&challenge).await;
        }
        factors.push(factor);
    }
    factors
}

/// In batches no greater than asked for, and what is alive stays.
pub async fn what_is_below_a_deleted_entity_is_removed_in_time(stage: &Stage) {
    let service = stage.service().await;
    let (identity, other) = (stage.make.identity(), stage.make.identity());
    furnish(stage, &service, &identity).await;
    let kept = furnish(stage, &service, &other).await;
    assert_eq!(clean_all(stage).await, 0);
    let deleted = stage.store.delete_entity(service.sid, &identity, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    let again = stage.factor_of(&service, &identity).await;
    assert!(clean_all(stage).await >= 18);
    assert_eq!(stage.stored(&again).await, Some(again));
    for factor in kept {
        let found = stage.stored(&factor).await;
        assert_eq!(found, Some(factor));
    }
    assert_eq!(stage.lease_due(100).await.len(), 4);
}

/// Its webhooks and access tokens too.
pub async fn what_is_below_a_deleted_service_is_removed_in_time(stage: &Stage) {
    let (service, other) = (stage.service().await, stage.service().await);
    for service in [&service, &other] {
        for _ in 0..2 {
            let identity = stage.make.identity();
            furnish(stage, service, &identity).await;
            let token = stage.make.access_token(service, &identity);
            assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::Done));
            let webhook = stage.make.webhook(service);
            assert_eq!(stage.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
        }
    }
    assert_eq!(stage.store.delete_service(service.sid, stage.now()).await, Ok(true));
    assert!(clean_all(stage).await >= 2 * (18 + 3));
    let page = stage.store.webhooks(other.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items.len(), 2);
    assert_eq!(stage.lease_due(100).await.len(), 8);
}

/// A day after it was made, and not a second before.
pub async fn a_factor_left_unverified_is_removed(stage: &Stage) {
    let owner = stage.factor().await.owner;
    let factor = Factor { status: FactorStatus::Unverified, ..stage.make.factor(&owner) };
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    stage.make.clock.advance(UNVERIFIED_FOR - Duration::from_secs(1));
    assert_eq!(clean_all(stage).await, 0);
    assert!(stage.stored(&factor).await.is_some());
    stage.pass(1);
    assert_eq!(clean_all(stage).await, 1);
    assert_eq!(stage.stored(&factor).await, None);
    let left = stage.store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(left.items.len(), 1);
}

/// Used or not.
pub async fn an_expired_access_token_is_removed(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let (used, unused) = (
        stage.make.access_token(&service, &identity),
        stage.make.access_token(&service, &identity),
    );
    for token in [&used, &unused] {
        assert_eq!(stage.store.create_access_token(token).await, Ok(Inserted::Done));
    }
    let owner = stage.make.entity(&service, &identity).owner;
    let enrolled = stage.enrol(&stage.make.factor(&owner), Some(used.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(owner.entity));
    stage.pass(59);
    assert_eq!(clean_all(stage).await, 0);
    stage.pass(1);
    assert_eq!(clean_all(stage).await, 2);
    for token in [used, unused] {
        assert_eq!(stage.store.access_token(service.sid, token.sid).await, Ok(None));
    }
}

/// With its notifications; younger ones stay.
pub async fn a_challenge_is_removed_after_the_retention(stage: &Stage) {
    let factor = stage.factor().await;
    let (old, young) = (stage.challenge(&factor).await, async {
        stage.pass(60);
        stage.challenge(&factor).await
    });
    let lease = stage.leased(&old).await;
    assert!(stage.settle(&lease, stage.delivered()).await);
    let parked = stage.parked(&old).await;
    let young = young.await;
    let sent = stage.leased(&young).await;
    stage.make.clock.set(old.created_at + KEPT.challenges);
    assert_eq!(clean_all(stage).await, 0);
    stage.pass(1);
    assert!(clean_all(stage).await >= 3);
    assert_eq!(stage.challenge_now(&old).await, None);
    for sid in [lease.delivery.notification, parked.delivery.notification] {
        assert_eq!(stage.store.notification(old.sid, sid).await, Ok(None));
    }
    assert_eq!(stage.store.expire(stage.now(), 10).await, Ok(0));
    assert_eq!(stage.challenge_now(&young).await, Some(young));
    assert_eq!(stage.notification(&sent).await.attempts, []);
}

/// Neither the challenge nor what is to be delivered, until it cannot live any more.
pub async fn nothing_alive_is_removed_whatever_the_retention_is(stage: &Stage) {
    const NONE: Retention = Retention { challenges: Duration::ZERO };
    let factor = stage.factor().await;
    let challenge = stage.challenge(&factor).await;
    let leased = stage.leased(&challenge).await;
    let (due, parked) = (stage.due(&challenge).await, stage.parked(&challenge).await);
    let left = challenge.expires_at.since(stage.now());
    for pause in [Duration::ZERO, left / 2, left / 2] {
        stage.make.clock.advance(pause);
        assert_eq!(stage.store.clean(stage.now(), NONE, 100).await, Ok(0));
        assert_eq!(stage.challenge_now(&challenge).await, Some(challenge.clone()));
        for sid in [&leased.delivery, &due.delivery, &parked.delivery].map(|one| one.notification) {
            let found = stage.store.notification(challenge.sid, sid).await.unwrap();
            assert!(found.is_some(), "{sid}");
        }
    }
    assert!(stage.store.rescue(stage.now(), 10).await.unwrap() == 1, "it is still to be delivered");
    stage.make.clock.advance(Retention::LEAST);
    assert!(stage.store.clean(stage.now(), NONE, 100).await.unwrap() >= 4);
    assert_eq!(stage.challenge_now(&challenge).await, None);
}

/// At the retention and with a deleted person; also what was taken when the challenge was gone already.
pub async fn what_is_kept_of_a_call_goes_with_its_challenge(stage: &Stage) {
    let service = stage.service().await;
    for _ in 0..2 {
        webhook_calls::hook(stage, &service).await;
    }
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    let taken = async || {
        let calls = webhook_calls::lease(stage).await;
        assert_eq!(calls.len(), 2);
        for call in &calls {
            assert!(webhook_calls::settle(stage, call, TAKEN).await);
        }
    };
    let kept = async |challenge: &Challenge| {
        stage.store.taken_calls(challenge.sid, 10).await.unwrap().len()
    };
    taken().await;
    let old = stage.challenge(&factor).await;
    stage.answer(&old).await;
    taken().await;
    stage.pass(60);
    let young = stage.challenge(&factor).await;
    stage.answer(&young).await;
    taken().await;
    stage.make.clock.set(old.created_at + KEPT.challenges + Duration::from_secs(1));
    assert!(clean_all(stage).await >= 3);
    assert_eq!((kept(&old).await, kept(&young).await), (0, 2));
    let last = stage.challenge(&factor).await;
    stage.answer(&last).await;
    let entity = factor.owner;
    let deleted = stage.store.delete_entity(entity.service, &entity.identity, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    assert!(clean_all(stage).await >= 4);
    assert_eq!((kept(&young).await, stage.challenge_now(&last).await), (0, None));
    taken().await;
    assert_eq!(kept(&last).await, 2);
    stage.make.clock.advance(KEPT.challenges + Duration::from_secs(2 * 24 * 60 * 60));
    clean_all(stage).await;
    assert_eq!(kept(&last).await, 0);
}

/// Nothing is lost but the record.
pub async fn settling_what_was_removed_is_a_lost_lease(stage: &Stage) {
    let factor = stage.factor().await;
    let challenge = stage.challenge(&factor).await;
    let lease = stage.leased(&challenge).await;
    let owner = &factor.owner;
    stage.store.delete_entity(owner.service, &owner.identity, stage.now()).await.unwrap();
    assert!(clean_all(stage).await > 0);
    let prospect = stage.prospect(&lease).await;
    assert!(!prospect.lease_holds && prospect.challenge.is_none() && prospect.factor.is_none());
    assert!(!stage.settle(&lease, stage.delivered()).await);
}

/// As often as it is asked.
pub async fn a_store_that_takes_commands_says_so(stage: &Stage) {
    for _ in 0..3 {
        assert_eq!(stage.store.check().await, Ok(()));
        assert_eq!(stage.store.is_writable().await, Ok(()));
    }
}

/// Whoever brings another one is told.
pub async fn the_first_key_check_is_kept(stage: &Stage) {
    let mut nodes = JoinSet::new();
    for node in 0..4 {
        let store = stage.store.clone();
        nodes.spawn(async move { store.key_check([node; 32]).await.unwrap() });
    }
    let mut kept = nodes.join_all().await;
    kept.dedup();
    assert_eq!(kept.len(), 1);
    assert_eq!(stage.store.key_check([9; 32]).await, Ok(kept[0]));
}

/// Each answers for itself, whatever its neighbours in a batch come to.
pub async fn a_command_that_fails_sinks_no_other(stage: &Stage) {
    let account = stage.account().await;
    let twin = stage.make.service(&account);
    let mut callers = JoinSet::new();
    for number in 0..60 {
        let (store, expected, service) = match number % 3 {
            0 => (stage.store.clone(), Inserted::Done, stage.make.service(&account)),
            1 => {
                let nobody = stage.make.account();
                (stage.store.clone(), Inserted::NoParent, stage.make.service(&nobody))
            }
            _ => (stage.store.clone(), Inserted::NotUnique, twin.clone()),
        };
        callers.spawn(async move { (store.create_service(&service).await.unwrap(), expected) });
    }
    let mut outcomes = callers.join_all().await;
    outcomes.retain(|(outcome, expected)| outcome != expected);
    // of the twins, one is the first
    assert_eq!(outcomes, [(Inserted::Done, Inserted::NotUnique)]);
    let stored = stage.store.services(account.sid, PageQuery::first(100)).await.unwrap();
    assert_eq!(stored.items.len(), 21);
}
