//! Integrations.

use std::sync::Arc;

use countersign_domain::client_url::{ClientUrl, ClientUrls};
use countersign_domain::integration::{
    Integration, IntegrationKind, IntegrationSettings, MessageAuthenticator, RadiusMode,
    UnknownUsers,
};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::openid_client::{CibaMode, OpenIdClient, UserCode};
use countersign_domain::secret::Sealed;
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sites::Sites;
use countersign_domain::source_networks::SourceNetworks;
use countersign_domain::text::FriendlyName;
use countersign_domain::user_mapping::{Aliases, UserMapping, UserRule};
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Inserted, Updated};

/// It is found in its own service, and by its key.
pub async fn an_integration_reads_back_as_it_was_stored(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let integration = fixture.make.integration(&service);
    let store = &fixture.store;
    assert_eq!(store.create_integration(&integration, 0).await, Ok(Inserted::Done));
    assert_eq!(store.create_integration(&integration, 0).await, Ok(Inserted::NotUnique));
    let (sid, key) = (integration.sid, integration.key);
    assert_eq!(store.integration(other.sid, sid).await, Ok(None));
    assert_eq!(store.delete_integration(other.sid, sid).await, Ok(false));
    assert_eq!(store.integration(service.sid, sid).await, Ok(Some(integration.clone())));
    assert_eq!(store.integration_by_key(key).await, Ok(Some(integration)));
    let unknown = fixture.make.integration(&service).key;
    assert_eq!(store.integration_by_key(unknown).await, Ok(None));
}

/// Of two integrations with one key the second is not stored, whatever its service.
pub async fn the_key_of_an_integration_is_unique(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let first = fixture.make.integration(&service);
    let second = Integration { key: first.key, ..fixture.make.integration(&other) };
    assert_eq!(store.create_integration(&first, 0).await, Ok(Inserted::Done));
    assert_eq!(store.create_integration(&second, 0).await, Ok(Inserted::NotUnique));
    assert_eq!(store.delete_integration(service.sid, first.sid).await, Ok(true));
    assert_eq!(store.integration_by_key(first.key).await, Ok(None));
    assert_eq!(store.create_integration(&second, 0).await, Ok(Inserted::Done));
}

/// Without it nothing is stored, and nothing is found after its deletion.
pub async fn an_integration_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let integration = fixture.make.integration(&service);
    let store = &fixture.store;
    assert_eq!(store.create_integration(&integration, 0).await, Ok(Inserted::NoParent));
    assert_eq!(store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(store.integration(service.sid, integration.sid).await, Ok(None));
    assert_eq!(store.create_integration(&integration, 0).await, Ok(Inserted::Done));
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
    let (sid, key, kind) = (integration.sid, integration.key, integration.kind);
    assert_eq!(store.integration(service.sid, sid).await, Ok(None));
    assert_eq!(store.integration_by_key(key).await, Ok(None));
    assert_eq!(store.integrations_of_kind(kind, 9).await, Ok(Vec::new()));
    assert_eq!(store.integrations(service.sid, PageQuery::first(9)).await.unwrap().items, []);
    let updated = store.update_integration(&integration, integration.updated_at).await;
    assert_eq!(updated, Ok(Updated::NotFound));
    assert_eq!(store.delete_integration(service.sid, sid).await, Ok(false));
}

