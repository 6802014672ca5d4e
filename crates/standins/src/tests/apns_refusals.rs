//! The pushes that Apple's stand-in accepts and refuses.

use reqwest::header::HeaderValue;
use reqwest::{Identity, Request};
use rstest::rstest;
use serde_json::{Value, json};

use super::apple::{Answer, Apple, TOPIC, device};
use super::client::{self, NOON, SigningKey};
use crate::apns::{Reason, Refusal};

const ID: &str = "0f7c6a14-5d1e-4b21-9c3b-6d7e8f901234";

#[tokio::test]
async fn a_valid_push_is_accepted_and_recorded() {
    let apple = Apple::start().await;
    let request =
        apple.request(&device('a')).header("apns-id", ID).header("apns-collapse-id", "YC");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer, Answer { status: 200, id: ID.into(), body: Value::Null });

    let push = apple.last();
    assert!(push.is_accepted());
    assert_eq!((push.token, push.id), (device('a'), ID.to_owned()));
    assert_eq!((push.topic.as_deref(), push.push_type.as_deref()), (Some(TOPIC), Some("alert")));
    assert_eq!((push.priority, push.expiration), (Some(10), Some(0)));
    assert_eq!((push.collapse_id.as_deref(), push.payload), (Some("YC"), Apple::payload()));
    assert_eq!((push.key_id.as_ref(), push.at), (Some(&apple.apns.key().key_id), NOON));
}

