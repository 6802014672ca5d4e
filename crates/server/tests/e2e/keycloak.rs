//! Keycloak's channel, by a stand-in that asks as Keycloak 26 was recorded to, and takes answers as it does.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::world::Clock as _;
use countersign_phone::{DenialReason, Verdict};
use countersign_standins::webhook::Webhook;
use countersign_standins::{CommonOptions, ScriptedResponse};
use serde_json::{Value, json};

use crate::duo::prompt_of;
use crate::support::TestApp;

const SECOND: Duration = Duration::from_secs(1);
const ANN: &str = "alice-0001";
const ALLOWED: &[&str] = &["outgoing.allow=127.0.0.0/8", "limits.reported_pause_hours=0"];
const CALLBACK: &str = "/realms/main/protocol/openid-connect/ext/ciba/auth/callback";

/// A Keycloak with one realm.
struct Keycloak {
    ear: Webhook,
    channel: String,
    http: reqwest::Client,
    integration: String,
}

impl Keycloak {
    async fn start(app: &TestApp, more: &[(&str, &str)]) -> Self {
        let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
        let issuer = format!("{}/realms/main", ear.url());
        let own = [
            ("FriendlyName", "Owl bank"),
            ("Kind", "keycloak"),
            ("Aliases", "ann=alice-0001"),
            ("Keycloak.Issuers", &*issuer),
        ];
        let path = format!("/v2/Services/{}/Integrations", app.service);
        let made = app.api().post(&path, &[&own[..], more].concat()).await.expect(201);
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        let (key, secret) = (text("key"), text("secret"));
        let channel = format!("http://{}/keycloak/{key}/ciba?secret={secret}", app.address());
        let integration = format!("{path}/{}", text("sid"));
        Self { ear, channel, http: app.api().client, integration }
    }

    /// A token of a realm, which no other question has.
    fn token(&self, app: &TestApp, realm: &str, seconds: i64, id: &str) -> String {
        let now = app.clock.now().as_seconds();
        let issuer = format!("{}/realms/{realm}", self.ear.url());
        let claims = json!({
            "exp": now + seconds, "iat": now, "jti": id, "iss": issuer, "aud": issuer, "azp": "shop",
        });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(&claims.to_string()), part("sum"))
    }

    async fn post(&self, channel: &str, token: &str, body: &Value) -> (u16, String) {
        let request = self.http.post(channel).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.expect("the server answers");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Asks for somebody as it was recorded.
    async fn ask(&self, token: &str, who: &str) -> u16 {
        let body = json!({
            "scope": "openid roles profile email", "binding_message": "A1", "login_hint": who,
            "is_consent_required": false, "acr_values": "",
        });
        self.post(&self.channel, token, &body).await.0
    }

    /// The statuses of this number of calls, all of which carry this token.
    async fn told(&self, calls: u64, token: &str) -> Vec<String> {
        let events = self.ear.events().wait_for(calls).await;
        let told = events.iter().map(|event| {
            assert!(event.url.ends_with(CALLBACK), "{}", event.url);
            assert_eq!(event.header("authorization"), format!("Bearer {token}"));
            let body: Value = serde_json::from_slice(&event.body).expect("JSON");
            assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
            body["status"].as_str().expect("a status").to_owned()
        });
        told.collect()
    }
}

#[tokio::test]
async fn an_answer_goes_back_to_the_realm_that_asked() {
    let app = TestApp::start_with(ALLOWED).await;
    let phone = app.enrol_phone(ANN).await;
    for (number, status) in ["SUCCEED", "CANCELLED", "UNAUTHORIZED"].into_iter().enumerate() {
        let keycloak = Keycloak::start(&app, &[]).await;
        let token = keycloak.token(&app, "main", 120, &number.to_string());
        assert_eq!(keycloak.ask(&token, "ann").await, 201);
        let prompt = prompt_of(&phone).await;
        assert_eq!(prompt.message, "Log in to Owl bank?");
        let fields: Vec<_> = prompt.fields.iter().map(|it| (&*it.label, &*it.value)).collect();
        assert_eq!(fields, [("User", "ann"), ("Client", "shop"), ("Message", "A1")]);
        match status {
            "SUCCEED" => phone.answer(&prompt.sid, Verdict::Approved).await.unwrap(),
            "CANCELLED" => phone.answer(&prompt.sid, Verdict::Denied).await.unwrap(),
            _ => phone.deny(&prompt.sid, DenialReason::NotMe).await.unwrap(),
        };
        assert_eq!(keycloak.told(1, &token).await, [status]);
        app.clock.advance(SECOND);
    }
}

#[tokio::test]
async fn an_answer_is_told_again_until_it_is_taken_and_after_a_crash() {
    let mut app = TestApp::start_with(ALLOWED).await;
    let keycloak = Keycloak::start(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let token = keycloak.token(&app, "main", 300, "1");
    keycloak.ear.script().next_to(CALLBACK, ScriptedResponse::status(503));
    assert_eq!(keycloak.ask(&token, "ann").await, 201);
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    keycloak.told(1, &token).await;
    app.crash_and_restart().await;
    while keycloak.ear.events().all().len() < 2 {
        app.pass(SECOND).await;
    }
    assert_eq!(keycloak.told(2, &token).await, ["SUCCEED", "SUCCEED"]);
    for _ in 0..60 {
        app.pass(5 * SECOND).await;
    }
    assert_eq!(keycloak.ear.events().all().len(), 2, "it was taken");
}

#[tokio::test]
async fn nobody_is_asked_by_bad_input() {
    let app = TestApp::start_with(ALLOWED).await;
    let keycloak = Keycloak::start(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let good = keycloak.token(&app, "main", 120, "1");
    let body = json!({"login_hint": "ann"});
    let wrong_secret = format!("{}x", keycloak.channel);
    let wrong_key = keycloak.channel.replace("/keycloak/DI", "/keycloak/DX");
    let no_secret = keycloak.channel.split('?').next().unwrap().to_owned();
    for channel in [wrong_secret, wrong_key, no_secret] {
        assert_eq!(keycloak.post(&channel, &good, &body).await.0, 401, "{channel}");
    }
    let tokens = [
        keycloak.token(&app, "other", 120, "2"),
        keycloak.token(&app, "main", 0, "3"),
        keycloak.token(&app, "main", -9, "4"),
        "x".to_owned(),
        "e30.e30.e30".to_owned(),
        format!("{good}.x"),
    ];
    for token in &tokens {
        assert_eq!(keycloak.post(&keycloak.channel, token, &body).await.0, 401, "{token}");
    }
    for body in [json!({}), json!([]), json!({"login_hint": 1}), json!({"login_hint": "nobody"})] {
        assert_eq!(keycloak.post(&keycloak.channel, &good, &body).await.0, 400, "{body}");
    }
    assert!(phone.challenges(None).await.unwrap().is_empty(), "no prompt");
    assert_eq!(keycloak.ask(&good, "ann").await, 201);
    assert_eq!(keycloak.ask(&good, "ann").await, 401, "a token asks once");
    prompt_of(&phone).await;
}

#[tokio::test]
async fn no_answer_goes_where_an_integration_was_deleted() {
    let app = TestApp::start_with(ALLOWED).await;
    let keycloak = Keycloak::start(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let token = keycloak.token(&app, "main", 120, "1");
    assert_eq!(keycloak.ask(&token, "ann").await, 201);
    app.api().delete(&keycloak.integration).await.expect(204);
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    app.server().engine.signals().wait_for(|counts| counts.told == 1).await;
    assert!(keycloak.ear.events().all().is_empty());
}
