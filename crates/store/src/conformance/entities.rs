//! Entities, and the deletion of one.

use countersign_domain::access_token::AccessToken;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::{InitialState, Lease};
use countersign_domain::entity::Entity;
use countersign_domain::factor::{AnyFactor, Factor, FactorChange};
use countersign_domain::service::Service;
use countersign_domain::text::{AccountLabel, Identity, StringMap};

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Answer, ChallengeFilter, Enrolled, Inserted, Notified, Opened, Recorded};

/// It is found by its identity.
pub async fn an_entity_reads_back_as_it_was_stored(fixture: &Fixture) {
    let service = fixture.service().await;
    let entity = fixture.make.entity(&service, &fixture.make.identity());
    let store = &fixture.store;
    assert_eq!(store.create_entity(&entity).await, Ok(Inserted::Done));
    let identity = entity.owner.identity.clone();
    assert_eq!(store.entity(service.sid, &identity).await, Ok(Some(entity)));
    let elsewhere = fixture.service().await;
    assert_eq!(store.entity(elsewhere.sid, &identity).await, Ok(None));
    assert_eq!(store.entity(service.sid, &fixture.make.identity()).await, Ok(None));
}

/// The label is that of the newest token that has one, or of the application's last change.
pub async fn an_entity_has_the_label_of_its_token_or_of_its_application(fixture: &Fixture) {
    let service = fixture.service().await;
    let (store, identity) = (&fixture.store, fixture.make.identity());
    let label = |text: &str| AccountLabel::parse(text).ok();
    let at = fixture.now();
    assert_eq!(store.label_entity(service.sid, &identity, None, at).await, Ok(false));
    for (of_token, expected) in [
        (label("Ann"), label("Ann")),
        (None, label("Ann")),
        (label("Ann Smith"), label("Ann Smith")),
    ] {
        fixture.pass(1);
        let made = fixture.make.access_token(&service, &identity);
        let token = AccessToken { account_label: of_token, ..made };
        assert_eq!(store.create_access_token(&token).await, Ok(Inserted::Done));
        let factor = fixture.make.factor(&fixture.make.entity(&service, &identity).owner);
        assert!(matches!(fixture.enrol(&factor, Some(token.sid)).await, Enrolled::Done(_)));
        let entity = store.entity(service.sid, &identity).await.unwrap().unwrap();
        assert_eq!(entity.label, expected);
        // A token that is refused labels nothing.
        let again = fixture.make.factor(&fixture.make.entity(&service, &identity).owner);
        assert_eq!(fixture.enrol(&again, Some(token.sid)).await, Enrolled::TokenSpent);
    }
    fixture.pass(1);
    let before = store.entity(service.sid, &identity).await.unwrap().unwrap();
    for changed in [label("Dr. Ann Smith"), None] {
        fixture.pass(1);
        let at = fixture.now();
        assert_eq!(
            store.label_entity(service.sid, &identity, changed.as_ref(), at).await,
            Ok(true)
        );
        let expected = Entity { label: changed, updated_at: at, ..before.clone() };
        assert_eq!(store.entity(service.sid, &identity).await, Ok(Some(expected)));
    }
    let elsewhere = fixture.service().await;
    assert_eq!(store.label_entity(elsewhere.sid, &identity, None, at).await, Ok(false));
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.label_entity(service.sid, &identity, None, at).await, Ok(false));
}

/// Another service, or other letter case, makes another entity.
pub async fn an_identity_is_unique_in_its_service(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let identity = Identity::parse("Somebody-1").unwrap();
    let sid = fixture.entity(&service, &identity).await;
    let again = fixture.make.entity(&service, &identity);
    assert_eq!(fixture.store.create_entity(&again).await, Ok(Inserted::NotUnique));
    let found = fixture.store.entity(service.sid, &identity).await.unwrap().unwrap();
    assert_eq!(found.owner.entity, sid);
    fixture.entity(&other, &identity).await;
    fixture.entity(&service, &Identity::parse("somebody-1").unwrap()).await;
}

/// Without it nothing is stored.
pub async fn an_entity_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let entity = fixture.make.entity(&service, &fixture.make.identity());
    assert_eq!(fixture.store.create_entity(&entity).await, Ok(Inserted::NoParent));
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.entity(service.sid, &entity.owner.identity).await, Ok(None));
}

