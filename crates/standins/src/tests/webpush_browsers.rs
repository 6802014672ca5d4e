//! Browsers that go offline and online.

use serde_json::Value;

use super::client::keys;
use super::vendor::{Vendor, encrypted};
use crate::webpush::Subscription;

/// Sends a push with a message, a TTL and an optional topic.
async fn push(vendor: &Vendor, to: &Subscription, text: &str, ttl: &str, topic: Option<&str>) {
    let mut payload = keys();
    payload["message"] = text.into();
    let request = vendor.with_body(to, encrypted(to, payload.to_string().as_bytes()));
    let mut request = request.build().unwrap();
    request.headers_mut().insert("ttl", ttl.parse().unwrap());
    if let Some(topic) = topic {
        request.headers_mut().insert("topic", topic.parse().unwrap());
    }
    assert_eq!(vendor.client.execute(request).await.unwrap().status(), 201);
}

fn shown(vendor: &Vendor, browser: &Subscription) -> Vec<String> {
    let shown = vendor.web_push.shown(&browser.id);
    shown.iter().map(|one| one["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_push_waits_until_its_ttl_elapses() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    vendor.web_push.go_offline(&browser.id);
    push(&vendor, &browser, "at once or never", "0", None).await;
    push(&vendor, &browser, "a minute", "60", None).await;
    push(&vendor, &browser, "an hour", "3600", None).await;
    assert!(shown(&vendor, &browser).is_empty());
    vendor.hands.advance(60);
    vendor.web_push.go_online(&browser.id);
    assert_eq!(shown(&vendor, &browser), ["an hour"]);
    push(&vendor, &browser, "at once", "0", None).await;
    assert_eq!(shown(&vendor, &browser), ["an hour", "at once"]);
}

#[tokio::test]
async fn a_topic_replaces_the_waiting_push() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    vendor.web_push.go_offline(&browser.id);
    push(&vendor, &browser, "first", "60", Some("a")).await;
    push(&vendor, &browser, "other", "60", Some("b")).await;
    push(&vendor, &browser, "none", "60", None).await;
    push(&vendor, &browser, "second", "60", Some("a")).await;
    vendor.web_push.go_online(&browser.id);
    assert_eq!(shown(&vendor, &browser), ["other", "none", "second"]);
}

#[tokio::test]
async fn an_ended_subscription_is_gone_and_a_forgotten_one_unknown() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    vendor.web_push.unsubscribe(&browser.id);
    assert_eq!(vendor.push(&browser).await, 410);
    vendor.web_push.forget(&browser.id);
    assert_eq!(vendor.push(&browser).await, 404);
    assert_eq!(vendor.last().refusal, Some("no such subscription"));
}

#[tokio::test]
async fn a_subscription_can_be_made_over_http() {
    let vendor = Vendor::start().await;
    let url = format!("{}/subscribe", vendor.web_push.url());
    let body = serde_json::json!({"applicationServerKey": vendor.key.point() + "="});
    let response = vendor.client.post(&url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let json: Value = response.json().await.unwrap();
    let endpoint = json["endpoint"].as_str().unwrap().to_owned();
    let text = |name: &str| json["keys"][name].as_str().unwrap().to_owned();
    let id = endpoint.rsplit('/').next().unwrap().to_owned();
    let subscription = Subscription { id, endpoint, p256dh: text("p256dh"), auth: text("auth") };
    assert_eq!(vendor.push(&subscription).await, 201);
    assert_eq!(subscription.json(), json);
}
