//! Factors: their enrolment, changes and deletion.

use std::time::Duration;

use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::{Factor, FactorChange};
use countersign_domain::factor::{FactorStatus, UNVERIFIED_FOR};
use countersign_domain::text::{AppId, FriendlyName, Identity, SdkVersion};
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Enrolment, Inserted};

/// Its entity is created.
pub async fn a_factor_reads_back_as_it_was_enrolled(fixture: &Fixture) {
    let service = fixture.service().await;
    let mut factor =
        fixture.make.factor(&fixture.make.entity(&service, &fixture.make.identity()).owner);
    factor.address = fixture.make.fcm_address();
    let owner = factor.owner.clone();
    let store = &fixture.store;
    assert_eq!(store.entity(service.sid, &owner.identity).await, Ok(None));
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let entity = store.entity(service.sid, &owner.identity).await.unwrap().unwrap();
    assert_eq!((entity.owner, entity.created_at), (owner.clone(), factor.created_at));
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(Some(factor.clone())));
    assert_eq!(fixture.stored(&factor).await, Some(factor));
}

/// The SID of that entity replaces the one given.
pub async fn a_factor_joins_the_entity_that_is_there(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let entity = fixture.entity(&service, &identity).await;
    let first = fixture.factor_of(&service, &identity).await;
    let second = fixture.factor_of(&service, &identity).await;
    assert_eq!((first.owner.entity, second.owner.entity), (entity, entity));
    assert_eq!(fixture.stored(&first).await, Some(first.clone()));
    let found = fixture.store.factors(entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(found.items.len(), 2);
}

/// It is not found by the path of another identity, service or entity.
pub async fn a_factor_is_found_by_its_own_path_only(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let store = &fixture.store;
    let (mine, theirs) = (&factor.owner, &other.owner);
    for (service, identity) in [
        (theirs.service, &mine.identity),
        (mine.service, &theirs.identity),
        (theirs.service, &theirs.identity),
    ] {
        assert_eq!(store.factor(service, identity, factor.sid).await, Ok(None));
    }
    assert_eq!(store.factor_by_key(fixture.make.factor(mine).key_sid).await, Ok(None));
    let change = FactorChange { verified: true, ..FactorChange::default() };
    let updated = store.update_factor(theirs.entity, factor.sid, &change, fixture.now()).await;
    assert_eq!(updated, Ok(None));
    let deleted = store.delete_factor(theirs.entity, factor.sid, fixture.now()).await;
    assert_eq!(deleted, Ok(false));
    assert_eq!(fixture.stored(&factor).await, Some(factor));
}

/// Without it not even the entity is created.
pub async fn a_factor_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let factor =
        fixture.make.factor(&fixture.make.entity(&service, &fixture.make.identity()).owner);
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::NoService);
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.entity(service.sid, &factor.owner.identity).await, Ok(None));
    assert_eq!(fixture.stored(&factor).await, None);
}

/// Also of two concurrent enrolments.
pub async fn an_access_token_enrols_one_factor(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let token = fixture.make.access_token(&service, &identity);
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
    let owner = fixture.make.entity(&service, &identity).owner;
    let mut devices = JoinSet::new();
    for _ in 0..6 {
        let (fixture, factor) = (fixture.clone(), fixture.make.factor(&owner));
        devices.spawn(async move { fixture.enrol(&factor, Some(token.sid)).await });
    }
    let mut enrolled = devices.join_all().await;
    enrolled.retain(|outcome| *outcome != Enrolled::TokenSpent);
    assert_eq!(enrolled, [Enrolled::Done(owner.entity)]);
    let found = fixture.store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(found.items.len(), 1);
}

