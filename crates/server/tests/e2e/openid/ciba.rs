//! Questions by CIBA, from the request to the tokens.

use std::time::Duration;

use countersign_phone::Verdict;
use serde_json::json;

use super::{ANN, Client};
use crate::duo::{next_prompt, prompt_of};
use crate::support::TestApp;
use crate::totp;

const SECOND: Duration = Duration::from_secs(1);
const POLL: (&str, &str) = ("OpenId.Ciba", "poll");

#[tokio::test]
async fn an_approval_becomes_tokens_once() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL]).await;
    let phones = [app.enrol_phone(ANN).await, app.enrol_phone(ANN).await];
    let name = client.ask(&[("binding_message", "W4SCT")]).await;
    assert_eq!(name.len(), 27);
    let prompt = prompt_of(&phones[0]).await;
    assert_eq!(prompt.message, "Log in to Owl shop?");
    let fields: Vec<_> = prompt.fields.iter().map(|it| (&*it.label, &*it.value)).collect();
    assert_eq!(fields, [("User", "ann"), ("Message", "W4SCT")]);
    let asked = app.begin(client.fetch_later(&name)).await;
    let other = prompt_of(&phones[1]).await;
    phones[1].answer(&other.sid, Verdict::Approved).await.unwrap();
    let tokens = asked.await.unwrap();
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.expect(200);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(300)));
    let claims = client.claims(tokens["id_token"].as_str().unwrap()).await;
    let now = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": client.issuer, "sub": ANN, "aud": client.id, "iat": now, "exp": now + 300,
            "auth_time": now, "acr": "urn:countersign:acr:push", "amr": ["pop", "swk", "user"],
        })
    );
    app.clock.advance(20 * SECOND);
    assert_eq!(client.fetch(&name).await.refusal(), (400, "invalid_grant"), "fetched before");

    let bearer = tokens["access_token"].as_str().unwrap();
    assert_eq!(client.user(bearer).await.expect(200), json!({"sub": ANN}));
    assert_eq!(client.user(&bearer[1..]).await.refusal(), (401, "invalid_token"));
    app.clock.advance(300 * SECOND);
    assert_eq!(client.user(bearer).await.refusal(), (401, "invalid_token"), "it is over");
}

#[tokio::test]
async fn a_client_is_told_of_a_denial_and_of_the_end() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL, ("PromptLife", "30")]).await;
    let phone = app.enrol_phone(ANN).await;
    let name = client.ask(&[]).await;
    let asked = app.begin(client.fetch_later(&name)).await;
    phone.answer(&next_prompt(&phone).await.sid, Verdict::Denied).await.unwrap();
    assert_eq!(asked.await.unwrap().refusal(), (400, "access_denied"));

    app.clock.advance(SECOND);
    let name = client.ask(&[("requested_expiry", "10")]).await;
    let asked = app.begin(client.fetch_later(&name)).await;
    app.clock.advance(10 * SECOND);
    assert_eq!(asked.await.unwrap().refusal(), (400, "expired_token"));
}

#[tokio::test]
async fn a_request_is_held_for_twenty_seconds_and_may_then_come_again() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL]).await;
    app.enrol_phone(ANN).await;
    let name = client.ask(&[("requested_expiry", "300")]).await;
    let asked = app.begin(client.fetch_later(&name)).await;
    assert_eq!(client.fetch(&name).await.refusal(), (400, "slow_down"), "at the same time");
    app.clock.advance(20 * SECOND);
    assert_eq!(asked.await.unwrap().refusal(), (400, "authorization_pending"));
    let asked = app.begin(client.fetch_later(&name)).await;
    app.clock.advance(20 * SECOND);
    assert_eq!(asked.await.unwrap().refusal(), (400, "authorization_pending"));
}

#[tokio::test]
async fn a_number_is_entered_on_the_device_and_not_shown_there() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL, ("Presence", "number")]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let form = [("scope", "openid"), ("login_hint", "ann"), ("binding_message", "A1")];
    let refused = client.post("bc-authorize", &form).await;
    assert_eq!(refused.refusal(), (400, "invalid_binding_message"));
    let name = client.ask(&[("binding_message", "64")]).await;
    let prompt = prompt_of(&phone).await;
    assert!(prompt.fields.iter().all(|field| field.value != "64"), "{prompt:?}");
    assert!(phone.answer(&prompt.sid, Verdict::Approved).await.is_err(), "without the number");
    phone.approve_with(&prompt.sid, "64").await.unwrap();
    let tokens = client.fetch(&name).await.expect(200);
    let claims = client.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["acr"], "urn:countersign:acr:push-number");
}

#[tokio::test]
async fn nobody_is_asked_without_the_code_that_the_client_must_send() {
    let app = TestApp::start().await;
    let more = [POLL, ("OpenId.UserCode", "required")];
    let client = Client::register(&app, &more).await;
    let phone = app.enrol_phone(ANN).await;
    totp::verified(&app, 6).await;
    app.clock.advance(30 * SECOND);
    let ask = async |code: &str| {
        let form = [("scope", "openid"), ("login_hint", "ann"), ("user_code", code)];
        client.post("bc-authorize", &form).await
    };
    assert_eq!(ask("").await.refusal(), (400, "missing_user_code"));
    assert_eq!(ask("12345a").await.refusal(), (400, "invalid_user_code"));
    let code = totp::code(&app, 6);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(ask(wrong).await.refusal(), (400, "invalid_user_code"));
    assert!(phone.challenges(None).await.unwrap().is_empty(), "no prompt");
    assert_eq!(ask(&code).await.status, 200);
    prompt_of(&phone).await;
    assert_eq!(ask(&code).await.refusal(), (400, "invalid_user_code"), "used before");
}

#[tokio::test]
async fn another_node_hands_out_what_the_first_was_asked_for() {
    let app = TestApp::start().await;
    let client = Client::register(&app, &[POLL]).await;
    let phone = app.enrol_phone(ANN).await;
    let name = client.ask(&[]).await;
    let node = app.other_node().await;
    let other = Client { node: node.address.to_string(), ..client.clone() };
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    let tokens = other.fetch(&name).await.expect(200);
    client.claims(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(client.fetch(&name).await.refusal(), (400, "invalid_grant"));
}
