//! Webhooks.

use std::sync::Arc;

use countersign_domain::text::FriendlyName;
use countersign_domain::webhook::{EventType, Webhook, WebhookUrl, WebhookVersion};

use tokio::task::JoinSet;

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::seam::{Inserted, Updated};

/// It is found in its own service only.
pub async fn a_webhook_reads_back_as_it_was_stored(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let webhook = fixture.make.webhook(&service);
    let store = &fixture.store;
    assert_eq!(store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    assert_eq!(store.create_webhook(&webhook, 0).await, Ok(Inserted::NotUnique));
    assert_eq!(store.webhook(other.sid, webhook.sid).await, Ok(None));
    assert_eq!(store.delete_webhook(other.sid, webhook.sid).await, Ok(false));
    assert_eq!(store.webhook(service.sid, webhook.sid).await, Ok(Some(webhook)));
}

/// Without it nothing is stored.
pub async fn a_webhook_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let webhook = fixture.make.webhook(&service);
    assert_eq!(fixture.store.create_webhook(&webhook, 0).await, Ok(Inserted::NoParent));
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.webhook(service.sid, webhook.sid).await, Ok(None));
}

/// Concurrent commands do not exceed the limit. Stored webhooks stay, and can be changed.
pub async fn a_service_has_only_so_many_webhooks(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let mut asked = JoinSet::new();
    for _ in 0..6 {
        let (store, webhook) = (Arc::clone(store), fixture.make.webhook(&service));
        asked.spawn(async move { (store.create_webhook(&webhook, 2).await.unwrap(), webhook) });
    }
    let asked = asked.join_all().await;
    let of = |outcome| asked.iter().filter(move |(it, _)| *it == outcome).map(|(_, hook)| hook);
    assert_eq!((of(Inserted::Done).count(), of(Inserted::TooMany).count()), (2, 4));
    assert_eq!(store.create_webhook(&fixture.make.webhook(&other), 2).await, Ok(Inserted::Done));
    let there = of(Inserted::Done).next().unwrap();
    let refused = of(Inserted::TooMany).next().unwrap();
    assert_eq!(store.webhook(service.sid, refused.sid).await, Ok(None));
    assert_eq!(
        store.create_webhook(refused, 1).await,
        Ok(Inserted::TooMany),
        "the limit was lowered"
    );
    let off = Webhook { enabled: false, ..there.clone() };
    assert_eq!(store.update_webhook(&off, there.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.delete_webhook(service.sid, there.sid).await, Ok(true));
    assert_eq!(store.create_webhook(refused, 2).await, Ok(Inserted::Done), "one was deleted");
}

/// Of two commands that read the same version, one replaces it.
pub async fn a_webhook_is_replaced_only_if_nobody_was_faster(fixture: &Fixture) {
    let service = fixture.service().await;
    let was = fixture.make.webhook(&service);
    let store = &fixture.store;
    assert_eq!(store.create_webhook(&was, 0).await, Ok(Inserted::Done));
    fixture.pass(1);
    let now = Webhook {
        friendly_name: FriendlyName::parse("renamed").unwrap(),
        event_types: vec![EventType::All, EventType::NotificationFailed],
        url: WebhookUrl::parse("http://127.0.0.1:9/").unwrap(),
        enabled: false,
        version: WebhookVersion::V1,
        updated_at: fixture.now(),
        ..was.clone()
    };
    assert_eq!(store.update_webhook(&now, was.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.update_webhook(&was, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.webhook(service.sid, was.sid).await, Ok(Some(now.clone())));
    assert_eq!(store.delete_webhook(service.sid, was.sid).await, Ok(true));
    assert_eq!(store.delete_webhook(service.sid, was.sid).await, Ok(false));
    assert_eq!(store.update_webhook(&was, now.updated_at).await, Ok(Updated::NotFound));
    assert_eq!(store.webhook(service.sid, was.sid).await, Ok(None));
}

/// Only those of the service; a webhook deleted in between does not disturb the order.
pub async fn webhooks_are_listed_page_by_page(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let (webhook, foreign) = (fixture.make.webhook(&service), fixture.make.webhook(&other));
        for webhook in [&webhook, &foreign] {
            assert_eq!(store.create_webhook(webhook, 0).await, Ok(Inserted::Done));
        }
        sids.push(webhook.sid);
        fixture.pass(1);
    }
    let read = async |page| store.webhooks(service.sid, page).await.unwrap().map(|w| w.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_webhook(service.sid, sid).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}