/// No entity is created.
pub async fn an_expired_token_or_one_of_another_service_enrols_no_factor(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let identity = fixture.make.identity();
    let token = fixture.make.access_token(&service, &identity);
    let foreign = fixture.make.access_token(&other, &identity);
    let unknown = fixture.make.access_token(&service, &identity);
    for token in [&token, &foreign] {
        assert_eq!(fixture.store.create_access_token(token).await, Ok(Inserted::Done));
    }
    fixture.make.clock.set(token.expires_at());
    for token in [token, foreign, unknown] {
        let factor = fixture.make.factor(&fixture.make.entity(&service, &identity).owner);
        assert_eq!(fixture.enrol(&factor, Some(token.sid)).await, Enrolled::TokenSpent);
        assert_eq!(fixture.stored(&factor).await, None);
    }
    assert_eq!(fixture.store.entity(service.sid, &identity).await, Ok(None));
}

/// The device may try again with the same token.
pub async fn a_failed_enrolment_does_not_use_up_its_token(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let first = fixture.factor_of(&service, &identity).await;
    let token = fixture.make.access_token(&service, &identity);
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));

    let twin = Factor { key: first.key, ..fixture.make.factor(&first.owner) };
    assert_eq!(fixture.enrol(&twin, Some(token.sid)).await, Enrolled::KeyTaken);
    let second = fixture.make.factor(&first.owner);
    let crowded = Enrolment {
        factor: second.clone(),
        token: Some(token.sid),
        most_per_entity: 1,
        most_per_day: 0,
    };
    assert_eq!(fixture.store.enrol_factor(&crowded).await, Ok(Enrolled::TooMany));
    let hasty = Enrolment { most_per_entity: 0, most_per_day: 1, ..crowded };
    assert_eq!(fixture.store.enrol_factor(&hasty).await, Ok(Enrolled::TooManyToday));
    assert_eq!(fixture.stored(&second).await, None);

    let enrolled = fixture.enrol(&second, Some(token.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(first.owner.entity));
}

