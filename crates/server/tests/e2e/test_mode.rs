//! Test mode: what a tester does over HTTP, and what an application and a device see of it.

mod clock;
mod manners;

use countersign_standins::CommonOptions;
use countersign_standins::webhook::{Event, Webhook};
use serde_json::Value;

use crate::support::TestApp;

/// A server in test mode that may call webhooks on this machine.
async fn app() -> TestApp {
    TestApp::start_in_test_mode(&["outgoing.allow=127.0.0.0/8"]).await
}

/// Sends JSON to a route of test mode; the status and the body.
async fn put(app: &TestApp, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}{path}", app.api().base);
    let sent = app.api().client.put(url).body(body.to_string()).send().await.expect("it answers");
    (sent.status().as_u16(), sent.json().await.expect("JSON"))
}

/// Moves the clock, which must succeed.
async fn advance(app: &TestApp, seconds: u32) -> Value {
    let (status, clock) =
        put(app, "/_test/clock", serde_json::json!({ "advance_seconds": seconds })).await;
    assert_eq!(status, 200, "{clock}");
    clock
}

/// An application that hears these events.
async fn ear(app: &TestApp, events: &[&str]) -> Webhook {
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let url = ear.url();
    let mut form = vec![("FriendlyName", "tests"), ("WebhookUrl", url)];
    form.extend(events.iter().map(|event| ("EventTypes", *event)));
    app.api().post(&format!("/v2/Services/{}/Webhooks", app.service), &form).await.expect(201);
    ear
}

fn types(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.field("type")).collect()
}
