//! Universal Prompt, by a client that signs its requests itself.

mod client;
mod refusals;

use std::time::Duration;

use serde_json::json;

use client::{BACK, Portal, STATE, duo_code};

use crate::duo::next_prompt;
use crate::openid::shop::{onward, value};
use crate::support::TestApp;
use crate::totp;

const ANN: &str = "alice-0001";
const NONCE: &str = "a-nonce-of-the-client";

#[tokio::test]
async fn a_user_whom_the_client_has_signed_for_approves_with_a_tap() {
    let app = TestApp::start().await;
    let portal = Portal::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let (status, body) = portal.health(&portal.assertion("health_check", &[])).await;
    assert_eq!(
        (status, body),
        (200, json!({"stat": "OK", "response": {"timestamp": portal.now()}}))
    );

    let back = portal.sign_in(&phone, &portal.request(&[("duo_uname", json!("Ann"))]), NONCE).await;
    assert!(back.as_str().starts_with(&format!("{BACK}&")), "{back}");
    assert_eq!(value(&back, "state").as_deref(), Some(STATE));
    let (status, tokens) = portal.fetch(&duo_code(&back), &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert!(tokens["access_token"].is_string());
    let claims = portal.claims(tokens["id_token"].as_str().unwrap());
    let (now, txid) = (portal.now(), &claims["auth_context"]["txid"]);
    assert_eq!(
        claims,
        json!({
            "iss": format!("https://{}/oauth/v1/token", portal.host), "sub": "Ann", "aud": portal.key,
            "iat": now, "exp": now + 300, "auth_time": now, "preferred_username": "Ann", "nonce": NONCE,
            "auth_result": {"result": "allow", "status": "allow", "status_msg": "Login Successful"},
            "auth_context": {
                "application": {"key": portal.key, "name": "Owl portal"}, "event_type": "authentication",
                "factor": "duo_push", "reason": "user_approved", "result": "success", "timestamp": now,
                "txid": txid, "user": {"name": "Ann"},
            },
        })
    );
    let (status, again) = portal.fetch(&duo_code(&back), &[]).await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")), "it counts once");
}

#[tokio::test]
async fn a_client_may_want_a_number_a_plain_code_a_form_and_long_values() {
    let app = TestApp::start().await;
    let to = format!("{BACK}&{}", "p".repeat(2_047 - BACK.len()));
    let portal = Portal::of(&app, &[("Presence", "number"), ("Duo.RedirectUris", &to)]).await;
    let phone = app.enrol_phone_with_numbers(ANN).await;
    let ends: serde_json::Value = format!("{}.5", portal.now() + 299).parse().unwrap();
    let (state, nonce) = ("s".repeat(1_024), "n".repeat(1_024));
    let claims = portal.request(&[
        ("redirect_uri", json!(to)),
        ("use_duo_code_attribute", json!(false)),
        ("exp", ends),
        ("state", json!(state)),
    ]);
    let (address, page) = portal.waiting(&claims, &nonce).await;
    let prompt = next_prompt(&phone).await;
    assert_eq!(prompt.message, "Sign in to Owl portal?");
    phone.approve_with(&prompt.sid, &page.number()).await.unwrap();
    let back = onward(&portal.browser.get(&address).await);
    assert_eq!(value(&back, "state"), Some(state));
    let code = value(&back, "code").unwrap();
    let assertion = Portal::signed(&portal.assertion("token", &[]), &portal.secret, "HS512");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", &*to),
        ("client_id", &*portal.key),
        ("client_assertion", &*assertion),
    ];
    let (status, tokens) = portal.post("token", &form).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = portal.claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(claims["auth_context"]["factor"], "verified_duo_push");
    assert_eq!(claims["nonce"], nonce);
}

#[tokio::test]
async fn a_code_of_an_authenticator_app_signs_in_too() {
    let app = TestApp::start().await;
    let portal = Portal::of(&app, &[]).await;
    totp::verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(30));
    let (_, page) = portal.waiting(&portal.request(&[]), "").await;
    let done = portal.browser.type_code(&page, &totp::code(&app, 6)).await;
    let (status, tokens) = portal.fetch(&duo_code(&onward(&done)), &[]).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = portal.claims(tokens["id_token"].as_str().unwrap());
    let context = &claims["auth_context"];
    assert_eq!(
        (&context["factor"], &context["reason"]),
        (&json!("passcode"), &json!("valid_passcode"))
    );
    assert_eq!(claims.get("nonce"), None, "none was sent");
}

#[tokio::test]
async fn a_user_without_a_device_is_told_so_and_a_paused_one_too() {
    let app = TestApp::start().await;
    let portal = Portal::of(&app, &[]).await;
    let said = async |user: &str| {
        let led = portal.ask(&portal.request(&[("duo_uname", json!(user))]), "").await;
        let page = portal.browser.get(led.location()).await;
        portal.browser.say(&page, "", "").await.text
    };
    assert!(said("nobody").await.contains("no device that can be asked"));
    let phone = app.enrol_phone(ANN).await;
    let protection = format!("/v2/Services/{}/Entities/{ANN}/Protection", app.service);
    app.api().post(&protection, &[("Paused", "true")]).await.expect(200);
    assert!(said("ann").await.contains("is paused"));
    assert!(phone.challenges(None).await.unwrap().is_empty());
}
