//! Services, and what it means to delete one.

use countersign_domain::delivery::Birth;
use countersign_domain::service::Service;
use countersign_domain::text::ServiceName;

use super::entities::{Below, nothing_is_found, nothing_is_stored};
use super::stage::{Stage, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Inserted, Updated};

/// All settings included.
pub async fn a_service_reads_back_as_it_was_stored(stage: &Stage) {
    let account = stage.account().await;
    let mut service = stage.make.service(&account);
    service.settings.push.include_date = true;
    service.settings.push.fcm_credential_sid = Some(stage.make.credential(&account).sid);
    service.settings.totp.issuer = Some("Owl „Bank“ 🦉".to_owned());
    assert_eq!(stage.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(stage.store.service(service.sid).await, Ok(Some(service)));
    let unknown = stage.make.service(&account);
    assert_eq!(stage.store.service(unknown.sid).await, Ok(None));
}

/// And is stored once.
pub async fn a_service_needs_its_account(stage: &Stage) {
    let store = &stage.store;
    let orphan = stage.make.service(&stage.make.account());
    assert_eq!(store.create_service(&orphan).await, Ok(Inserted::NoParent));
    assert_eq!(store.service(orphan.sid).await, Ok(None));
    let service = stage.service().await;
    assert_eq!(store.create_service(&service).await, Ok(Inserted::NotUnique));
}

fn renamed(service: &Service, name: &str) -> Service {
    let mut service = service.clone();
    service.settings.friendly_name = ServiceName::parse(name).unwrap();
    service
}

/// Two who read the same do not both replace it.
pub async fn a_service_is_replaced_only_if_nobody_was_faster(stage: &Stage) {
    let was = stage.service().await;
    let store = &stage.store;
    stage.pass(1);
    let now = Service { updated_at: stage.now(), ..renamed(&was, "second") };
    assert_eq!(store.update_service(&now, was.updated_at).await, Ok(Updated::Done));
    let late = Service { updated_at: stage.now(), ..renamed(&was, "too late") };
    assert_eq!(store.update_service(&late, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.service(was.sid).await, Ok(Some(now.clone())));
    store.delete_service(was.sid, stage.now()).await.unwrap();
    assert_eq!(store.update_service(&late, now.updated_at).await, Ok(Updated::Gone));
    assert_eq!(store.service(was.sid).await, Ok(None));
}

/// Each account's for itself, and past one that is deleted meanwhile.
pub async fn services_are_listed_page_by_page(stage: &Stage) {
    let account = stage.account().await;
    let store = &stage.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let service = stage.make.service(&account);
        assert_eq!(store.create_service(&service).await, Ok(Inserted::Done));
        sids.push(service.sid);
        stage.service().await;
        stage.pass(1);
    }
    let read = async |page| store.services(account.sid, page).await.unwrap().map(|s| s.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_service(sid, stage.now()).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Nothing below it is found, and nothing can be put there.
pub async fn below_a_deleted_service_nothing_is_reachable(stage: &Stage) {
    let store = &stage.store;
    let service = stage.service().await;
    let below = Below::of(stage, &service, &stage.make.identity()).await;
    let (webhook, token) = (stage.make.webhook(&service), below.token.clone());
    assert_eq!(store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));

    assert_eq!(store.delete_service(service.sid, stage.now()).await, Ok(true));
    assert_eq!(store.delete_service(service.sid, stage.now()).await, Ok(false));
    assert_eq!(store.service(service.sid).await, Ok(None));
    nothing_is_found(stage, &below).await;
    nothing_is_stored(stage, &below).await;

    let identity = &below.factor.owner.identity;
    assert_eq!(store.delete_entity(service.sid, identity, stage.now()).await, Ok(false));
    assert_eq!(store.entities(service.sid, PageQuery::first(10)).await.unwrap().items, []);
    assert_eq!(store.webhook(service.sid, webhook.sid).await, Ok(None));
    assert_eq!(store.webhooks(service.sid, PageQuery::first(10)).await.unwrap().items, []);
    let updated = store.update_webhook(&webhook, webhook.updated_at).await;
    assert_eq!(updated, Ok(Updated::Gone));
    assert_eq!(store.delete_webhook(service.sid, webhook.sid).await, Ok(false));
    assert_eq!(store.access_token(service.sid, token.sid).await, Ok(None));

    let entity = stage.make.entity(&service, &stage.make.identity());
    assert_eq!(store.create_entity(&entity).await, Ok(Inserted::NoParent));
    let another = stage.make.webhook(&service);
    assert_eq!(store.create_webhook(&another, 0).await, Ok(Inserted::NoParent));
    let token = stage.make.access_token(&service, identity);
    assert_eq!(store.create_access_token(&token).await, Ok(Inserted::NoParent));
    let factor = stage.make.factor(&entity.owner);
    assert_eq!(stage.enrol(&factor, None).await, Enrolled::NoService);
}

/// What the deletion of one does to it, it does to no other.
pub async fn deleting_a_service_leaves_the_others_alone(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let challenge = stage.challenge(&other).await;
    assert_eq!(stage.store.delete_service(factor.owner.service, stage.now()).await, Ok(true));
    assert_eq!(stage.stored(&other).await, Some(other));
    stage.notify(&challenge, 300, Birth::Due).await;
    assert_eq!(stage.lease_due(10).await.len(), 1);
}
