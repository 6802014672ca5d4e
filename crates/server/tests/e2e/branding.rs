//! How a service presents itself: its label and its logo.

use countersign_phone::{Authority, Enrolment, Phone};
use serde_json::{Value, json};

use crate::support::{Caller, Reply, TestApp};

/// A whole PNG of the authenticator.
const LOGO: &[u8] = include_bytes!("../../../authenticator/files/icon-192.png");

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn path(app: &TestApp) -> String {
    format!("/v2/Services/{}/Branding", app.service)
}

/// The path of a URL of this server.
fn path_of(url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    format!("/v2/{}", url.split_once("/v2/").expect("of the API").1)
}

#[tokio::test]
async fn a_service_has_the_label_and_the_logo_that_its_application_sets() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (api, path) = (app.api(), path(&app));
    let shown = |view: &Value| json!([view["label"], view["logo_url"]]);
    assert_eq!(shown(&api.get(&path).await.expect(200)), json!([null, null]));
    let form = [("Label", "Harbour Bank & Söhne"), ("Logo", &base64(LOGO))];
    let view = api.post(&path, &form).await.expect(200);
    assert_eq!(view["label"], "Harbour Bank & Söhne");
    assert_eq!(view["url"], format!("http://{}{path}", app.address()));
    let name = format!("/v2/Services/{}/Name", app.service);
    let token = api.with("token", &app.access_token("bob-00001").await);
    for caller in [&api, &app.device(&phone), &token] {
        let seen = caller.get(&name).await.expect(200);
        assert_eq!(shown(&seen), shown(&view), "devices and enrolment tokens see it");
    }
    // A change of something else keeps both.
    let service = format!("/v2/Services/{}", app.service);
    api.post(&service, &[("FriendlyName", "renamed")]).await.expect(200);
    assert_eq!(shown(&api.get(&path).await.expect(200)), shown(&view));
    let view = api.post(&path, &[("Label", "")]).await.expect(200);
    assert_eq!(view["label"], Value::Null);
    assert!(view["logo_url"].is_string());
    let view = api.post(&path, &[("Logo", "")]).await.expect(200);
    assert_eq!(shown(&view), json!([null, null]));
}