/// Concurrent commands do not exceed the limit. Stored integrations stay, and can be changed.
pub async fn a_service_has_only_so_many_integrations(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let mut asked = JoinSet::new();
    for _ in 0..6 {
        let (store, made) = (Arc::clone(store), fixture.make.integration(&service));
        asked.spawn(async move { (store.create_integration(&made, 2).await.unwrap(), made) });
    }
    let asked = asked.join_all().await;
    let of = |outcome| asked.iter().filter(move |(it, _)| *it == outcome).map(|(_, made)| made);
    assert_eq!((of(Inserted::Done).count(), of(Inserted::TooMany).count()), (2, 4));
    let foreign = fixture.make.integration(&other);
    assert_eq!(store.create_integration(&foreign, 2).await, Ok(Inserted::Done));
    let there = of(Inserted::Done).next().unwrap();
    let refused = of(Inserted::TooMany).next().unwrap();
    assert_eq!(store.create_integration(refused, 1).await, Ok(Inserted::TooMany));
    assert_eq!(store.update_integration(there, there.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.delete_integration(service.sid, there.sid).await, Ok(true));
    assert_eq!(store.create_integration(refused, 2).await, Ok(Inserted::Done), "one was deleted");
}

/// Of two commands that read the same version, one replaces it. So is the secret replaced; kind and key stay.
pub async fn an_integration_is_replaced_only_if_nobody_was_faster(fixture: &Fixture) {
    let service = fixture.service().await;
    let mut was = fixture.make.integration(&service);
    was.settings.users.aliases = Aliases::parse(["adm=bob-00001"].into_iter()).unwrap();
    let store = &fixture.store;
    assert_eq!(store.create_integration(&was, 0).await, Ok(Inserted::Done));
    fixture.pass(1);
    let aliases = Aliases::parse(["root=alice-0001"].into_iter()).unwrap();
    let now = Integration {
        secret: Sealed::from_bytes(vec![7; 70]),
        settings: IntegrationSettings {
            friendly_name: FriendlyName::parse("renamed").unwrap(),
            users: UserMapping { rule: UserRule::StripDomain, aliases },
            unknown_users: UnknownUsers::Enrol,
            presence: Some(PresenceList::parse("number,code").unwrap()),
            networks: SourceNetworks::parse(["192.0.2.0/24"].into_iter()).unwrap(),
            prompt_seconds: 90,
            legacy: true,
            duo_redirect_uris: ClientUrls::parse(["https://shop.example/duo"].into_iter()).unwrap(),
            radius_mode: RadiusMode::Challenge,
            message_authenticator: MessageAuthenticator::Optional,
            openid: OpenIdClient {
                redirect_uris: ClientUrls::parse(["https://shop.example/cb"].into_iter()).unwrap(),
                id_token_alg: JwsAlgorithm::Es256,
                ciba: CibaMode::Ping,
                notification_endpoint: ClientUrl::parse("https://shop.example/ciba").ok(),
                user_code: UserCode::Required,
            },
            keycloak_issuers: ClientUrls::parse(["https://sso.example/realms/a"].into_iter())
                .unwrap(),
            sites: Sites::parse(["https://a.example"].into_iter()).unwrap(),
            session_seconds: 600,
        },
        updated_at: fixture.now(),
        ..was.clone()
    };
    assert_eq!(store.update_integration(&now, was.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.update_integration(&was, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.integration(service.sid, was.sid).await, Ok(Some(now.clone())));
    assert_eq!(store.delete_integration(service.sid, was.sid).await, Ok(true));
    assert_eq!(store.delete_integration(service.sid, was.sid).await, Ok(false));
    assert_eq!(store.update_integration(&was, now.updated_at).await, Ok(Updated::NotFound));
    assert_eq!(store.integration(service.sid, was.sid).await, Ok(None));
}

/// Only those of the service; one that is deleted in between does not disturb the order.
pub async fn integrations_are_listed_page_by_page(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let (made, foreign) =
            (fixture.make.integration(&service), fixture.make.integration(&other));
        for integration in [&made, &foreign] {
            assert_eq!(store.create_integration(integration, 0).await, Ok(Inserted::Done));
        }
        sids.push(made.sid);
        fixture.pass(1);
    }
    let read = async |page| store.integrations(service.sid, page).await.unwrap().map(|it| it.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_integration(service.sid, sid).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}

/// Of all services, the oldest first, and no more than asked for.
pub async fn integrations_of_a_kind_are_read_together(fixture: &Fixture) {
    let store = &fixture.store;
    let mut radius = Vec::new();
    for _ in 0..3 {
        let service = fixture.service().await;
        let duo = fixture.make.integration(&service);
        let made =
            Integration { kind: IntegrationKind::Radius, ..fixture.make.integration(&service) };
        for integration in [&duo, &made] {
            assert_eq!(store.create_integration(integration, 0).await, Ok(Inserted::Done));
        }
        radius.push(made);
        fixture.pass(1);
    }
    assert_eq!(store.integrations_of_kind(IntegrationKind::Radius, 9).await.unwrap(), radius);
    assert_eq!(store.integrations_of_kind(IntegrationKind::Radius, 2).await.unwrap(), radius[..2]);
    assert_eq!(store.integrations_of_kind(IntegrationKind::Duo, 9).await.unwrap().len(), 3);
}
