//! The pushes that the browser vendor's stand-in accepts and refuses.

use rstest::rstest;
use serde_json::{Value, json};

use super::client::{NOON, SigningKey, keys};
use super::vendor::{Vendor, encrypted};
use crate::ScriptedResponse;

#[tokio::test]
async fn a_valid_push_is_accepted_decrypted_and_recorded() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    let request = vendor.request(&browser).header("topic", "YC03-a_b");
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["ttl"]),
        (201, &"60".parse().unwrap())
    );
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(vendor.web_push.url()), "{location}");

    let push = vendor.last();
    assert!(push.is_accepted());
    assert_eq!((push.ttl, push.urgency.as_deref()), (Some(60), Some("high")));
    assert_eq!((push.topic.as_deref(), push.payload), (Some("YC03-a_b"), keys()));
    let server = push.server.unwrap();
    assert_eq!(
        (server.key, server.subject.as_str()),
        (vendor.key.point(), "mailto:ops@example.com")
    );
    assert_eq!(vendor.web_push.shown(&browser.id), [keys()]);
}

#[rstest]
#[case("ttl", None, 400)]
#[case("ttl", Some("soon"), 400)]
#[case("ttl", Some("-1"), 400)]
#[case("ttl", Some("+1"), 400)]
#[case("urgency", Some("now"), 400)]
#[case("topic", Some("a b"), 400)]
#[case("topic", Some("YC03f1e2d3c4b5a69788796a5b4c3d2e1f"), 400)]
#[case("content-encoding", None, 400)]
#[case("content-encoding", Some("aesgcm"), 400)]
#[case("authorization", None, 401)]
#[case("authorization", Some("Bearer abc"), 401)]
#[case("authorization", Some("vapid t=abc"), 401)]
#[case("authorization", Some("vapid t=abc, k=abc"), 403)]
#[tokio::test]
async fn a_wrong_header_is_refused(
    #[case] name: &'static str,
    #[case] value: Option<&str>,
    #[case] status: u16,
) {
    let vendor = Vendor::start().await;
    let mut request = vendor.request(&vendor.browser()).build().unwrap();
    request.headers_mut().remove(name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = vendor.client.execute(request).await.unwrap();
    assert_eq!(response.status().as_u16(), status);
    assert!(vendor.last().refusal.is_some());
}

#[tokio::test]
async fn every_part_of_vapid_is_checked() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    let with = |name: &str, value: Value| {
        let mut claims = vendor.claims();
        claims[name] = value;
        Vendor::vapid(&vendor.key, &claims)
    };
    let other = SigningKey::generate();
    let foreign = Vendor::vapid(&other, &vendor.claims());
    let swapped = foreign.replace(&other.point(), &vendor.key.point());
    let refused = [
        // Signed by another key than it names; and for a subscription of another key.
        swapped,
        foreign,
        with("aud", "https://push.example.com".into()),
        with("aud", browser.endpoint.clone().into()),
        with("exp", NOON.into()),
        with("exp", (NOON + 86_401).into()),
        with("exp", NOON.to_string().into()),
        with("sub", "ops@example.com".into()),
        with("sub", Value::Null),
    ];
    for authorization in refused {
        let mut request = vendor.request(&browser).build().unwrap();
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        assert_eq!(vendor.client.execute(request).await.unwrap().status().as_u16(), 403);
    }
    assert!(vendor.web_push.shown(&browser.id).is_empty());
    // A subscription without a key accepts pushes from every server.
    let anybody = vendor.web_push.subscribe(None).unwrap();
    assert_eq!(vendor.push(&anybody).await, 201);
}

#[tokio::test]
async fn an_unreadable_push_is_refused() {
    let vendor = Vendor::start().await;
    let (browser, other) = (vendor.browser(), vendor.browser());
    let json = keys().to_string();
    let mut strange = keys();
    strange["type"] = "verify".into();
    let bodies = [
        (encrypted(&other, json.as_bytes()), 400),
        (json.clone().into_bytes(), 400),
        (vec![], 400),
        (encrypted(&browser, b"hello"), 400),
        (encrypted(&browser, json!([]).to_string().as_bytes()), 400),
        (encrypted(&browser, strange.to_string().as_bytes()), 400),
        (encrypted(&browser, "x".repeat(3994).as_bytes()), 413),
        (encrypted(&browser, json.as_bytes()), 201),
    ];
    for (body, status) in bodies {
        let response = vendor.with_body(&browser, body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{:?}", vendor.last().refusal);
    }
}

#[tokio::test]
async fn any_response_can_be_scripted() {
    let vendor = Vendor::start().await;
    let browser = vendor.browser();
    for status in [202, 301, 400, 403, 404, 410, 413, 429, 500, 503] {
        vendor.web_push.script().next_to(&browser.id, ScriptedResponse::status(status));
        assert_eq!(vendor.push(&browser).await, status);
    }
    vendor.web_push.script().next(ScriptedResponse::status(429).retry_after(9));
    let response = vendor.request(&browser).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "9");
    assert_eq!(vendor.web_push.shown(&browser.id).len(), 1, "only the 202 was a success");
}
