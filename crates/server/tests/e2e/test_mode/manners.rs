//! Bad manners: what an application and a device see of them.

use std::time::Duration;

use countersign_phone::{Platform, Verdict};
use countersign_standins::ScriptedResponse;
use reqwest::Method;
use serde_json::{Value, json};

use super::{advance, app, ear, put, types};
use crate::support::TestApp;

/// Sets the manners; what is shown then.
async fn manners(app: &TestApp, shares: Value) -> Value {
    let (status, shown) = put(app, "/_test/manners", shares).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

/// How often a kind has happened.
async fn done(app: &TestApp, kind: &str) -> u64 {
    let url = format!("{}/_test/manners", app.api().base);
    let sent = app.api().client.get(url).send().await.expect("it answers");
    let shown: Value = sent.json().await.expect("JSON");
    shown["done"][kind].as_u64().unwrap_or_else(|| panic!("{kind}: {shown}"))
}

#[tokio::test]
async fn requests_of_the_api_are_refused_as_by_an_overloaded_server() {
    let app = app().await;
    for (kind, refusal) in [("too_many_requests", (429, 20429)), ("unavailable", (503, 20503))] {
        manners(&app, json!({ kind: 1 })).await;
        let reply = app.api().get("/v2/Services").await;
        assert_eq!((reply.refusal(), reply.header("retry-after")), (refusal, "1"));
        assert_eq!(reply.header("countersign-bad-manners"), kind);
        assert_eq!(app.api().post("/v1/Credentials", &[]).await.refusal(), refusal);
        assert_eq!(done(&app, kind).await, 2);
        for path in ["/healthz", "/authenticator", "/openapi.json"] {
            let page = app.api().request(Method::GET, path).send().await.unwrap();
            assert_eq!(page.status(), 200, "{path}");
        }
    }
    manners(&app, json!({})).await;
    app.api().get("/v2/Services").await.expect(200);
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_was_carried_out() {
    let app = app().await;
    manners(&app, json!({ "answers_lost": 1 })).await;
    let lost = app.api().post("/v2/Services", &[("FriendlyName", "again")]).await;
    assert_eq!(lost.refusal(), (503, 20503));
    manners(&app, json!({})).await;
    let listed = app.api().get("/v2/Services").await.expect(200);
    assert_eq!(listed["services"].as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test]
async fn the_same_seed_refuses_the_same_requests() {
    let app = app().await;
    let statuses = async |seed: u64| {
        manners(&app, json!({ "seed": seed, "too_many_requests": 0.3, "unavailable": 0.3 })).await;
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(app.api().get("/v2/Services").await.status);
        }
        statuses
    };
    let first = statuses(7).await;
    for status in [200, 429, 503] {
        assert!(first.contains(&status), "{first:?}");
    }
    assert_eq!(statuses(7).await, first);
    assert_ne!(statuses(8).await, first);
}

#[tokio::test]
async fn a_webhook_is_called_twice_under_one_uuid() {
    let app = app().await;
    let ear = ear(&app, &["challenge.expired"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    app.challenge(&phone, "Pay 40 EUR?").await;
    manners(&app, json!({ "webhooks_doubled": 1 })).await;
    advance(&app, 300).await;
    let events = ear.events().all();
    assert_eq!(types(&events), ["challenge.expired"; 2]);
    assert_eq!(events[0].field("uuid"), events[1].field("uuid"));
}

#[tokio::test]
async fn a_webhook_is_called_after_the_next_event() {
    let app = app().await;
    let ear = ear(&app, &["challenge.approved", "challenge.denied"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    ear.script().next(ScriptedResponse::status(500));
    let first = app.challenge(&phone, "Pay 40 EUR?").await;
    phone.answer(&first, Verdict::Approved).await.unwrap();
    advance(&app, 1).await;
    let second = app.challenge(&phone, "Pay 41 EUR?").await;
    phone.answer(&second, Verdict::Denied).await.unwrap();
    // This seed has the first of the next calls overtaken, and not the second.
    manners(&app, json!({ "seed": 5, "webhooks_reordered": 0.5 })).await;
    advance(&app, 60).await;
    let events = ear.events().all();
    assert_eq!(types(&events), ["challenge.approved", "challenge.denied", "challenge.approved"]);
    assert_eq!(done(&app, "webhooks_reordered").await, 1);
    // Nothing follows the last one, and it is not held up by that.
    manners(&app, json!({ "webhooks_reordered": 1 })).await;
    let third = app.challenge(&phone, "Pay 42 EUR?").await;
    phone.answer(&third, Verdict::Denied).await.unwrap();
    advance(&app, 1).await;
    assert_eq!(ear.events().total(), 4);
}

#[tokio::test]
async fn a_device_goes_away_with_its_prompt_and_gets_it_when_it_returns() {
    let app = app().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    manners(&app, json!({ "devices_vanish": 1 })).await;
    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    stream.next_prompt().await.expect_err("the connection has ended");
    assert_eq!(done(&app, "devices_vanish").await, 1);
    manners(&app, json!({})).await;
    app.clock.advance(Duration::from_secs(1));
    let mut stream = phone.connect().await.unwrap();
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
}

#[tokio::test]
async fn a_push_service_is_so_slow_that_its_attempts_are_given_up() {
    let app = app().await;
    let phone = app.enrol("alice-0001", Platform::Fcm("t".repeat(140))).await;
    put(&app, "/_test/clock", json!({ "frozen": true })).await;
    manners(&app, json!({ "providers_slow": 1, "slow_seconds": 20 })).await;
    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    // Given up before the service responds, and tried again.
    advance(&app, 19).await;
    assert_eq!(app.standing(&phone, &challenge).await[0].split(' ').next(), Some("sending"));
    assert_eq!(done(&app, "providers_slow").await, 2);
    manners(&app, json!({})).await;
    advance(&app, 60).await;
    let ended = app.notifications(&phone, &challenge).await.remove(0);
    // There is no credential, as the service can say now.
    assert_eq!((&ended["status"], &ended["error_code"]), (&json!("failed"), &json!(52004)));
}

#[tokio::test]
async fn what_is_no_share_is_refused_and_changes_nothing() {
    let app = app().await;
    manners(&app, json!({ "webhooks_doubled": 0.25 })).await;
    for (shares, words) in [
        (json!({ "unavailable": 1.5 }), "from 0 to 1"),
        (json!({ "unavailable": -1 }), "from 0 to 1"),
        (json!({ "slow_seconds": 3601 }), "slow_seconds"),
        (json!({ "rude": 1 }), "rude"),
        (json!(null), "JSON"),
    ] {
        let (status, shown) = put(&app, "/_test/manners", shares).await;
        let message = shown["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{words}: {shown}");
        assert_eq!(shown["webhooks_doubled"], 0.25);
    }
}
