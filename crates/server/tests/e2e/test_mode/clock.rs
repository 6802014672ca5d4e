//! The clock: all that falls due while it is moved has been done when the request is answered.

use std::time::Duration;

use countersign_phone::{ChallengeStatus, Verdict};
use countersign_standins::ScriptedResponse;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::{advance, app, ear, put, types};
use crate::support::TestApp;

/// The seconds since noon that a call was signed at.
fn signed_at(event: &countersign_standins::webhook::Event) -> i64 {
    let signature = event.header("countersign-signature");
    let at = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).expect("a time");
    at.parse::<i64>().expect("seconds") - 1_767_268_800
}

#[tokio::test]
async fn a_challenge_has_expired_and_the_webhook_been_called_once_the_clock_is_there() {
    let app = app().await;
    let ear = ear(&app, &["challenge.expired", "notification.expired"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    app.notify(&phone, &challenge, 30).await;
    assert_eq!(advance(&app, 29).await["now"], "2026-01-01T12:00:29.000000Z");
    assert_eq!(app.standing(&phone, &challenge).await, ["queued device_offline"; 2]);
    advance(&app, 1).await;
    let expected = ["queued device_offline", "expired device_offline"];
    assert_eq!(app.standing(&phone, &challenge).await, expected);
    advance(&app, 600).await;
    assert_eq!(app.read_challenge(&phone, &challenge).await["status"], "expired");
    let events = ear.events().all();
    let mut told = types(&events);
    // Both deadlines fall on one instant.
    told[1..].sort_unstable();
    assert_eq!(told, ["notification.expired", "challenge.expired", "notification.expired"]);
    let at: Vec<_> = events.iter().map(signed_at).collect();
    assert_eq!(at, [30, 300, 300], "each at its own time, not when the clock came to stand");
}

#[tokio::test]
async fn retries_of_a_webhook_happen_at_once_at_their_times_and_in_order() {
    let app = app().await;
    let ear = ear(&app, &["challenge.approved", "challenge.denied"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    for _ in 0..4 {
        ear.script().next(ScriptedResponse::status(500));
    }
    let first = app.challenge(&phone, "Pay 40 EUR?").await;
    phone.answer(&first, Verdict::Approved).await.unwrap();
    advance(&app, 1).await;
    let second = app.challenge(&phone, "Pay 41 EUR?").await;
    phone.answer(&second, Verdict::Denied).await.unwrap();
    advance(&app, 60 * 60).await;
    let events = ear.events().all();
    assert_eq!(types(&events), [&["challenge.approved"; 5][..], &["challenge.denied"]].concat());
    assert_eq!(events[0].field("uuid"), events[4].field("uuid"));
    let at: Vec<_> = events.iter().map(signed_at).collect();
    let pauses: Vec<_> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses[..4].iter().all(|pause| *pause >= 2), "{at:?}");
    assert!(pauses[3] > pauses[0], "{at:?}: each pause is longer");
    assert!(at[4] < 60 * 60, "{at:?}");
}

#[tokio::test]
async fn a_device_that_does_not_respond_holds_up_nothing_and_one_that_returns_gets_its_prompt() {
    let app = app().await;
    let phone = app.enrol_phone("alice-0001").await;
    let silent = phone.connect().await.unwrap();
    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    // The attempt is given up by the tester's clock, and waits for the device.
    advance(&app, 60).await;
    drop(silent);
    // The server may not have noticed, and replaces a connection only after a second.
    app.clock.advance(Duration::from_secs(1));
    let mut stream = phone.connect().await.unwrap();
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
    phone.answer(&challenge, Verdict::Approved).await.unwrap();
    let read = phone.challenge(&challenge).await.unwrap();
    assert_eq!(read.status, ChallengeStatus::Approved);
}

#[tokio::test]
async fn an_access_token_is_refused_once_its_time_has_passed() {
    let app = app().await;
    let token = app.access_token("alice-0001").await;
    advance(&app, 24 * 60 * 60).await;
    let device = app.api().with("token", &token);
    let path = format!("{}/Factors", app.entity("alice-0001"));
    assert_eq!(device.post(&path, &[("FactorType", "push")]).await.refusal(), (401, 20104));
}

#[tokio::test]
async fn it_stands_while_frozen_and_shows_where_it_is() {
    let app = app().await;
    let clock = app.api().client.get(format!("{}/_test/clock", app.api().base)).send().await;
    let clock: Value = clock.unwrap().json().await.unwrap();
    let noon = json!({ "now": "2026-01-01T12:00:00.000000Z", "frozen": false, "in_flight": 0 });
    assert_eq!(clock, noon);
    let (_, clock) = put(&app, "/_test/clock", json!({ "frozen": true })).await;
    assert_eq!(clock["frozen"], true);
    app.clock.advance(Duration::from_secs(60));
    let (_, clock) = put(&app, "/_test/clock", json!({})).await;
    assert_eq!(clock["now"], noon["now"], "no time passes");
    let (_, clock) = put(&app, "/_test/clock", json!({ "now": "2026-01-02T00:00:00Z" })).await;
    assert_eq!(
        (&clock["now"], &clock["frozen"]),
        (&json!("2026-01-02T00:00:00.000000Z"), &json!(true))
    );
    let (_, clock) = put(&app, "/_test/clock", json!({ "frozen": false })).await;
    assert_eq!(clock["frozen"], false);
    app.clock.advance(Duration::from_secs(60));
    let (_, clock) = put(&app, "/_test/clock", json!({})).await;
    assert_eq!(clock["now"], "2026-01-02T00:01:00.000000Z", "it runs on from there");
}

#[tokio::test]
async fn what_it_cannot_do_is_said() {
    let app = app().await;
    for (body, words) in [
        (json!({ "advance_seconds": -1 }), "0 or more"),
        (json!({ "advance_seconds": 1e9 }), "400 days"),
        (json!({ "now": "2025-12-31T00:00:00Z" }), "cannot go back"),
        (json!({ "now": "2028-01-01T00:00:00Z" }), "400 days"),
        (json!({ "now": "tomorrow" }), "must be a date"),
        (json!({ "now": "2026-01-02T00:00:00Z", "advance_seconds": 1 }), "not both"),
        (json!({ "timeout_seconds": 0 }), "timeout_seconds"),
        (json!({ "freeze": true }), "freeze"),
        (json!([]), "JSON"),
    ] {
        let (status, said) = put(&app, "/_test/clock", body).await;
        let message = said["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn every_response_says_that_this_is_test_mode_and_without_it_nothing_is_there() {
    let app = app().await;
    let shown = async |path: &str, accept: &str| {
        let url = format!("{}{path}", app.api().base);
        app.api().client.get(url).header(ACCEPT, accept).send().await.unwrap()
    };
    for path in ["/", "/_test/clock", "/v2/Services", "/nothing", "/healthz", "/authenticator"] {
        let said = shown(path, "application/json").await;
        assert_eq!(said.headers()["countersign-test-mode"], "clock=running", "{path}");
    }
    let root: Value = shown("/", "*/*").await.json().await.unwrap();
    assert_eq!((&root["test_mode"], &root["clock"]), (&json!(true), &json!("/_test/clock")));
    for page in ["/authenticator", "/console/sign-in", "/reference"] {
        let page = shown(page, "text/html").await.text().await.unwrap();
        assert_eq!(page.matches("TEST MODE").count(), 1, "{page}");
    }
    put(&app, "/_test/clock", json!({ "frozen": true })).await;
    let said = shown("/healthz", "*/*").await;
    assert_eq!(said.headers()["countersign-test-mode"], "clock=frozen");

    let ordinary = TestApp::start().await;
    let reply = ordinary.api().get("/_test/clock").await;
    assert_eq!(reply.refusal(), (404, 20404));
    assert!(!reply.headers.contains_key("countersign-test-mode"));
}
