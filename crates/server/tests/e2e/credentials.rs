//! Credentials that are refused: Basic credentials, access tokens, device tokens.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, DeviceKey, Enrolment, Phone, Platform, jwt};
use serde_json::{Value, json};

use crate::support::{Caller, Reply, TestApp};

#[tokio::test]
async fn credentials_that_are_missing_or_wrong_are_401_whatever_is_asked_for() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let unknown = "AC00000000000000000000000000000000";
    let key = "SK00000000000000000000000000000000";
    for (user, password) in [
        (app.account.as_str(), "wrong"),
        (&app.account, ""),
        (&app.account.to_lowercase(), &app.token),
        (unknown, &app.token),
        (key, &app.token),
        ("", ""),
        ("nobody", "x"),
        ("tok\0en", "x"),
    ] {
        for path in ["/v2/Services", "/v2/Services/nonsense", &app.factor_path(&phone)] {
            let reply = app.api().with(user, password).get(path).await;
            assert_eq!(reply.refusal(), (401, 20003), "{user}:{password} {path}");
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"Twilio API\"");
        }
    }
    for header in ["Basic", "Basic !!!", "Bearer abc", "Basic dG9rZW4=", "Basic /w==", ""] {
        let api = app.api();
        let request = api.client.post(format!("{}/v2/Services", api.base));
        let reply = Reply::of(request.header("Authorization", header).body("FriendlyName=a")).await;
        assert_eq!(reply.refusal(), (401, 20003), "{header}");
    }
}

/// A device token as the phone signs it now.
fn claims(app: &TestApp, phone: &Phone) -> (Value, Value) {
    let now = app.clock.now().as_seconds();
    let header = json!({
        "cty": "twilio-pba;v=1", "kid": phone.credential_sid(), "typ": "JWT", "alg": "ES256"
    });
    (header, json!({"sub": phone.account_sid(), "nbf": now, "exp": now + 600}))
}

#[tokio::test]
async fn a_device_token_is_judged_by_form_key_signature_subject_and_time() {
    let app = TestApp::start().await;
    let (alice, bob) = tokio::join!(app.enrol_phone("alice-0001"), app.enrol_phone("bob-00001"));
    let now = app.clock.now().as_seconds();
    let absent = Value::Null;
    let key = "CR00000000000000000000000000000000";
    for (part, name, value, code) in [
        ("header", "alg", json!("none"), 20152),
        ("header", "alg", json!("HS256"), 20152),
        ("header", "alg", json!("es256"), 20152),
        ("header", "alg", absent.clone(), 20152),
        ("header", "cty", json!("twilio-fpa;v=1"), 20152),
        ("header", "cty", absent.clone(), 20152),
        ("header", "kid", json!("nonsense"), 20152),
        ("header", "kid", json!([1]), 20152),
        ("header", "kid", json!(key), 20151),
        ("header", "kid", json!(bob.credential_sid()), 20151),
        ("payload", "sub", json!("AC00000000000000000000000000000000"), 20153),
        ("payload", "sub", absent.clone(), 20153),
        ("payload", "nbf", absent.clone(), 20154),
        ("payload", "exp", json!("soon"), 20154),
        ("payload", "nbf", json!(now + 61), 20105),
        ("payload", "exp", json!(now - 60), 20156),
        ("payload", "exp", json!(now + 901), 20157),
        ("payload", "exp", json!(i64::MAX), 20157),
        ("payload", "nbf", json!(i64::MIN), 20157),
        ("payload", "exp", json!(-1e300), 20156),
    ] {
        let (mut header, mut payload) = claims(&app, &alice);
        let changed = if part == "header" { &mut header } else { &mut payload };
        changed[name] = value.clone();
        let token = jwt::signed(alice.key(), &header, &payload).unwrap();
        let reply = app.api().with("token", &token).get(&app.factor_path(&alice)).await;
        assert_eq!(reply.refusal(), (401, code), "{name} = {value}");
        // Both mobile SDKs correct their clocks by it.
        assert_eq!(reply.header("date"), app.clock.now().to_http_date());
    }
    for (name, value) in [("nbf", now + 60), ("exp", now - 59), ("exp", now + 900)] {
        let (header, mut payload) = claims(&app, &alice);
        payload[name] = value.into();
        let token = jwt::signed(alice.key(), &header, &payload).unwrap();
        let reply = app.api().with("token", &token).get(&app.factor_path(&alice)).await;
        assert_eq!(reply.status, 200, "{name} = {value} is within what is allowed");
    }
}

