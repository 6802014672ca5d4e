//! Assertions and access tokens.

use aws_lc_rs::rsa::{KeyPair, KeySize};
use serde_json::{Value, json};

use super::client::NOON;
use super::google::{GRANT, Google, SCOPE};
use crate::{Action, ScriptedResponse};

#[tokio::test]
async fn a_token_is_valid_until_it_expires() {
    let google = Google::start().await;
    let token = google.access_token().await;
    google.hands.advance(3598);
    assert_eq!(google.send(&token, &Google::message()).await.status, 200);
    google.hands.advance(1);
    let late = google.send(&token, &Google::message()).await;
    assert_eq!(late.error(), (401, "UNAUTHENTICATED", None));
    assert_eq!(google.fcm.token_requests().total(), 1);
}

#[tokio::test]
async fn tokens_can_be_revoked_all_at_once() {
    let google = Google::start().await;
    let token = google.access_token().await;
    google.fcm.revoke_access_tokens();
    assert_eq!(google.send(&token, &Google::message()).await.status, 401);
    let token = google.access_token().await;
    assert_eq!(google.send(&token, &Google::message()).await.status, 200);
    assert_eq!(google.fcm.token_requests().total(), 2);
}

#[tokio::test]
async fn every_part_of_an_assertion_is_checked() {
    let google = Google::start().await;
    let (header, claims) = (google.header(), google.claims());
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        Google::signed(&google.key, &header, &claims)
    };
    let other = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let none = json!({"alg": "none"});
    let stranger = json!({"alg": "RS256", "kid": "0123"});
    let grant = "invalid_grant";
    let refused = [
        (String::from("not a token"), grant),
        (Google::signed(&other, &header, &claims), grant),
        (Google::signed(&google.key, &none, &claims), grant),
        (Google::signed(&google.key, &stranger, &claims), grant),
        (with("iss", "somebody@example.com".into()), grant),
        (with("aud", "https://oauth2.googleapis.com/token".into()), grant),
        (with("iat", NOON.to_string().into()), grant),
        (with("iat", (NOON + 61).into()), grant),
        (with("exp", NOON.into()), grant),
        (with("exp", (NOON + 3601).into()), grant),
        (with("scope", Value::Null), "invalid_scope"),
        (with("scope", "https://www.googleapis.com/auth/drive".into()), "invalid_scope"),
        (with("scope", format!("{SCOPE} openid").into()), "invalid_scope"),
    ];
    for (assertion, word) in refused {
        let answer = google.exchange(GRANT, &assertion).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &word.into()), "{answer:?}");
    }
    let answer = google.exchange("password", &google.assertion()).await;
    assert_eq!(answer.body["error"], "unsupported_grant_type");
    let calls = google.fcm.token_requests().all();
    assert!(calls.iter().all(|call| call.status == Some(400) && call.refusal.is_some()));
}

#[tokio::test]
async fn a_token_request_must_be_a_form() {
    let google = Google::start().await;
    let body = json!({"grant_type": GRANT, "assertion": google.assertion()});
    let request = google.client.post(google.account("token_uri")).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_token_service_can_fail() {
    let google = Google::start().await;
    let script = google.fcm.token_script();
    script.next(ScriptedResponse::status(503).retry_after(7));
    let answer = google.exchange(GRANT, &google.assertion()).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("7")));

    script.next(ScriptedResponse::status(400).json(&json!({"error": "invalid_grant"})));
    let answer = google.exchange(GRANT, &google.assertion()).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &"invalid_grant".into()));

    script.next(Action::Reset);
    let form = [("grant_type", GRANT), ("assertion", &google.assertion())];
    let request = google.client.post(google.account("token_uri")).form(&form);
    request.send().await.unwrap_err();
    assert_eq!(google.fcm.token_requests().all().pop().unwrap().status, None);
    google.access_token().await;
}
