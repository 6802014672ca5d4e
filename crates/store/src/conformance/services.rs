//! Services, and the deletion of one.

use countersign_domain::branding::Logo;
use countersign_domain::delivery::InitialState;
use countersign_domain::service::Service;
use countersign_domain::service_protection::{PresenceList, ServiceLimit};
use countersign_domain::text::{ServiceLabel, ServiceName};
use countersign_domain::time::Instant;

use super::entities::{Below, nothing_is_found, nothing_is_stored};
use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Enrolled, Inserted, LogoChange, Updated};

/// The smallest logo.
fn a_logo() -> Logo {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0....".to_vec();
    png.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    Logo::of(png).expect("a PNG")
}

/// With all settings.
pub async fn a_service_reads_back_as_it_was_stored(fixture: &Fixture) {
    let account = fixture.account().await;
    let mut service = fixture.make.service(&account);
    service.settings.push.include_date = true;
    service.settings.push.fcm_credential_sid = Some(fixture.make.credential(&account).sid);
    service.settings.totp.issuer = Some("Owl „Bank“ 🦉".to_owned());
    service.settings.protection.presence = PresenceList::parse("number,code").ok();
    service.settings.branding.label = ServiceLabel::parse("Owl „Bank“ 🦉").ok();
    service.settings.branding.logo = Some(a_logo().name());
    service.settings.protection.set(ServiceLimit::InARowMax, Some(3));
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.service(service.sid).await, Ok(Some(service)));
    let unknown = fixture.make.service(&account);
    assert_eq!(fixture.store.service(unknown.sid).await, Ok(None));
}

/// It is stored once.
pub async fn a_service_needs_its_account(fixture: &Fixture) {
    let store = &fixture.store;
    let orphan = fixture.make.service(&fixture.make.account());
    assert_eq!(store.create_service(&orphan).await, Ok(Inserted::NoParent));
    assert_eq!(store.service(orphan.sid).await, Ok(None));
    let service = fixture.service().await;
    assert_eq!(store.create_service(&service).await, Ok(Inserted::NotUnique));
}

fn renamed(service: &Service, name: &str) -> Service {
    let mut service = service.clone();
    service.settings.friendly_name = ServiceName::parse(name).unwrap();
    service
}

/// Of two commands that read the same version, one replaces it.
pub async fn a_service_is_replaced_only_if_nobody_was_faster(fixture: &Fixture) {
    let was = fixture.service().await;
    let store = &fixture.store;
    fixture.pass(1);
    let now = Service { updated_at: fixture.now(), ..renamed(&was, "second") };
    assert_eq!(
        store.update_service(&now, LogoChange::Keep, was.updated_at).await,
        Ok(Updated::Done)
    );
    let late = Service { updated_at: fixture.now(), ..renamed(&was, "too late") };
    assert_eq!(
        store.update_service(&late, LogoChange::Keep, was.updated_at).await,
        Ok(Updated::Stale)
    );
    assert_eq!(store.service(was.sid).await, Ok(Some(now.clone())));
    store.delete_service(was.sid, fixture.now()).await.unwrap();
    assert_eq!(
        store.update_service(&late, LogoChange::Keep, now.updated_at).await,
        Ok(Updated::NotFound)
    );
    assert_eq!(store.service(was.sid).await, Ok(None));
}