#[tokio::test]
async fn a_device_token_that_is_mangled_is_not_believed() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let good = phone.device_jwt().unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let der = phone.key().sign_der_base64(format!("{}.{}", parts[0], parts[1]).as_bytes()).unwrap();
    let der = der.replace('+', "-").replace('/', "_").replace('=', "");
    let (head, signature) = (format!("{}.{}", parts[0], parts[1]), parts[2]);
    for (token, code) in [
        (format!("{head}."), 20151),
        (format!("{head}.{der}"), 20151),
        (format!("{head}.{}", &signature[..84]), 20151),
        (format!("{head}.{signature}AAAA"), 20151),
        (format!("{head}.{}", "A".repeat(86)), 20151),
        (head.clone(), 20152),
        (format!("{head}.{signature}.x"), 20152),
        (format!("{head}.{signature}=="), 20152),
        (format!("{}.{}.{signature}", parts[1], parts[0]), 20152),
        ("a.b.c".into(), 20152),
        ("..".into(), 20152),
        ("x".repeat(6_000), 20152),
        ("a.b.c.d.e".into(), 20101),
        ("....".into(), 20101),
    ] {
        let reply = app.api().with("token", &token).get(&app.factor_path(&phone)).await;
        assert_eq!(reply.refusal(), (401, code), "{token}");
    }
    let (header, payload) = claims(&app, &phone);
    let forged = jwt::signed(&DeviceKey::generate().unwrap(), &header, &payload).unwrap();
    let reply = app.api().with("token", &forged).delete(&app.factor_path(&phone)).await;
    assert_eq!(reply.refusal(), (401, 20151));
    assert_eq!(app.device(&phone).get(&app.factor_path(&phone)).await.status, 200);
}

async fn enrol_with(app: &TestApp, token: &str, identity: &str) -> Result<Phone, i64> {
    let authority = Authority::AccessToken(token.to_owned());
    let enrolment =
        Enrolment { platform: Platform::None, ..Enrolment::new(&app.service, identity, authority) };
    let phone = Phone::enrol(&app.phone_server(), &enrolment).await;
    phone.map_err(|error| error.code().expect("the API refuses"))
}

#[tokio::test]
async fn an_access_token_is_good_once_for_its_identity_and_a_minute() {
    let app = TestApp::start().await;
    let token = app.access_token("alice-0001").await;
    assert_eq!(enrol_with(&app, &token, "bob-00001").await.unwrap_err(), 60313);
    enrol_with(&app, &token, "alice-0001").await.expect("a refusal does not use it up");
    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let before = app.api().get(&factors).await.body;
    assert_eq!(enrol_with(&app, &token, "alice-0001").await.unwrap_err(), 60313, "used up");

    let late = app.access_token("alice-0001").await;
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(enrol_with(&app, &late, "alice-0001").await.unwrap_err(), 20104);
    for mangled in [format!("{late}A"), late.replace("..", ".AA."), late[..late.len() - 4].into()] {
        assert_eq!(enrol_with(&app, &mangled, "alice-0001").await.unwrap_err(), 20101);
    }
    assert_eq!(app.api().get(&factors).await.body, before, "no sign-in happened");
    let entities = format!("/v2/Services/{}/Entities", app.service);
    let entities = app.api().get(&entities).await.expect(200);
    assert_eq!(entities["entities"].as_array().map(Vec::len), Some(1), "bob is not there");
}

#[tokio::test]
async fn an_access_token_opens_nothing_but_an_enrolment_in_its_own_service() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let token = app.access_token("alice-0001").await;
    let holder: Caller = app.api().with("token", &token);
    let entity = app.entity("alice-0001");
    for path in [
        "/v2/Services".to_owned(),
        entity.clone(),
        format!("{entity}/Factors"),
        app.factor_path(&phone),
        app.challenges_path(&phone),
    ] {
        assert_eq!(holder.get(&path).await.refusal(), (403, 20403), "GET {path}");
    }
    assert_eq!(holder.delete(&app.factor_path(&phone)).await.refusal(), (403, 20403));
    let other = app.api().post("/v2/Services", &[("FriendlyName", "other")]).await.text("sid");
    let authority = Authority::AccessToken(token);
    let enrolment = Enrolment::new(&other, "alice-0001", authority);
    let refused = Phone::enrol(&app.phone_server(), &enrolment).await.unwrap_err();
    assert_eq!(refused.code(), Some(60313));
}

#[tokio::test]
async fn a_service_tells_its_name_to_its_own_devices_and_tokens_and_a_new_name_at_once() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let token = app.access_token("bob-00001").await;
    let service = format!("/v2/Services/{}", app.service);
    let path = format!("{service}/Name");
    let own = [app.api(), app.device(&phone), app.api().with("token", &token)];
    for name in ["owlbank", "Harbour Bank"] {
        app.api().post(&service, &[("FriendlyName", name)]).await.expect(200);
        for caller in &own {
            let told = caller.get(&path).await.expect(200);
            let seen = [&told["service_sid"], &told["friendly_name"], &told["user_verification"]];
            assert_eq!(seen, [&*app.service, name, "none"]);
        }
    }

    let other = app.api().post("/v2/Services", &[("FriendlyName", "other")]).await.text("sid");
    let other = format!("/v2/Services/{other}/Name");
    assert_eq!(own[0].get(&other).await.text("friendly_name"), "other");
    for stranger in &own[1..] {
        assert_eq!(stranger.get(&other).await.refusal(), (403, 20403));
    }
    assert_eq!(app.stranger().await.get(&path).await.refusal(), (404, 20404));
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(own[2].get(&path).await.refusal(), (401, 20104), "the token has expired");
}