/// The key can be used in another entity, or when its factor was deleted or has lapsed.
pub async fn a_key_is_taken_only_by_a_living_factor_of_the_same_entity(fixture: &Fixture) {
    let first = fixture.factor().await;
    let twin = || Factor { key: first.key, ..fixture.make.factor(&first.owner) };
    assert_eq!(fixture.enrol(&twin(), None).await, Enrolled::KeyTaken);

    let other = fixture.factor().await;
    let elsewhere = Factor { key: first.key, ..fixture.make.factor(&other.owner) };
    assert_eq!(fixture.enrol(&elsewhere, None).await, Enrolled::Done(other.owner.entity));

    let entity = first.owner.entity;
    let deleted = fixture.store.delete_factor(entity, first.sid, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    let unverified = Factor { status: FactorStatus::Unverified, ..twin() };
    assert_eq!(fixture.enrol(&unverified, None).await, Enrolled::Done(entity));
    fixture.make.clock.advance(UNVERIFIED_FOR - Duration::from_secs(1));
    assert_eq!(fixture.enrol(&twin(), None).await, Enrolled::KeyTaken);
    fixture.pass(1);
    assert_eq!(fixture.enrol(&twin(), None).await, Enrolled::Done(entity));
}

async fn enrol_within(fixture: &Fixture, factor: &Factor, entity: u32, day: u32) -> Enrolled {
    let enrolment = Enrolment {
        factor: factor.clone(),
        token: None,
        most_per_entity: entity,
        most_per_day: day,
    };
    fixture.store.enrol_factor(&enrolment).await.unwrap()
}

/// Deleted and lapsed factors do not count.
pub async fn an_entity_has_only_so_many_factors(fixture: &Fixture) {
    let first = fixture.factor().await;
    let entity = first.owner.entity;
    let next = || fixture.make.factor(&first.owner);
    let second = Factor { status: FactorStatus::Unverified, ..next() };
    assert_eq!(enrol_within(fixture, &second, 2, 0).await, Enrolled::Done(entity));
    assert_eq!(enrol_within(fixture, &next(), 2, 0).await, Enrolled::TooMany);
    fixture.make.clock.advance(UNVERIFIED_FOR);
    assert_eq!(enrol_within(fixture, &next(), 2, 0).await, Enrolled::Done(entity));
    assert_eq!(enrol_within(fixture, &next(), 2, 0).await, Enrolled::TooMany);
    let deleted = fixture.store.delete_factor(entity, first.sid, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    assert_eq!(enrol_within(fixture, &next(), 2, 0).await, Enrolled::Done(entity));
}

/// Deleted ones count, refused ones do not. The day begins with the first factor, not at midnight.
pub async fn only_so_many_factors_are_made_in_a_day(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let entity = fixture.entity(&service, &identity).await;
    fixture.pass(60 * 60);
    let first = fixture.factor_of(&service, &identity).await;
    let next = || fixture.make.factor(&first.owner);
    fixture.pass(23 * 60 * 60);
    assert_eq!(enrol_within(fixture, &next(), 0, 2).await, Enrolled::Done(entity));
    let deleted = fixture.store.delete_factor(entity, first.sid, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    fixture.pass(60 * 60 - 1);
    assert_eq!(enrol_within(fixture, &next(), 0, 2).await, Enrolled::TooManyToday);
    fixture.pass(1);
    for _ in 0..2 {
        assert_eq!(enrol_within(fixture, &next(), 0, 2).await, Enrolled::Done(entity));
    }
    assert_eq!(enrol_within(fixture, &next(), 0, 2).await, Enrolled::TooManyToday);
}

/// Only those of the entity; a factor deleted in between does not disturb the order.
pub async fn factors_are_listed_page_by_page(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let mut factors = Vec::new();
    for _ in 0..5 {
        factors.push(fixture.factor_of(&service, &identity).await);
        fixture.factor().await;
        fixture.pass(1);
    }
    let entity = factors[0].owner.entity;
    let sids: Vec<_> = factors.iter().map(|factor| factor.sid).collect();
    let store = &fixture.store;
    let read = async |page| store.factors(entity, page).await.unwrap().map(|factor| factor.sid());
    walks(&sids, read).await;
    let delete =
        async |sid| assert_eq!(store.delete_factor(entity, sid, fixture.now()).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Other values stay.
pub async fn an_update_changes_only_what_it_names(fixture: &Fixture) {
    let was = fixture.factor().await;
    let (store, entity) = (&fixture.store, was.owner.entity);
    fixture.pass(1);
    let change = FactorChange {
        friendly_name: FriendlyName::parse("Ann's new phone").ok(),
        sdk_version: SdkVersion::parse("2.0.0").ok(),
        ..FactorChange::default()
    };
    let expected = Factor {
        friendly_name: change.friendly_name.clone().unwrap(),
        sdk_version: change.sdk_version.clone().unwrap(),
        updated_at: fixture.now(),
        ..was
    };
    let updated = store.update_factor(entity, expected.sid, &change, fixture.now()).await;
    assert_eq!(updated, Ok(Some(expected.clone())));
    assert_eq!(fixture.stored(&expected).await, Some(expected.clone()));

    let change = FactorChange {
        address: Some(fixture.make.fcm_address()),
        app_id: AppId::parse("com.example.renamed").ok(),
        takes_numbers: Some(true),
        ..FactorChange::default()
    };
    let expected = Factor {
        address: change.address.clone().unwrap(),
        app_id: change.app_id.clone().unwrap(),
        takes_numbers: true,
        ..expected
    };
    let updated = store.update_factor(entity, expected.sid, &change, fixture.now()).await;
    assert_eq!(updated, Ok(Some(expected)));
    let gone = fixture.make.factor(&fixture.make.challenge(&fixture.factor().await).owner).sid;
    assert_eq!(store.update_factor(entity, gone, &change, fixture.now()).await, Ok(None));
}

/// A verified factor stays verified whatever else changes.
pub async fn an_update_verifies_a_factor(fixture: &Fixture) {
    let service = fixture.service().await;
    let owner = fixture.make.entity(&service, &fixture.make.identity()).owner;
    let factor = Factor { status: FactorStatus::Unverified, ..fixture.make.factor(&owner) };
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::Done(owner.entity));
    let change = FactorChange { verified: true, ..FactorChange::default() };
    for change in [change, FactorChange::default()] {
        let updated =
            fixture.store.update_factor(owner.entity, factor.sid, &change, fixture.now()).await;
        assert_eq!(updated.unwrap().unwrap().status, FactorStatus::Verified);
    }
}

/// So that they go to the new address. A new name, or the same address again, does not.
pub async fn a_new_address_makes_parked_deliveries_due(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (parked, other) = (fixture.challenge(&factor).await, fixture.factor().await);
    fixture.parked(&parked).await;
    fixture.parked(&fixture.challenge(&other).await).await;
    let (store, entity) = (&fixture.store, factor.owner.entity);
    let same = FactorChange {
        friendly_name: FriendlyName::parse("renamed").ok(),
        address: Some(factor.address.clone()),
        ..FactorChange::default()
    };
    store.update_factor(entity, factor.sid, &same, fixture.now()).await.unwrap();
    assert_eq!(store.next_due().await, Ok(None));

    fixture.pass(10);
    let address = Some(fixture.make.fcm_address());
    let moved = FactorChange { address, ..FactorChange::default() };
    store.update_factor(entity, factor.sid, &moved, fixture.now()).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(fixture.now())));
    let leases = fixture.lease_due(10).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].delivery.challenge, parked.sid);
}

