//! The messages that Google's stand-in accepts and refuses.

use rstest::rstest;
use serde_json::{Value, json};

use super::google::{Answer, Google};
use crate::fcm::{Error, Refusal};

#[tokio::test]
async fn a_valid_message_is_accepted_and_recorded() {
    let google = Google::start().await;
    let token = google.access_token().await;
    let answer = google.send(&token, &Google::message()).await;
    assert_eq!(answer.status, 200);
    let name = answer.body["name"].as_str().unwrap();
    assert!(name.starts_with("projects/owlbank-push/messages/"), "{name}");

    let message = google.fcm.messages().wait_for(1).await.remove(0);
    assert!(message.is_accepted() && !message.validate_only);
    assert_eq!((message.token.as_str(), message.access_token), ("device-1", Some(token)));
    assert_eq!(message.data["message"], "Login to Owl Bank?");
    assert_eq!((message.priority.as_deref(), message.ttl.as_deref()), (Some("HIGH"), Some("150s")));
    assert_eq!((message.collapse_key.as_deref(), message.error), (Some("YC03"), None));
}

#[tokio::test]
async fn a_message_can_be_validated_only() {
    let google = Google::start().await;
    let token = google.access_token().await;
    let mut body = Google::message();
    body["validate_only"] = true.into();
    let answer = google.send(&token, &body).await;
    assert_eq!(answer.body["name"], "projects/owlbank-push/messages/fake_message_id");
    assert!(google.fcm.messages().all()[0].validate_only);
}

/// A valid message with the member at a path changed.
fn changed(path: &str, value: Value) -> Value {
    let mut body = Google::message();
    let mut member = &mut body["message"];
    for key in path.split('.').filter(|key| !key.is_empty()) {
        member = &mut member[key];
    }
    *member = value;
    body
}

#[rstest]
#[case(json!("hello"), "message")]
#[case(json!({"validate_only": true}), "message")]
#[case(json!({"message": {}, "extra": 1}), "extra")]
#[case(json!({"message": {}, "validate_only": "yes"}), "validate_only")]
#[case(changed("token", Value::Null), "message.token")]
#[case(changed("notification", json!({"title": "Login?"})), "message.notification")]
#[case(changed("datum", json!({})), "message.datum")]
#[case(changed("data", Value::Null), "message.data")]
#[case(changed("data.type", json!("verify")), "message.data")]
#[case(changed("data.factor_sid", json!("YF")), "message.data")]
#[case(changed("data.count", json!(1)), "message.data")]
#[case(changed("data.from", json!("us")), "message.data")]
#[case(changed("data.google.x", json!("us")), "message.data")]
#[case(changed("data.gcm_id", json!("us")), "message.data")]
#[case(changed("data.message", json!("x".repeat(4096))), "message.data")]
#[case(changed("android", json!("HIGH")), "message.android")]
#[case(changed("android.priority", json!("URGENT")), "message.android.priority")]
#[case(changed("android.ttl", json!(150)), "message.android.ttl")]
#[case(changed("android.ttl", json!("150")), "message.android.ttl")]
#[case(changed("android.ttl", json!("-1s")), "message.android.ttl")]
#[case(changed("android.ttl", json!("1e3s")), "message.android.ttl")]
#[case(changed("android.ttl", json!("2419201s")), "message.android.ttl")]
#[case(changed("android.collapse_key", json!(5)), "message.android.collapse_key")]
#[case(changed("android.colour", json!("red")), "message.android.colour")]
#[tokio::test]
async fn an_invalid_request_is_refused_with_its_reason(#[case] body: Value, #[case] field: &str) {
    let google = Google::start().await;
    let token = google.access_token().await;
    let answer = google.send(&token, &body).await;
    assert_eq!(answer.error(), (400, "INVALID_ARGUMENT", None), "{answer:?}");
    assert_eq!(answer.field(), field);
    assert_eq!(google.fcm.messages().all()[0].error, Some(Error::BadRequest));
}

#[rstest]
#[case(json!("0s"))]
#[case(json!("3.5s"))]
#[case(json!("2419200s"))]
#[tokio::test]
async fn a_ttl_is_a_duration(#[case] ttl: Value) {
    let google = Google::start().await;
    let token = google.access_token().await;
    assert_eq!(google.send(&token, &changed("android.ttl", ttl)).await.status, 200);
    assert_eq!(
        google.send(&token, &changed("android.priority", json!("normal"))).await.status,
        200
    );
}

#[tokio::test]
async fn token_and_project_are_checked() {
    let google = Google::start().await;
    let token = google.access_token().await;
    let body = Google::message();
    assert_eq!(google.send("ya29.other", &body).await.error(), (401, "UNAUTHENTICATED", None));

    let post = |path: &str| {
        let url = format!("{}{path}", google.fcm.url());
        google.client.post(url).bearer_auth(&token).json(&body).send()
    };
    let answer = Answer::of(post("/v1/projects/other/messages:send").await.unwrap()).await;
    assert_eq!(answer.error(), (403, "PERMISSION_DENIED", None));
    let answer = Answer::of(post("/fcm/send").await.unwrap()).await;
    assert_eq!(answer.error(), (404, "NOT_FOUND", None));
}

#[tokio::test]
async fn every_error_can_be_scripted() {
    let google = Google::start().await;
    for error in Error::ALL {
        let token = google.access_token().await;
        google.fcm.script().next(error);
        let answer = google.send(&token, &Google::message()).await;
        let (status, _, code) = answer.error();
        assert_eq!((status, code), (error.status(), error.code()));
        assert_eq!(answer.body.is_null(), error == Error::BadGateway, "{answer:?}");
        assert_eq!(answer.field().is_empty(), error != Error::BadRequest);
        // A token that was called unauthenticated stays rejected.
        let again = google.send(&token, &Google::message()).await;
        assert_eq!(again.status, if error == Error::Unauthenticated { 401 } else { 200 });
    }
    let token = google.access_token().await;
    google.fcm.script().next(Refusal::from(Error::Unavailable).retry_after(30));
    let answer = google.send(&token, &Google::message()).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("30")));
}
