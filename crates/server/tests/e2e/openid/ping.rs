//! CIBA in the mode `ping`: the client is called, and then fetches the answer.

use std::time::Duration;

use countersign_phone::Verdict;
use countersign_standins::webhook::Webhook;
use countersign_standins::{CommonOptions, ScriptedResponse};
use serde_json::{Value, json};

use super::{ANN, Client};
use crate::duo::prompt_of;
use crate::support::TestApp;

const SECOND: Duration = Duration::from_secs(1);
const ALLOWED: &[&str] = &["outgoing.allow=127.0.0.0/8"];
const TOKEN: (&str, &str) = ("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255");

/// A client that is called at a listener.
async fn register(app: &TestApp) -> (Client, Webhook) {
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let endpoint = format!("{}/ciba", ear.url());
    let more = [("OpenId.Ciba", "ping"), ("OpenId.NotificationEndpoint", &*endpoint)];
    (Client::register(app, &more).await, ear)
}

#[tokio::test]
async fn a_client_is_called_by_its_own_token_and_fetches_the_answer() {
    let app = TestApp::start_with(ALLOWED).await;
    let (client, ear) = register(&app).await;
    let phone = app.enrol_phone(ANN).await;
    let form = [("scope", "openid"), ("login_hint", "ann")];
    let refused = client.post("bc-authorize", &form).await;
    assert_eq!(refused.refusal(), (400, "invalid_request"), "without a token");
    let name = client.ask(&[TOKEN]).await;
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    let events = ear.events().wait_for(1).await;
    assert_eq!(events[0].header("authorization"), format!("Bearer {}", TOKEN.1));
    assert_eq!(events[0].header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&events[0].body).unwrap();
    assert_eq!((body, &*events[0].method), (json!({"auth_req_id": name}), "POST"));
    client.fetch(&name).await.expect(200);
}

#[tokio::test]
async fn a_client_that_does_not_take_the_call_is_called_again_and_at_the_end_of_the_question() {
    let app = TestApp::start_with(ALLOWED).await;
    let (client, ear) = register(&app).await;
    app.enrol_phone(ANN).await;
    ear.script().next_to("/ciba", ScriptedResponse::status(503));
    let name = client.ask(&[TOKEN]).await;
    app.pass(60 * SECOND).await;
    let first = ear.events().wait_for(1).await;
    assert_eq!(first[0].status, Some(503));
    while ear.events().all().len() < 2 {
        app.pass(SECOND).await;
    }
    assert_eq!(client.fetch(&name).await.refusal(), (400, "expired_token"));
}