/// At once; those of another factor continue.
pub async fn deleting_a_factor_cancels_its_parked_deliveries(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let challenge = fixture.challenge(&factor).await;
    let parked = fixture.parked(&challenge).await;
    let kept = fixture.parked(&fixture.challenge(&other).await).await;
    let (store, entity) = (&fixture.store, factor.owner.entity);
    assert_eq!(store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_factor(entity, factor.sid, fixture.now()).await, Ok(false));
    assert_eq!(fixture.stored(&factor).await, None);
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(None));
    assert_eq!(fixture.ending(&parked).await, Some(Ending::cancelled(StatusReason::FactorGone)));
    assert_eq!(fixture.notification(&parked).await.delivery, None);
    assert_eq!(fixture.ending(&kept).await, None);
}

/// Those that were deleted with or without their entity or service, and those with another address.
pub async fn factors_without_a_stream_are_told_apart(fixture: &Fixture) {
    let store = &fixture.store;
    let service = fixture.service().await;
    let streamed = async |identity: &Identity| {
        let factor = fixture.factor_of(&service, identity).await;
        (factor.owner.entity, factor.sid)
    };
    let [kept, deleted, moved, of_deleted] = [(); 4].map(|()| fixture.make.identity());
    let (kept, deleted, moved) =
        (streamed(&kept).await, streamed(&deleted).await, streamed(&moved).await);
    let of_entity = streamed(&of_deleted).await;
    let all = [kept, deleted, moved, of_entity];
    assert_eq!(store.not_streamed(&all).await, Ok(vec![]));
    assert_eq!(store.not_streamed(&[]).await, Ok(vec![]));

    assert_eq!(store.delete_factor(deleted.0, deleted.1, fixture.now()).await, Ok(true));
    let change =
        FactorChange { address: Some(fixture.make.fcm_address()), ..FactorChange::default() };
    store.update_factor(moved.0, moved.1, &change, fixture.now()).await.unwrap();
    assert_eq!(store.delete_entity(service.sid, &of_deleted, fixture.now()).await, Ok(true));
    let mut gone = store.not_streamed(&all).await.unwrap();
    let mut expected = vec![deleted.1, moved.1, of_entity.1];
    gone.sort_unstable();
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.not_streamed(&[kept]).await, Ok(vec![kept.1]));
}
