//! Factors: how they come, change and go.

use std::time::Duration;

use countersign_domain::factor::{Factor, FactorChange, FactorStatus, UNVERIFIED_FOR};
use countersign_domain::notification::{Ending, Reason};
use countersign_domain::text::{AppId, FriendlyName, Identity, SdkVersion};
use tokio::task::JoinSet;

use super::stage::{Stage, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Enrolment, Inserted};

/// And makes its entity.
pub async fn a_factor_reads_back_as_it_was_enrolled(stage: &Stage) {
    let service = stage.service().await;
    let mut factor = stage.make.factor(&stage.make.entity(&service, &stage.make.identity()).owner);
    factor.address = stage.make.fcm_address();
    let owner = factor.owner.clone();
    let store = &stage.store;
    assert_eq!(store.entity(service.sid, &owner.identity).await, Ok(None));
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let entity = store.entity(service.sid, &owner.identity).await.unwrap().unwrap();
    assert_eq!((entity.owner, entity.created_at), (owner.clone(), factor.created_at));
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(Some(factor.clone())));
    assert_eq!(stage.stored(&factor).await, Some(factor));
}

/// Whose SID takes the place of the one that was guessed.
pub async fn a_factor_joins_the_entity_that_is_there(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let entity = stage.entity(&service, &identity).await;
    let first = stage.factor_of(&service, &identity).await;
    let second = stage.factor_of(&service, &identity).await;
    assert_eq!((first.owner.entity, second.owner.entity), (entity, entity));
    assert_eq!(stage.stored(&first).await, Some(first.clone()));
    let found = stage.store.factors(entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(found.items.len(), 2);
}

/// Not by another identity's, service's or entity's path.
pub async fn a_factor_is_found_by_its_own_path_only(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let store = &stage.store;
    let (mine, theirs) = (&factor.owner, &other.owner);
    for (service, identity) in [
        (theirs.service, &mine.identity),
        (mine.service, &theirs.identity),
        (theirs.service, &theirs.identity),
    ] {
        assert_eq!(store.factor(service, identity, factor.sid).await, Ok(None));
    }
    assert_eq!(store.factor_by_key(stage.make.factor(mine).key_sid).await, Ok(None));
    let change = FactorChange { verified: true, ..FactorChange::default() };
    let updated = store.update_factor(theirs.entity, factor.sid, &change, stage.now()).await;
    assert_eq!(updated, Ok(None));
    let deleted = store.delete_factor(theirs.entity, factor.sid, stage.now()).await;
    assert_eq!(deleted, Ok(false));
    assert_eq!(stage.stored(&factor).await, Some(factor));
}

/// Otherwise not even the entity is made.
pub async fn a_factor_needs_its_service(stage: &Stage) {
    let service = stage.make.service(&stage.account().await);
    let factor = stage.make.factor(&stage.make.entity(&service, &stage.make.identity()).owner);
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::NoService);
    assert_eq!(stage.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(stage.store.entity(service.sid, &factor.owner.identity).await, Ok(None));
    assert_eq!(stage.stored(&factor).await, None);
}

/// Also by two devices at the same time.
pub async fn an_access_token_enrols_one_factor(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let token = stage.make.access_token(&service, &identity);
    assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::Done));
    let owner = stage.make.entity(&service, &identity).owner;
    let mut devices = JoinSet::new();
    for _ in 0..6 {
        let (stage, factor) = (stage.clone(), stage.make.factor(&owner));
        devices.spawn(async move { stage.enrol(&factor, Some(token.sid)).await });
    }
    let mut enrolled = devices.join_all().await;
    enrolled.retain(|outcome| *outcome != Enrolled::TokenSpent);
    assert_eq!(enrolled, [Enrolled::Done(owner.entity)]);
    let found = stage.store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(found.items.len(), 1);
}

