//! The operator's overview on the real wiring: troubles that are really caused, and counts by the background duty.

use std::time::Duration;

use countersign_phone::{Platform, Verdict};
use countersign_standins::{CommonOptions, ScriptedResponse, fcm, webhook};

use crate::console::{Operator, shows};
use crate::pushes::Stage;
use crate::support::TestApp;

/// Advances the clock, and waits until everything that has reached its age is counted.
async fn count_after(app: &TestApp, span: Duration) {
    let signals = app.server().engine.signals();
    let before = signals.wait_for(|counts| counts.summarizer_sweeps > 0).await.summarizer_sweeps;
    app.pass(span).await;
    signals.wait_for(|counts| counts.summarizer_sweeps > before).await;
}

#[tokio::test]
async fn a_credential_that_google_refuses_needs_attention_until_it_is_changed() {
    let stage = Stage::set().await;
    let (app, google) = (&stage.app, &stage.others.fcm);
    let mut operator = Operator::sign_in(app).await;
    shows(&operator.get("").await, &["All is well."]);
    google.script().next(fcm::Error::PermissionDenied);
    stage.ask(Platform::Fcm("token-of-alices-phone-0123456789".to_owned())).await;
    let credentials = app.api().get("/v1/Credentials").await.expect(200);
    let all = credentials["credentials"].as_array().expect("a list");
    let sid = all.iter().find(|it| it["type"] == "fcm").expect("one")["sid"].as_str();
    let sid = sid.expect("a SID");
    let page = operator.get("").await;
    let link = format!("/console/credentials#credential-{sid}");
    shows(&page, &["The push credential is refused", "PERMISSION_DENIED", &link]);
    assert!(!page.contains("All is well."), "{page}");

    app.pass(Duration::from_secs(1)).await;
    let account = google.service_account().to_string();
    let changed = app.api().post(&format!("/v1/Credentials/{sid}"), &[("Secret", &account)]).await;
    changed.expect(200);
    shows(&operator.get("").await, &["All is well."]);
}

#[tokio::test]
async fn a_webhook_that_fails_needs_attention_until_its_calls_are_taken() {
    let app = TestApp::start_with(&["outgoing.allow=127.0.0.0/8"]).await;
    let ear = webhook::Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let url = format!("{}/hook", ear.url());
    let form =
        [("FriendlyName", "orders"), ("WebhookUrl", &*url), ("EventTypes", "factor.created")];
    let hook = app.api().post(&format!("/v2/Services/{}/Webhooks", app.service), &form).await;
    let hook = hook.text("sid");
    ear.script().next(ScriptedResponse::status(503));
    app.enrol_phone("alice-0001").await;
    ear.events().wait_for(1).await;
    app.deliver_everything().await;
    let mut operator = Operator::sign_in(&app).await;
    let link = format!("/console/webhooks/{}/{hook}", app.service);
    let words = "1 call waits, 1 of them after a failure. The last failure was: status 503.";
    shows(&operator.get("").await, &["Calls of the webhook “orders” fail", words, &link]);
    app.pass(Duration::from_secs(5)).await;
    ear.events().wait_for(2).await;
    app.deliver_everything().await;
    shows(&operator.get("").await, &["All is well."]);
}

#[tokio::test]
async fn challenges_are_counted_once_over_a_restart_and_two_nodes() {
    let mut app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let answered = app.challenge(&phone, "Log in?").await;
    app.challenge(&phone, "Pay 40 EUR?").await;
    app.pass(Duration::from_secs(5)).await;
    phone.answer(&answered, Verdict::Approved).await.expect("an answer");
    count_after(&app, Duration::from_secs(40)).await;
    let mut operator = Operator::sign_in(&app).await;
    shows(&operator.get("").await, &["2 challenges: 1 approved, 1 open"]);
    app.crash_and_restart().await;
    let other = app.other_node().await;
    for _ in 0..4 {
        count_after(&app, Duration::from_secs(1_500)).await;
        other.engine.signals().wait_for(|counts| counts.summarizer_sweeps > 0).await;
    }
    // In the hour of the test's start or in the one before the present: in any case of the last day.
    let page = Operator::sign_in(&app).await.get("").await;
    shows(&page, &["2 challenges: 1 approved, 1 unanswered", "Device streams (stream)"]);
    let month = Operator::sign_in(&app).await.get("?range=month").await;
    shows(&month, &["The last 30 days", "2 challenges: 1 approved, 1 unanswered"]);
}
