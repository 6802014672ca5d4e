//! Integrations: what an application sets up, and what the doors then find.

use std::sync::Arc;

use countersign_domain::integration::{IntegrationKey, IntegrationKind};
use countersign_verify::{AuthError, OpenedIntegration};
use serde_json::{Value, json};

use crate::support::TestApp;

const SSH: [(&str, &str); 2] = [("FriendlyName", "ssh"), ("Kind", "duo")];

fn list(app: &TestApp) -> String {
    format!("/v2/Services/{}/Integrations", app.service)
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect(name).to_owned()
}

fn key(body: &Value) -> IntegrationKey {
    text(body, "key").parse().expect("a key")
}

/// The integration that a door finds for the key of a signed request.
async fn open(app: &TestApp, key: IntegrationKey) -> Result<Arc<OpenedIntegration>, AuthError> {
    let (verify, kind) = (&app.server().verify, IntegrationKind::Duo);
    verify.authenticate_integration(None, kind, key.as_str(), |_| true).await
}

/// The secret that a door finds for a key.
async fn found(app: &TestApp, key: IntegrationKey) -> Option<String> {
    match open(app, key).await {
        Ok(opened) => Some(opened.secret.expose().to_owned()),
        Err(AuthError::Unknown) => None,
        Err(error) => panic!("it is not read: {error}"),
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_counts_until_another_replaces_it() {
    let app = TestApp::start().await;
    let made = app.api().post(&list(&app), &SSH).await.expect(201);
    let path = format!("{}/{}", list(&app), text(&made, "sid"));
    assert_eq!((text(&made, "key").len(), text(&made, "secret").len()), (20, 40));
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(app.api().get(&path).await.expect(200), shown);
    assert_eq!(app.api().get(&list(&app)).await.expect(200)["integrations"], json!([shown]));
    assert_eq!(found(&app, key(&made)).await, Some(text(&made, "secret")));

    let rotated = app.api().post(&format!("{path}/Secret"), &[]).await.expect(200);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(found(&app, key(&made)).await, Some(text(&rotated, "secret")));
    let refused = app.api().get(&format!("{path}/Secret")).await;
    assert_eq!(refused.refusal(), (405, 20004), "it cannot be read");
    assert_eq!(app.api().delete(&path).await.status, 204);
    assert_eq!(found(&app, key(&made)).await, None);
}

#[tokio::test]
async fn no_door_finds_an_integration_of_a_deleted_service_or_a_suspended_account() {
    let app = TestApp::start().await;
    let vpn = [("FriendlyName", "vpn"), ("Kind", "radius"), ("Networks", "192.0.2.0/24")];
    let made = app.api().post(&list(&app), &SSH).await.expect(201);
    let radius = app.api().post(&list(&app), &vpn).await.expect(201);
    assert_eq!(text(&radius, "secret").len(), 32);
    let of_kind = app.server().verify.opened_integrations(IntegrationKind::Radius).await.unwrap();
    let [opened] = of_kind.as_slice() else { panic!("{of_kind:?}") };
    assert_eq!(opened.secret.expose(), text(&radius, "secret"));
    assert_eq!(app.server().verify.is_integration_usable(opened).await, Ok(true));
    let account = app.account.parse().expect("a SID");
    app.server().verify.suspend_account(account).await.expect("it is suspended");
    assert_eq!(open(&app, key(&made)).await.err(), Some(AuthError::Suspended));
    assert_eq!(app.server().verify.is_integration_usable(opened).await, Ok(false));
    app.server().verify.resume_account(account).await.expect("it is resumed");
    assert!(found(&app, key(&made)).await.is_some());
    let service = format!("/v2/Services/{}", app.service);
    assert_eq!(app.api().delete(&service).await.status, 204);
    assert_eq!(found(&app, key(&made)).await, None);
    assert_eq!(app.server().verify.is_integration_usable(opened).await, Ok(false));
}

#[tokio::test]
async fn a_user_name_has_the_identity_that_the_integration_tells() {
    let app = TestApp::start().await;
    let form = [&SSH[..], &[("UserRule", "strip_domain"), ("Aliases", "root=alice-0001")]].concat();
    let made = app.api().post(&list(&app), &form).await.expect(201);
    let path = format!("{}/{}", list(&app), text(&made, "sid"));
    let identity = async |name: &str| {
        let reply = app.api().get(&format!("{path}/Identity?UserName={name}")).await;
        reply.expect(200)["identity"].clone()
    };
    assert_eq!(identity("Root").await, "alice-0001");
    assert_eq!(identity("ann").await.as_str().map(str::len), Some(64));
    assert_eq!(identity("CORP%5CAnn").await, identity("ann%40corp.example").await);
    for (query, code) in [("", 20001), ("?UserName=", 60306), ("?UserName=%40corp", 60306)] {
        let refused = app.api().get(&format!("{path}/Identity{query}")).await;
        assert_eq!(refused.refusal(), (400, code), "{query}");
    }
    app.api().post(&path, &[("UserRule", "exact"), ("Aliases", "")]).await.expect(200);
    let refused = app.api().get(&format!("{path}/Identity?UserName=root")).await;
    assert_eq!(refused.refusal(), (400, 60306));
    assert_eq!(refused.body["details"]["parameter"], "UserName");
}

#[tokio::test]
async fn a_radius_client_is_known_by_its_networks() {
    let app = TestApp::start().await;
    let form = [("FriendlyName", "vpn"), ("Kind", "radius")];
    let refused = app.api().post(&list(&app), &form).await;
    assert_eq!(refused.refusal(), (400, 60306));
    assert_eq!(refused.body["details"]["parameter"], "Networks");
    let form = [&form[..], &[("Networks", "192.0.2.0/24"), ("Networks", "2001:db8::7")]].concat();
    let made = app.api().post(&list(&app), &form).await.expect(201);
    assert_eq!(made["networks"], json!(["192.0.2.0/24", "2001:db8::7/128"]));
    let defaults = json!({"mode": "wait", "message_authenticator": "required"});
    assert_eq!((&made["radius"], &made["legacy"]), (&defaults, &Value::Null));
    let path = format!("{}/{}", list(&app), text(&made, "sid"));
    for form in [("Networks", ""), ("Legacy", "true")] {
        let refused = app.api().post(&path, &[form]).await;
        assert_eq!(refused.refusal(), (400, 60306), "{form:?}");
        assert_eq!(refused.body["details"]["parameter"], form.0);
    }
    let changed = app.api().post(&path, &[("Radius.Mode", "challenge")]).await.expect(200);
    assert_eq!(changed["radius"]["mode"], "challenge");
}

#[tokio::test]
async fn only_the_application_reaches_its_integrations() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let made = app.api().post(&list(&app), &SSH).await.expect(201);
    let path = format!("{}/{}", list(&app), text(&made, "sid"));
    let (device, stranger) = (app.device(&phone), app.stranger().await);
    let (secret, identity) = (format!("{path}/Secret"), format!("{path}/Identity?UserName=ann"));
    for (caller, refusal) in [(&device, (403, 20403)), (&stranger, (404, 20404))] {
        assert_eq!(caller.post(&list(&app), &SSH).await.refusal(), refusal);
        assert_eq!(caller.post(&secret, &[]).await.refusal(), refusal);
        for path in [&list(&app), &path, &identity] {
            assert_eq!(caller.get(path).await.refusal(), refusal, "{path}");
        }
    }
    assert_eq!(found(&app, key(&made)).await, Some(text(&made, "secret")));
}