/// And leaves no entity behind.
pub async fn a_token_that_expired_or_is_of_another_service_enrols_nobody(stage: &Stage) {
    let (service, other) = (stage.service().await, stage.service().await);
    let identity = stage.make.identity();
    let token = stage.make.access_token(&service, &identity);
    let foreign = stage.make.access_token(&other, &identity);
    let unknown = stage.make.access_token(&service, &identity);
    for token in [&token, &foreign] {
        assert_eq!(stage.store.create_access_token(token).await, Ok(Inserted::Done));
    }
    stage.make.clock.set(token.expires_at());
    for token in [token, foreign, unknown] {
        let factor = stage.make.factor(&stage.make.entity(&service, &identity).owner);
        assert_eq!(stage.enrol(&factor, Some(token.sid)).await, Enrolled::TokenSpent);
        assert_eq!(stage.stored(&factor).await, None);
    }
    assert_eq!(stage.store.entity(service.sid, &identity).await, Ok(None));
}

/// The device may try again with the same one.
pub async fn a_failed_enrolment_does_not_use_up_its_token(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let first = stage.factor_of(&service, &identity).await;
    let token = stage.make.access_token(&service, &identity);
    assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::Done));

    let twin = Factor { key: first.key, ..stage.make.factor(&first.owner) };
    assert_eq!(stage.enrol(&twin, Some(token.sid)).await, Enrolled::KeyTaken);
    let second = stage.make.factor(&first.owner);
    let crowded = Enrolment {
        factor: second.clone(),
        token: Some(token.sid),
        most_per_entity: 1,
        most_per_day: 0,
    };
    assert_eq!(stage.store.enrol_factor(&crowded).await, Ok(Enrolled::TooMany));
    let hasty = Enrolment { most_per_entity: 0, most_per_day: 1, ..crowded };
    assert_eq!(stage.store.enrol_factor(&hasty).await, Ok(Enrolled::TooManyToday));
    assert_eq!(stage.stored(&second).await, None);

    let enrolled = stage.enrol(&second, Some(token.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(first.owner.entity));
}

