//! Entities, and what it means to delete one.

use countersign_domain::access_token::AccessToken;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::{Birth, Lease};
use countersign_domain::factor::{AnyFactor, Factor, FactorChange};
use countersign_domain::service::Service;
use countersign_domain::text::{Identity, StringMap};

use super::stage::{Stage, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{ChallengeFilter, Inserted, Notified, Opened, Recorded};

/// By its identity.
pub async fn an_entity_reads_back_as_it_was_stored(stage: &Stage) {
    let service = stage.service().await;
    let entity = stage.make.entity(&service, &stage.make.identity());
    let store = &stage.store;
    assert_eq!(store.create_entity(&entity).await, Ok(Inserted::Done));
    let identity = entity.owner.identity.clone();
    assert_eq!(store.entity(service.sid, &identity).await, Ok(Some(entity)));
    let elsewhere = stage.service().await;
    assert_eq!(store.entity(elsewhere.sid, &identity).await, Ok(None));
    assert_eq!(store.entity(service.sid, &stage.make.identity()).await, Ok(None));
}

/// And is its own in another service, or in other letters.
pub async fn an_identity_is_unique_in_its_service(stage: &Stage) {
    let (service, other) = (stage.service().await, stage.service().await);
    let identity = Identity::parse("Somebody-1").unwrap();
    let sid = stage.entity(&service, &identity).await;
    let again = stage.make.entity(&service, &identity);
    assert_eq!(stage.store.create_entity(&again).await, Ok(Inserted::NotUnique));
    let found = stage.store.entity(service.sid, &identity).await.unwrap().unwrap();
    assert_eq!(found.owner.entity, sid);
    stage.entity(&other, &identity).await;
    stage.entity(&service, &Identity::parse("somebody-1").unwrap()).await;
}

/// Otherwise nothing is stored.
pub async fn an_entity_needs_its_service(stage: &Stage) {
    let service = stage.make.service(&stage.account().await);
    let entity = stage.make.entity(&service, &stage.make.identity());
    assert_eq!(stage.store.create_entity(&entity).await, Ok(Inserted::NoParent));
    assert_eq!(stage.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(stage.store.entity(service.sid, &entity.owner.identity).await, Ok(None));
}

/// Each service's for itself, and past one that is deleted meanwhile.
pub async fn entities_are_listed_page_by_page(stage: &Stage) {
    let (service, other) = (stage.service().await, stage.service().await);
    let mut entities = Vec::new();
    for _ in 0..5 {
        let identity = stage.make.identity();
        entities.push((stage.entity(&service, &identity).await, identity.clone()));
        stage.entity(&other, &identity).await;
        stage.pass(1);
    }
    let sids: Vec<_> = entities.iter().map(|(sid, _)| *sid).collect();
    let store = &stage.store;
    let read =
        async |page| store.entities(service.sid, page).await.unwrap().map(|e| e.owner.entity);
    walks(&sids, read).await;
    let delete = async |sid| {
        let (_, identity) = entities.iter().find(|(one, _)| *one == sid).unwrap();
        assert_eq!(store.delete_entity(service.sid, identity, stage.now()).await, Ok(true));
    };
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Nothing below it is found, and nothing can be put there.
pub async fn below_a_deleted_entity_nothing_is_reachable(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let below = Below::of(stage, &service, &identity).await;
    let store = &stage.store;
    assert_eq!(store.delete_entity(service.sid, &identity, stage.now()).await, Ok(true));
    assert_eq!(store.delete_entity(service.sid, &identity, stage.now()).await, Ok(false));
    nothing_is_found(stage, &below).await;
    nothing_is_stored(stage, &below).await;
}

/// By an entity that has nothing of the one before.
pub async fn the_identity_of_a_deleted_entity_is_free_at_once(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let below = Below::of(stage, &service, &identity).await;
    let store = &stage.store;
    assert_eq!(store.delete_entity(service.sid, &identity, stage.now()).await, Ok(true));

    let factor = stage.factor_of(&service, &identity).await;
    assert_ne!(factor.owner.entity, below.factor.owner.entity);
    let challenge = stage.challenge(&factor).await;
    nothing_below_is_found(stage, &below).await;
    nothing_is_stored(stage, &below).await;
    assert_eq!(stage.stored(&factor).await, Some(factor.clone()));
    assert_eq!(stage.challenge_now(&challenge).await, Some(challenge));
    let factors = store.factors(factor.owner.entity, PageQuery::first(10)).await.unwrap();
    assert_eq!(factors.items, [AnyFactor::Push(Box::new(factor))]);
}

/// One of everything that can lie below an entity.
pub(super) struct Below {
    pub(super) factor: Factor,
    pub(super) token: AccessToken,
    challenge: Challenge,
    lease: Lease,
}

impl Below {
    pub(super) async fn of(stage: &Stage, service: &Service, identity: &Identity) -> Self {
        let token = stage.make.access_token(service, identity);
        assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::Done));
        let factor = stage.factor_of(service, identity).await;
        let challenge = stage.challenge(&factor).await;
        let lease = stage.leased(&challenge).await;
        stage.parked(&challenge).await;
        Self { factor, token, challenge, lease }
    }
}

/// Whatever way one asks.
pub(super) async fn nothing_is_found(stage: &Stage, below: &Below) {
    let owner = &below.factor.owner;
    let store = &stage.store;
    assert_eq!(store.entity(owner.service, &owner.identity).await, Ok(None));
    nothing_below_is_found(stage, below).await;
}

async fn nothing_below_is_found(stage: &Stage, below: &Below) {
    let Below { factor, challenge, lease, .. } = below;
    let (store, entity) = (&stage.store, factor.owner.entity);
    assert_eq!(stage.stored(factor).await, None);
    assert_eq!(store.factor_by_key(factor.key_sid).await, Ok(None));
    assert_eq!(store.factors(entity, PageQuery::first(10)).await.unwrap().items, []);
    assert_eq!(stage.challenge_now(challenge).await, None);
    let filter = ChallengeFilter::default();
    let challenges = store.challenges(entity, filter, stage.now(), PageQuery::first(10)).await;
    assert_eq!(challenges.unwrap().items, []);
    let sid = lease.delivery.notification;
    assert_eq!(store.notification(challenge.sid, sid).await, Ok(None));
    let notifications = store.notifications(challenge.sid, PageQuery::first(10)).await;
    assert_eq!(notifications.unwrap().items, []);
    let prospect = stage.prospect(lease).await;
    assert_eq!((prospect.challenge, prospect.factor), (None, None));
}

/// Whatever one tries.
pub(super) async fn nothing_is_stored(stage: &Stage, below: &Below) {
    let Below { factor, challenge, .. } = below;
    let (store, entity) = (&stage.store, factor.owner.entity);
    let now = stage.now();
    let change = FactorChange { verified: true, ..FactorChange::default() };
    assert_eq!(store.update_factor(entity, factor.sid, &change, now).await, Ok(None));
    assert_eq!(store.delete_factor(entity, factor.sid, now).await, Ok(false));
    assert_eq!(stage.open(&stage.make.challenge(factor), None).await, Opened::NoFactor);
    let answered = store.answer_challenge(challenge.sid, Verdict::Approved, None, now).await;
    assert_eq!(answered, Ok(Recorded::Gone));
    let metadata = StringMap::parse("{}").unwrap();
    let updated = store.update_challenge(challenge.sid, &metadata, false, now).await;
    assert_eq!(updated, Ok(Recorded::Gone));
    let new = stage.make.notification(challenge, 300, Birth::Due);
    assert_eq!(store.notify(&new, 0).await, Ok(Notified::Gone));
}
