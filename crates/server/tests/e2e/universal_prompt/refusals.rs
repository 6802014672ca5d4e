//! The refusals of Universal Prompt: bad input never leads to a prompt, nor a browser to a stranger's address.

use std::time::Duration;

use serde_json::{Value, json};

use super::ANN;
use super::client::{BACK, Portal, duo_code};
use crate::support::TestApp;

#[tokio::test]
async fn a_request_that_no_client_has_signed_or_that_is_old_is_one_refusal() {
    let app = TestApp::start().await;
    let portal = Portal::of(&app, &[]).await;
    let other = Portal::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let signed = |claims: &Value| Portal::signed(claims, &portal.secret, "HS512");
    let own = portal.request(&[]);
    let (header, rest) = {
        let own = signed(&own);
        let (header, rest) = own.split_once('.').expect("a JWS");
        (header.to_owned(), rest.to_owned())
    };
    for request in [
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(8_200),
        format!("{header}.{}", &rest[..rest.len() - 1]),
        Portal::signed(&own, &other.secret, "HS512"),
        Portal::signed(&own, &portal.secret, "none"),
        Portal::signed(&own, &portal.secret, "HS256"),
        signed(&json!({})),
        signed(&portal.request(&[("iss", json!(other.key))])),
        signed(&portal.request(&[("client_id", json!(other.key))])),
        signed(&portal.request(&[("aud", json!("https://elsewhere.example"))])),
        signed(
            &portal.request(&[("aud", json!(format!("https://{}/oauth/v1/token", portal.host)))]),
        ),
        signed(&portal.request(&[("exp", json!(portal.now()))])),
        signed(&portal.request(&[("exp", json!(portal.now() + 361))])),
        signed(&portal.request(&[("exp", json!("soon"))])),
        signed(&portal.assertion("token", &[])),
    ] {
        let refused = portal.ask_with(&request, "").await;
        assert_eq!((refused.status, refused.location()), (400, ""), "{request}");
        assert!(refused.text.contains("no client of this server"), "{}", refused.text);
    }
    let mut stranger = other;
    stranger.key = "DIAAAAAAAAAAAAAAAAAA".to_owned();
    assert!(
        stranger.ask(&stranger.request(&[]), "").await.text.contains("no client of this server")
    );
    assert!(phone.challenges(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_signed_request_is_refused_for_its_fault_and_sends_nobody_elsewhere() {
    let app = TestApp::start().await;
    let portal = Portal::of(&app, &[]).await;
    for (name, value) in [
        ("scope", json!("email")),
        ("response_type", json!("token")),
        ("state", json!("short")),
        ("state", json!("s".repeat(1_025))),
        ("duo_uname", json!("")),
        ("duo_uname", json!("x".repeat(257))),
    ] {
        let refused = portal.ask(&portal.request(&[(name, value)]), "").await;
        assert_eq!((refused.status, refused.location()), (400, ""), "{name}");
    }
    assert_eq!(portal.ask(&portal.request(&[]), "short").await.status, 400);
    for address in
        [format!("{BACK}8"), BACK.replace('7', "%37"), "https://evil.example/".to_owned()]
    {
        let refused = portal.ask(&portal.request(&[("redirect_uri", json!(address))]), "").await;
        assert_eq!((refused.status, refused.location()), (400, ""), "{address}");
        assert!(refused.text.contains("redirect_uri"), "{}", refused.text);
    }
    app.api().post(&portal.path, &[("Duo.RedirectUris", "")]).await.expect(200);
    assert_eq!(portal.ask(&portal.request(&[]), "").await.status, 400, "it is off");
}

#[tokio::test]
async fn a_client_that_is_not_known_is_told_so_and_one_that_is_suspended_is_not() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=0"]).await;
    let portal = Portal::of(&app, &[]).await;
    for more in [
        ("iss", json!("x")),
        ("sub", json!("x")),
        ("aud", json!(format!("https://{}/oauth/v1/token", portal.host))),
        ("exp", json!(portal.now())),
        ("exp", json!(portal.now() + 361)),
        ("jti", json!("")),
    ] {
        let (status, body) =
            portal.health(&portal.assertion("health_check", std::slice::from_ref(&more))).await;
        assert_eq!((status, &body["stat"]), (401, &json!("FAIL")), "{more:?}");
        let said = [&body["code"], &body["message"]];
        assert_eq!(said, [&json!(40_103), &json!("invalid_client")]);
        assert!(body["message_detail"].is_string());
    }
    let (status, body) = portal.post("health_check", &[]).await;
    assert_eq!((status, &body["stat"], &body["code"]), (400, &json!("FAIL"), &json!(40_002)));
    let assertion = portal.assertion("health_check", &[]);
    assert_eq!(portal.health(&assertion).await.0, 200);
    app.server().verify.suspend_account(app.account.parse().unwrap()).await.unwrap();
    assert_eq!(portal.health(&assertion).await.0, 200, "a failure could let people in");
    assert_eq!(portal.ask(&portal.request(&[]), "").await.status, 400, "nobody gets further");
}

#[tokio::test]
async fn an_assertion_counts_once_and_a_code_for_one_client_and_address_and_a_minute() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=0"]).await;
    let portal = Portal::of(&app, &[]).await;
    let other = Portal::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let code = duo_code(&portal.sign_in(&phone, &portal.request(&[]), "").await);
    let word = |(status, body): (u16, Value)| {
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    let grant = |status: u16, error: &str| (status, error.to_owned());
    let invalid = grant(400, "invalid_grant");
    let spent = Portal::signed(&portal.assertion("token", &[]), &portal.secret, "HS512");
    let with = [("client_assertion", &*spent), ("redirect_uri", "https://portal.example.com/duo")];
    assert_eq!(word(portal.fetch(&code, &with).await), invalid, "another address");
    let refused = portal.fetch(&code, &[("client_assertion", &*spent)]).await;
    assert_eq!(word(refused), grant(401, "invalid_client"), "it was used");
    assert_eq!(word(other.fetch(&code, &[]).await), invalid, "another client");
    assert_eq!(word(portal.fetch("x", &[]).await), invalid);
    for (name, value, error) in [
        ("code", "", grant(400, "invalid_request")),
        ("redirect_uri", "", grant(400, "invalid_request")),
        ("client_assertion", "", grant(400, "invalid_request")),
        ("client_assertion", "a.b.c", grant(401, "invalid_client")),
        ("client_assertion_type", "x", grant(401, "invalid_client")),
        ("grant_type", "password", grant(400, "unsupported_grant_type")),
        ("client_id", "DIAAAAAAAAAAAAAAAAAA", grant(401, "invalid_client")),
    ] {
        assert_eq!(word(portal.fetch(&code, &[(name, value)]).await), error, "{name}={value}");
    }
    assert_eq!(portal.fetch(&code, &[]).await.0, 200);

    let late = duo_code(&portal.sign_in(&phone, &portal.request(&[]), "").await);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(word(portal.fetch(&late, &[]).await), invalid, "late");
}