/// Only those of the service; an entity deleted in between does not disturb the order.
pub async fn entities_are_listed_page_by_page(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let mut entities = Vec::new();
    for _ in 0..5 {
        let identity = fixture.make.identity();
        entities.push((fixture.entity(&service, &identity).await, identity.clone()));
        fixture.entity(&other, &identity).await;
        fixture.pass(1);
    }
    let sids: Vec<_> = entities.iter().map(|(sid, _)| *sid).collect();
    let store = &fixture.store;
    let read =
        async |page| store.entities(service.sid, page).await.unwrap().map(|e| e.owner.entity);
    walks(&sids, read).await;
    let delete = async |sid| {
        let (_, identity) = entities.iter().find(|(one, _)| *one == sid).unwrap();
        assert_eq!(store.delete_entity(service.sid, identity, fixture.now()).await, Ok(true));
    };
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Nothing below it is found, and nothing can be stored there.
pub async fn below_a_deleted_entity_nothing_is_reachable(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let below = Below::of(fixture, &service, &identity).await;
    let store = &fixture.store;
    assert_eq!(store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(false));
    nothing_is_found(fixture, &below).await;
    nothing_is_stored(fixture, &below).await;
}

/// The new entity has nothing of the deleted one.
pub async fn the_identity_of_a_deleted_entity_is_free_at_once(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let below = Below::of(fixture, &service, &identity).await;
    let store = &fixture.store;
    assert_eq!(store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));

    let factor = fixture.factor_of(&service, &identity).await;
    assert_ne!(factor.owner.entity, below.factor.owner.entity);
    let challenge = fixture.challenge(&factor).await;
    nothing_below_is_found(fixture, &below).await;
    nothing_is_stored(fixture, &below).await;
    assert_eq!(fixture.stored(&factor).await, Some(factor.clone()));
    assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge));
    let factors = store.factors(factor.owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(factors.items, [AnyFactor::Push(Box::new(factor))]);
}

/// One record of each kind that can be below an entity.
pub(super) struct Below {
    pub(super) factor: Factor,
    pub(super) token: AccessToken,
    challenge: Challenge,
    lease: Lease,
}

impl Below {
    pub(super) async fn of(fixture: &Fixture, service: &Service, identity: &Identity) -> Self {
        let token = fixture.make.access_token(service, identity);
        assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
        let factor = fixture.factor_of(service, identity).await;
        let challenge = fixture.challenge(&factor).await;
        let lease = fixture.leased(&challenge).await;
        fixture.parked(&challenge).await;
        Self { factor, token, challenge, lease }
    }
}

/// By no method.
pub(super) async fn nothing_is_found(fixture: &Fixture, below: &Below) {
    let owner = &below.factor.owner;
    let store = &fixture.store;
    assert_eq!(store.entity(owner.service, &owner.identity).await, Ok(None));
    nothing_below_is_found(fixture, below).await;
}

async fn nothing_below_is_found(fixture: &Fixture, below: &Below) {
    let Below { factor, challenge, lease, .. } = below;
    let (store, entity) = (&fixture.store, factor.owner.entity);
    assert_eq!(fixture.stored(factor).await, None);
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(None));
    assert_eq!(store.factors(entity, PageQuery::first(10)).await.unwrap().items, []);
    assert_eq!(fixture.challenge_now(challenge).await, None);
    let filter = ChallengeFilter::default();
    let challenges = store.challenges(entity, filter, fixture.now(), PageQuery::first(10)).await;
    assert_eq!(challenges.unwrap().items, []);
    let sid = lease.delivery.notification;
    assert_eq!(store.notification(challenge.sid, sid).await, Ok(None));
    let notifications = store.notifications(challenge.sid, PageQuery::first(10)).await;
    assert_eq!(notifications.unwrap().items, []);
    let prospect = fixture.prospect(lease).await;
    assert_eq!((prospect.challenge, prospect.factor), (None, None));
}

/// By no method.
pub(super) async fn nothing_is_stored(fixture: &Fixture, below: &Below) {
    let Below { factor, challenge, .. } = below;
    let (store, entity) = (&fixture.store, factor.owner.entity);
    let now = fixture.now();
    let change = FactorChange { verified: true, ..FactorChange::default() };
    assert_eq!(store.update_factor(entity, factor.sid, &change, now).await, Ok(None));
    assert_eq!(store.delete_factor(entity, factor.sid, now).await, Ok(false));
    assert_eq!(fixture.open(&fixture.make.challenge(factor), None).await, Opened::NoFactor);
    let answered = store.answer_challenge(Answer::new(challenge.sid, Verdict::Approved, now)).await;
    assert_eq!(answered, Ok(Recorded::NotFound));
    let metadata = StringMap::parse("{}").unwrap();
    let updated = store.update_challenge(challenge.sid, &metadata, false, now).await;
    assert_eq!(updated, Ok(Recorded::NotFound));
    let new = fixture.make.notification(challenge, 300, InitialState::Due);
    assert_eq!(store.notify(&new, 0).await, Ok(Notified::NotFound));
}