/// Changes one header of a request.
fn header(name: &'static str, value: &str) -> impl FnOnce(&mut Request) + use<> {
    let value = HeaderValue::from_str(value).unwrap();
    move |request| {
        request.headers_mut().insert(name, value);
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut Request) {
    move |request| {
        request.headers_mut().remove(name);
    }
}

fn twice(name: &'static str) -> impl FnOnce(&mut Request) {
    move |request| {
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
    }
}

fn body(text: impl Into<String>) -> impl FnOnce(&mut Request) {
    let text = text.into();
    move |request| *request.body_mut() = Some(text.into())
}

fn path(path: &'static str) -> impl FnOnce(&mut Request) {
    move |request| request.url_mut().set_path(path)
}

fn changed(key: &str, value: Value) -> String {
    let mut payload = Apple::payload();
    payload[key] = value;
    payload.to_string()
}

#[rstest]
#[case(path("/3/devices/00"), Reason::BadPath)]
#[case(path("/3/device/"), Reason::MissingDeviceToken)]
#[case(path("/3/device/abc"), Reason::BadDeviceToken)]
#[case(|request: &mut Request| *request.method_mut() = reqwest::Method::GET, Reason::MethodNotAllowed)]
#[case(without("authorization"), Reason::MissingProviderToken)]
#[case(header("authorization", "basic abc"), Reason::InvalidProviderToken)]
#[case(header("authorization", "bearer abc"), Reason::InvalidProviderToken)]
#[case(twice("authorization"), Reason::DuplicateHeaders)]
#[case(twice("apns-priority"), Reason::DuplicateHeaders)]
#[case(without("apns-topic"), Reason::MissingTopic)]
#[case(header("apns-topic", ""), Reason::BadTopic)]
#[case(header("apns-topic", "com.example.other"), Reason::TopicDisallowed)]
#[case(without("apns-push-type"), Reason::InvalidPushType)]
#[case(header("apns-push-type", "shout"), Reason::InvalidPushType)]
#[case(header("apns-push-type", "background"), Reason::BadPriority)]
#[case(header("apns-priority", "7"), Reason::BadPriority)]
#[case(header("apns-priority", "high"), Reason::BadPriority)]
#[case(header("apns-expiration", "soon"), Reason::BadExpirationDate)]
#[case(header("apns-expiration", "-1"), Reason::BadExpirationDate)]
#[case(header("apns-collapse-id", &"x".repeat(65)), Reason::BadCollapseId)]
#[case(header("apns-id", "0F7C6A14-5D1E-4B21-9C3B-6D7E8F901234"), Reason::BadMessageId)]
#[case(body(""), Reason::PayloadEmpty)]
#[case(body(changed("text", "x".repeat(4096).into())), Reason::PayloadTooLarge)]
#[case(body("{"), Reason::PayloadIncomplete)]
#[case(body(changed("aps", "hello".into())), Reason::PayloadIncomplete)]
#[case(body(changed("type", "verify".into())), Reason::PayloadIncomplete)]
#[case(body(changed("challenge_sid", "VA".into())), Reason::PayloadIncomplete)]
#[case(body(changed("factor_sid", Value::Null)), Reason::PayloadIncomplete)]
#[tokio::test]
async fn an_invalid_request_is_refused_with_its_reason(
    #[case] change: impl FnOnce(&mut Request),
    #[case] reason: Reason,
) {
    let apple = Apple::start().await;
    // An invalid request uses up no action of the script.
    apple.apns.script().next(Reason::Shutdown);
    let mut request = apple.request(&device('a')).build().unwrap();
    change(&mut request);
    let answer = Answer::of(apple.client.execute(request).await.unwrap()).await;
    assert_eq!(answer.reason(), (reason.status(), reason.as_str()));
    assert_eq!(apple.last().reason, Some(reason));
    assert_eq!(apple.push(&device('a')).await.reason(), (503, "Shutdown"));
}

#[tokio::test]
async fn optional_headers_may_be_absent() {
    let apple = Apple::start().await;
    let mut request = apple.request(&device('a')).build().unwrap();
    without("apns-priority")(&mut request);
    without("apns-expiration")(&mut request);
    let answer = Answer::of(apple.client.execute(request).await.unwrap()).await;
    assert_eq!((answer.status, answer.id.len()), (200, 36));
}

#[tokio::test]
async fn every_part_of_a_provider_token_is_checked() {
    let mut apple = Apple::start().await;
    let key = apple.apns.key().clone();
    let (header, claims) =
        (json!({"alg": "ES256", "kid": key.key_id}), json!({"iss": key.team_id, "iat": NOON}));
    let with = |value: &Value, name: &str, other: Value| {
        let mut value = value.clone();
        value[name] = other;
        value
    };
    let sign = |header: &Value, claims: &Value| apple.key.sign(header, claims);
    let wrong = [
        SigningKey::generate().sign(&header, &claims),
        sign(&with(&header, "alg", "HS256".into()), &claims),
        sign(&with(&header, "kid", "0123456789".into()), &claims),
        sign(&with(&header, "kid", Value::Null), &claims),
        sign(&header, &with(&claims, "iss", "0123456789".into())),
        sign(&header, &with(&claims, "iat", NOON.to_string().into())),
        sign(&header, &with(&claims, "iat", (NOON + 61).into())),
    ];
    for token in wrong {
        apple.token = token;
        assert_eq!(apple.push(&device('a')).await.reason(), (403, "InvalidProviderToken"));
    }
    apple.token = apple.issue(NOON - 3601);
    assert_eq!(apple.push(&device('a')).await.reason(), (403, "ExpiredProviderToken"));
    apple.token = apple.issue(NOON - 3600);
    assert_eq!(apple.push(&device('a')).await.status, 200);
}

#[tokio::test]
async fn a_provider_token_is_valid_for_an_hour_and_not_renewed_too_soon() {
    let mut apple = Apple::start().await;
    let first = apple.token.clone();
    assert_eq!(apple.push(&device('a')).await.status, 200);

    apple.hands.advance(1199);
    apple.token = apple.issue(NOON + 1199);
    assert_eq!(apple.push(&device('a')).await.reason(), (429, "TooManyProviderTokenUpdates"));
    apple.token = first;
    assert_eq!(apple.push(&device('a')).await.status, 200);

    apple.hands.advance(2401);
    assert_eq!(apple.push(&device('a')).await.status, 200);
    apple.hands.advance(1);
    assert_eq!(apple.push(&device('a')).await.reason(), (403, "ExpiredProviderToken"));
    apple.token = apple.issue(NOON + 3601);
    assert_eq!(apple.push(&device('a')).await.status, 200);
}

#[tokio::test]
async fn a_rejected_token_stays_rejected_and_may_be_renewed_at_once() {
    let mut apple = Apple::start().await;
    apple.apns.script().next(Reason::ExpiredProviderToken);
    for _ in 0..2 {
        assert_eq!(apple.push(&device('a')).await.reason(), (403, "ExpiredProviderToken"));
    }
    apple.token = apple.issue(NOON + 1);
    assert_eq!(apple.push(&device('a')).await.status, 200);
}

#[tokio::test]
async fn every_key_has_its_topics_until_it_is_revoked() {
    let mut apple = Apple::start().await;
    let other = apple.apns.new_key(vec!["com.example.other".into()]).unwrap();
    let header = json!({"alg": "ES256", "kid": other.key_id});
    let claims = json!({"iss": other.team_id, "iat": NOON});
    apple.token = SigningKey::read(&other.pem).sign(&header, &claims);
    assert_eq!(apple.push(&device('a')).await.reason(), (400, "TopicDisallowed"));
    apple.apns.revoke_key(&other.key_id);
    assert_eq!(apple.push(&device('a')).await.reason(), (403, "InvalidProviderToken"));
}

#[tokio::test]
async fn every_reason_can_be_scripted() {
    let apple = Apple::start().await;
    for reason in Reason::ALL {
        apple.apns.script().next(*reason);
        // A rejected token would fail the next push.
        apple.apns.forget_provider_tokens();
        let answer = apple.push(&device('a')).await;
        assert_eq!(answer.reason(), (reason.status(), reason.as_str()));
        assert_eq!(answer.body["timestamp"].is_i64(), reason.status() == 410);
    }
    apple.apns.forget_provider_tokens();
    apple.apns.script().next(Refusal::unregistered(1234));
    assert_eq!(apple.push(&device('a')).await.body["timestamp"], 1234);
}

#[tokio::test]
async fn a_certificate_replaces_token_and_topic() {
    let apple = Apple::start().await;
    let certificate = apple.apns.new_certificate(&apple.authority, TOPIC).unwrap();
    let stranger = apple.authority.client_certificate("stranger").unwrap();
    for (certificate, reason) in [(certificate, (200, "")), (stranger, (403, "BadCertificate"))] {
        let pem = certificate.certificate_pem + &certificate.private_key_pem;
        let identity = Identity::from_pem(pem.as_bytes()).unwrap();
        let client = client::builder(&apple.authority).identity(identity).build().unwrap();
        let request = apple.bare(&device('a')).header("apns-push-type", "alert").build().unwrap();
        let answer = Answer::of(client.execute(request).await.unwrap()).await;
        assert_eq!(answer.reason(), reason);
    }
}