/// Elsewhere, or once its factor is gone or has lapsed, the key can be used.
pub async fn a_key_is_taken_only_by_a_living_factor_of_the_same_entity(stage: &Stage) {
    let first = stage.factor().await;
    let twin = || Factor { key: first.key, ..stage.make.factor(&first.owner) };
    assert_eq!(stage.enrol(&twin(), None).await, Enrolled::KeyTaken);

    let other = stage.factor().await;
    let elsewhere = Factor { key: first.key, ..stage.make.factor(&other.owner) };
    assert_eq!(stage.enrol(&elsewhere, None).await, Enrolled::Done(other.owner.entity));

    let entity = first.owner.entity;
    let deleted = stage.store.delete_factor(entity, first.sid, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    let unverified = Factor { status: FactorStatus::Unverified, ..twin() };
    assert_eq!(stage.enrol(&unverified, None).await, Enrolled::Done(entity));
    stage.make.clock.advance(UNVERIFIED_FOR - Duration::from_secs(1));
    assert_eq!(stage.enrol(&twin(), None).await, Enrolled::KeyTaken);
    stage.pass(1);
    assert_eq!(stage.enrol(&twin(), None).await, Enrolled::Done(entity));
}

async fn enrol_within(stage: &Stage, factor: &Factor, entity: u32, day: u32) -> Enrolled {
    let enrolment = Enrolment {
        factor: factor.clone(),
        token: None,
        most_per_entity: entity,
        most_per_day: day,
    };
    stage.store.enrol_factor(&enrolment).await.unwrap()
}

/// A deleted one makes room, and so does one that lapsed.
pub async fn an_entity_has_only_so_many_factors(stage: &Stage) {
    let first = stage.factor().await;
    let entity = first.owner.entity;
    let next = || stage.make.factor(&first.owner);
    let second = Factor { status: FactorStatus::Unverified, ..next() };
    assert_eq!(enrol_within(stage, &second, 2, 0).await, Enrolled::Done(entity));
    assert_eq!(enrol_within(stage, &next(), 2, 0).await, Enrolled::TooMany);
    stage.make.clock.advance(UNVERIFIED_FOR);
    assert_eq!(enrol_within(stage, &next(), 2, 0).await, Enrolled::Done(entity));
    assert_eq!(enrol_within(stage, &next(), 2, 0).await, Enrolled::TooMany);
    let deleted = stage.store.delete_factor(entity, first.sid, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    assert_eq!(enrol_within(stage, &next(), 2, 0).await, Enrolled::Done(entity));
}

/// Deleted ones included. The day begins with the first of them, not at midnight; refused ones do not count.
pub async fn only_so_many_factors_are_made_in_a_day(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let entity = stage.entity(&service, &identity).await;
    stage.pass(60 * 60);
    let first = stage.factor_of(&service, &identity).await;
    let next = || stage.make.factor(&first.owner);
    stage.pass(23 * 60 * 60);
    assert_eq!(enrol_within(stage, &next(), 0, 2).await, Enrolled::Done(entity));
    let deleted = stage.store.delete_factor(entity, first.sid, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    stage.pass(60 * 60 - 1);
    assert_eq!(enrol_within(stage, &next(), 0, 2).await, Enrolled::TooManyToday);
    stage.pass(1);
    for _ in 0..2 {
        assert_eq!(enrol_within(stage, &next(), 0, 2).await, Enrolled::Done(entity));
    }
    assert_eq!(enrol_within(stage, &next(), 0, 2).await, Enrolled::TooManyToday);
}

/// Each entity's for itself, and past one that is deleted meanwhile.
pub async fn factors_are_listed_page_by_page(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let mut factors = Vec::new();
    for _ in 0..5 {
        factors.push(stage.factor_of(&service, &identity).await);
        stage.factor().await;
        stage.pass(1);
    }
    let entity = factors[0].owner.entity;
    let sids: Vec<_> = factors.iter().map(|factor| factor.sid).collect();
    let store = &stage.store;
    let read = async |page| store.factors(entity, page).await.unwrap().map(|factor| factor.sid());
    walks(&sids, read).await;
    let delete =
        async |sid| assert_eq!(store.delete_factor(entity, sid, stage.now()).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// What it does not name stays.
pub async fn an_update_changes_only_what_it_names(stage: &Stage) {
    let was = stage.factor().await;
    let (store, entity) = (&stage.store, was.owner.entity);
    stage.pass(1);
    let change = FactorChange {
        friendly_name: FriendlyName::parse("Ann's new phone").ok(),
        sdk_version: SdkVersion::parse("2.0.0").ok(),
        ..FactorChange::default()
    };
    let expected = Factor {
        friendly_name: change.friendly_name.clone().unwrap(),
        sdk_version: change.sdk_version.clone().unwrap(),
        updated_at: stage.now(),
        ..was
    };
    let updated = store.update_factor(entity, expected.sid, &change, stage.now()).await;
    assert_eq!(updated, Ok(Some(expected.clone())));
    assert_eq!(stage.stored(&expected).await, Some(expected.clone()));

    let change = FactorChange {
        address: Some(stage.make.fcm_address()),
        app_id: AppId::parse("com.example.renamed").ok(),
        ..FactorChange::default()
    };
    let expected = Factor {
        address: change.address.clone().unwrap(),
        app_id: change.app_id.clone().unwrap(),
        ..expected
    };
    let updated = store.update_factor(entity, expected.sid, &change, stage.now()).await;
    assert_eq!(updated, Ok(Some(expected)));
    let gone = stage.make.factor(&stage.make.challenge(&stage.factor().await).owner).sid;
    assert_eq!(store.update_factor(entity, gone, &change, stage.now()).await, Ok(None));
}

/// And a verified one stays verified, whatever else is changed.
pub async fn an_update_verifies_a_factor(stage: &Stage) {
    let service = stage.service().await;
    let owner = stage.make.entity(&service, &stage.make.identity()).owner;
    let factor = Factor { status: FactorStatus::Unverified, ..stage.make.factor(&owner) };
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let change = FactorChange { verified: true, ..FactorChange::default() };
    for change in [change, FactorChange::default()] {
        let updated =
            stage.store.update_factor(owner.entity, factor.sid, &change, stage.now()).await;
        assert_eq!(updated.unwrap().unwrap().status, FactorStatus::Verified);
    }
}

/// So that they go there. Neither a new name nor the same address again wakes them.
pub async fn a_new_address_makes_parked_deliveries_due(stage: &Stage) {
    let factor = stage.factor().await;
    let (parked, other) = (stage.challenge(&factor).await, stage.factor().await);
    stage.parked(&parked).await;
    stage.parked(&stage.challenge(&other).await).await;
    let (store, entity) = (&stage.store, factor.owner.entity);
    let same = FactorChange {
        friendly_name: FriendlyName::parse("renamed").ok(),
        address: Some(factor.address.clone()),
        ..FactorChange::default()
    };
    store.update_factor(entity, factor.sid, &same, stage.now()).await.unwrap();
    assert_eq!(store.next_due().await, Ok(None));

    stage.pass(10);
    let address = Some(stage.make.fcm_address());
    let moved = FactorChange { address, ..FactorChange::default() };
    store.update_factor(entity, factor.sid, &moved, stage.now()).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(stage.now())));
    let leases = stage.lease_due(10).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].delivery.challenge, parked.sid);
}

/// At once; those of another factor go on.
pub async fn deleting_a_factor_cancels_its_parked_deliveries(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let challenge = stage.challenge(&factor).await;
    let parked = stage.parked(&challenge).await;
    let kept = stage.parked(&stage.challenge(&other).await).await;
    let (store, entity) = (&stage.store, factor.owner.entity);
    assert_eq!(store.delete_factor(entity, factor.sid, stage.now()).await, Ok(true));
    assert_eq!(store.delete_factor(entity, factor.sid, stage.now()).await, Ok(false));
    assert_eq!(stage.stored(&factor).await, None);
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(None));
    assert_eq!(stage.ending(&parked).await, Some(Ending::cancelled(Reason::FactorGone)));
    assert_eq!(stage.notification(&parked).await.delivery, None);
    assert_eq!(stage.ending(&kept).await, None);
}