/// Together with the settings that name it, or not at all.
pub async fn a_logo_is_replaced_kept_and_removed_with_its_service(fixture: &Fixture) {
    let (was, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    assert_eq!(store.service_logo(was.sid).await, Ok(None));
    let mut was = was;
    let change = async |was: &mut Service, logo: LogoChange| {
        fixture.pass(1);
        let now = Service { updated_at: fixture.now(), ..was.clone() };
        let updated = store.update_service(&now, logo, was.updated_at).await;
        assert_eq!(updated, Ok(Updated::Done));
        *was = now;
    };
    let image = |byte: u8| vec![byte; 16 * 1024];
    change(&mut was, LogoChange::Replace(Some(image(1)))).await;
    assert_eq!(store.service_logo(was.sid).await, Ok(Some(image(1))));
    change(&mut was, LogoChange::Keep).await;
    assert_eq!(store.service_logo(was.sid).await, Ok(Some(image(1))));
    let late = LogoChange::Replace(Some(image(3)));
    let stale = store.update_service(&was, late, Instant::from_micros(1)).await;
    assert_eq!(stale, Ok(Updated::Stale));
    assert_eq!(store.service_logo(was.sid).await, Ok(Some(image(1))));
    change(&mut was, LogoChange::Replace(Some(image(2)))).await;
    assert_eq!(store.service_logo(was.sid).await, Ok(Some(image(2))));
    assert_eq!(store.service_logo(other.sid).await, Ok(None), "of another service");
    change(&mut was, LogoChange::Replace(None)).await;
    assert_eq!(store.service_logo(was.sid).await, Ok(None));
    change(&mut was, LogoChange::Replace(Some(image(4)))).await;
    store.delete_service(was.sid, fixture.now()).await.unwrap();
    assert_eq!(store.service_logo(was.sid).await, Ok(None));
}

/// Only those of the account; a service deleted in between does not disturb the order.
pub async fn services_are_listed_page_by_page(fixture: &Fixture) {
    let account = fixture.account().await;
    let store = &fixture.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let service = fixture.make.service(&account);
        assert_eq!(store.create_service(&service).await, Ok(Inserted::Done));
        sids.push(service.sid);
        fixture.service().await;
        fixture.pass(1);
    }
    let read = async |page| store.services(account.sid, page).await.unwrap().map(|s| s.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_service(sid, fixture.now()).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Nothing below it is found, and nothing can be stored there.
pub async fn below_a_deleted_service_nothing_is_reachable(fixture: &Fixture) {
    let store = &fixture.store;
    let service = fixture.service().await;
    let below = Below::of(fixture, &service, &fixture.make.identity()).await;
    let (webhook, token) = (fixture.make.webhook(&service), below.token.clone());
    assert_eq!(store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));

    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(false));
    assert_eq!(store.service(service.sid).await, Ok(None));
    nothing_is_found(fixture, &below).await;
    nothing_is_stored(fixture, &below).await;

    let identity = &below.factor.owner.identity;
    assert_eq!(store.delete_entity(service.sid, identity, fixture.now()).await, Ok(false));
    assert_eq!(store.entities(service.sid, PageQuery::first(10)).await.unwrap().items, []);
    assert_eq!(store.webhook(service.sid, webhook.sid).await, Ok(None));
    assert_eq!(store.webhooks(service.sid, PageQuery::first(10)).await.unwrap().items, []);
    let updated = store.update_webhook(&webhook, webhook.updated_at).await;
    assert_eq!(updated, Ok(Updated::NotFound));
    assert_eq!(store.delete_webhook(service.sid, webhook.sid).await, Ok(false));
    assert_eq!(store.access_token(service.sid, token.sid).await, Ok(None));

    let entity = fixture.make.entity(&service, &fixture.make.identity());
    assert_eq!(store.create_entity(&entity).await, Ok(Inserted::NoParent));
    let another = fixture.make.webhook(&service);
    assert_eq!(store.create_webhook(&another, 0).await, Ok(Inserted::NoParent));
    let token = fixture.make.access_token(&service, identity);
    assert_eq!(store.create_access_token(&token).await, Ok(Inserted::NoParent));
    let factor = fixture.make.factor(&entity.owner);
    assert_eq!(fixture.enrol(&factor, None).await, Enrolled::NoService);
}

/// Nothing below another service changes.
pub async fn deleting_a_service_leaves_the_others_alone(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let challenge = fixture.challenge(&other).await;
    assert_eq!(fixture.store.delete_service(factor.owner.service, fixture.now()).await, Ok(true));
    assert_eq!(fixture.stored(&other).await, Some(other));
    fixture.notify(&challenge, 300, InitialState::Due).await;
    assert_eq!(fixture.lease_due(10).await.len(), 1);
}