#[tokio::test]
async fn a_device_shows_the_label_of_its_account_and_an_enrolment_token_that_of_its_own() {
    let app = TestApp::start().await;
    let (api, entity) = (app.api(), app.entity("alice-0001"));
    let name = format!("/v2/Services/{}/Name", app.service);
    let tokens = format!("/v2/Services/{}/AccessTokens", app.service);
    let token = async |label: &[(&str, &str)]| {
        let form = [&[("Identity", "alice-0001"), ("FactorType", "push")][..], label].concat();
        let made = app.api().post(&tokens, &form).await.expect(201);
        assert!(made.get("account_label").is_none(), "a documented body: {made}");
        made["token"].as_str().expect("a token").to_owned()
    };
    let labelled = token(&[("AccountLabel", "Ann Smith & Co.")]).await;
    let plain = token(&[]).await;
    let seen = async |caller: &Caller| caller.get(&name).await.expect(200)["account_label"].clone();
    assert_eq!(seen(&api.with("token", &labelled)).await, "Ann Smith & Co.");
    assert_eq!(seen(&api.with("token", &plain)).await, Value::Null);
    let path = format!("{entity}/Branding");
    assert_eq!(api.get(&path).await.refusal(), (404, 20404), "there is no entity yet");
    let enrolment = Enrolment::new(&app.service, "alice-0001", Authority::AccessToken(labelled));
    let phone = Phone::enrol(&app.phone_server(), &enrolment).await.expect("it enrols");
    assert_eq!(seen(&app.device(&phone)).await, "Ann Smith & Co.");
    assert_eq!(seen(&api.with("token", &plain)).await, "Ann Smith & Co.", "it is one account");
    assert_eq!(seen(&api).await, Value::Null, "an application has no device");
    // The entity's documented body stays as it is.
    let documented = api.get(&entity).await.expect(200);
    assert!(documented.get("label").is_none(), "{documented}");

    for (form, label) in [
        (&[("Label", "Dr. Ann Smith")][..], json!("Dr. Ann Smith")),
        (&[][..], json!("Dr. Ann Smith")),
        (&[("Label", "")][..], Value::Null),
    ] {
        let view = api.post(&path, form).await.expect(200);
        assert_eq!(view["label"], label);
        assert_eq!(view["url"], format!("http://{}{path}", app.address()));
        assert_eq!(api.get(&path).await.expect(200), view);
        assert_eq!(seen(&app.device(&phone)).await, label);
    }
    let wrong = "x".repeat(65);
    assert_eq!(api.post(&path, &[("Label", &*wrong)]).await.refusal(), (400, 60306));
    let form = [("Identity", "alice-0001"), ("FactorType", "push"), ("AccountLabel", &*wrong)];
    assert_eq!(api.post(&tokens, &form).await.refusal(), (400, 60305));
    let form = [("Label", "Mallory")];
    assert_eq!(app.device(&phone).post(&path, &form).await.refusal(), (403, 20403));
    assert_eq!(app.stranger().await.post(&path, &form).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn a_logo_is_served_to_those_who_know_its_hash_as_an_image_and_nothing_else() {
    let app = TestApp::start().await;
    let api = app.api();
    let view = api.post(&path(&app), &[("Logo", &base64(LOGO))]).await.expect(200);
    let logo = path_of(&view["logo_url"]);
    let request = |path: &str| api.client.get(format!("{}{path}", api.base));
    let served = request(&logo).send().await.expect("the server answers");
    let headers = served.headers().clone();
    assert_eq!(served.status(), 200);
    assert_eq!(&*served.bytes().await.expect("a body"), LOGO);
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-origin"), "other pages get none");
    let other = format!("{}{}", &logo[..logo.len() - 32], "0".repeat(32));
    assert_eq!(Reply::of(request(&other)).await.refusal(), (404, 20404));
    let nowhere = logo.replace(&app.service, &format!("VA{}", "0".repeat(32)));
    assert_eq!(Reply::of(request(&nowhere)).await.refusal(), (404, 20404));
    assert_eq!(Reply::of(request(&format!("{logo}0"))).await.status, 400);
    api.post(&path(&app), &[("Logo", "")]).await.expect(200);
    assert_eq!(
        Reply::of(request(&logo)).await.refusal(),
        (404, 20404),
        "it is gone with the change"
    );
}

#[tokio::test]
async fn only_an_application_of_the_account_changes_it_and_only_to_what_is_bounded() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (path, form) = (path(&app), [("Label", "Owl Bank")]);
    assert_eq!(app.device(&phone).post(&path, &form).await.refusal(), (403, 20403));
    assert_eq!(app.stranger().await.post(&path, &form).await.refusal(), (404, 20404));
    let long = "x".repeat(65);
    let large = base64(&[LOGO, &vec![0; 16 * 1024]].concat());
    let drawing = base64(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    for (name, value, why) in [
        ("Label", &*long, "must have 1 to 64 characters"),
        ("Logo", &*large, "must have at most 16384 bytes"),
        ("Logo", &*drawing, "must be a PNG or a JPEG"),
        ("Logo", "%", "must be base64"),
    ] {
        let refused = app.api().post(&path, &[(name, value)]).await;
        assert_eq!(refused.refusal(), (400, 60306), "{name}");
        assert!(refused.body.to_string().contains(why), "{why}: {refused:?}");
    }
}

#[tokio::test]
async fn another_node_shows_a_new_logo_within_seconds() {
    let app = TestApp::start().await;
    let there = app.other_node().await;
    let at_there = Caller { base: format!("http://{}", there.address), ..app.api() };
    at_there.get(&path(&app)).await.expect(200);
    let view = app.api().post(&path(&app), &[("Logo", &base64(LOGO))]).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(11));
    let logo = format!("{}{}", at_there.base, path_of(&view["logo_url"]));
    assert_eq!(at_there.client.get(logo).send().await.expect("an answer").status(), 200);
}