/// Whether they, their entity or their service are gone, or they are reached by another way.
pub async fn factors_without_a_stream_are_told_apart(stage: &Stage) {
    let store = &stage.store;
    let service = stage.service().await;
    let streamed = async |identity: &Identity| {
        let factor = stage.factor_of(&service, identity).await;
        (factor.owner.entity, factor.sid)
    };
    let [kept, deleted, moved, of_deleted] = [(); 4].map(|()| stage.make.identity());
    let (kept, deleted, moved) =
        (streamed(&kept).await, streamed(&deleted).await, streamed(&moved).await);
    let of_entity = streamed(&of_deleted).await;
    let all = [kept, deleted, moved, of_entity];
    assert_eq!(store.not_streamed(&all).await, Ok(vec![]));
    assert_eq!(store.not_streamed(&[]).await, Ok(vec![]));

    assert_eq!(store.delete_factor(deleted.0, deleted.1, stage.now()).await, Ok(true));
    let change =
        FactorChange { address: Some(stage.make.fcm_address()), ..FactorChange::default() };
    store.update_factor(moved.0, moved.1, &change, stage.now()).await.unwrap();
    assert_eq!(store.delete_entity(service.sid, &of_deleted, stage.now()).await, Ok(true));
    let mut gone = store.not_streamed(&all).await.unwrap();
    let mut expected = vec![deleted.1, moved.1, of_entity.1];
    gone.sort_unstable();
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert_eq!(store.delete_service(service.sid, stage.now()).await, Ok(true));
    assert_eq!(store.not_streamed(&[kept]).await, Ok(vec![kept.1]));
}
