//! Requests that are refused, and copies of requests, which ask nobody again.

use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_domain::world::Clock as _;
use serde_json::json;

use super::client::result;
use super::{ANN, Duo, PUSH, integrate, prompt_of};
use crate::support::TestApp;

const PREAUTH: &str = "/auth/v2/preauth";
const WHO: [(&str, &str); 1] = [("username", "ann")];

#[tokio::test]
async fn ping_needs_no_signature_and_check_does() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let now = app.clock.now().as_seconds();
    let said = Duo::said(duo.send("GET", "/auth/v2/ping", &[])).await;
    assert_eq!(said.ok(), json!({"time": now}));
    assert_eq!(duo.get("/auth/v2/check", &[]).await.ok(), json!({"time": now}));
    assert_eq!(Duo::said(duo.send("GET", "/auth/v2/check", &[])).await.refusal(), 40_101);
    assert_eq!(duo.get("/auth/v2/logo", &[]).await.refusal(), 40_401);
    assert_eq!(duo.get("/auth/v2/nothing", &[]).await.refusal(), 40_401);
    assert_eq!(duo.get("/auth/v2/auth", &[]).await.refusal(), 40_501);
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_signature_are_refused_alike() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[("Legacy", "true")]).await;
    let phone = app.enrol_phone(ANN).await;
    let radius = [("FriendlyName", "vpn"), ("Kind", "radius"), ("Networks", "127.0.0.1")];
    let path = format!("/v2/Services/{}/Integrations", app.service);
    let radius = app.api().post(&path, &radius).await.expect(201);
    let text = |name: &str| radius[name].as_str().expect("a text").to_owned();
    let clients = [
        Duo { secret: "wrong".to_owned(), ..duo.clone() },
        Duo { key: "DI000000000000000000".to_owned(), ..duo.clone() },
        Duo { key: "key".to_owned(), ..duo.clone() },
        Duo { key: text("key"), secret: text("secret"), ..duo.clone() },
        integrate(&app, &[("Networks", "192.0.2.0/24"), ("Legacy", "true")]).await,
    ];
    let mut bodies = Vec::new();
    for client in &clients {
        let said = client.post("/auth/v2/auth", &PUSH).await;
        assert_eq!(said.refusal(), 40_103);
        bodies.push(said.bytes);
        let old =
            Duo::said(client.legacy("POST", "/rest/v1/preauth.bson", &[("user", "ann")])).await;
        assert_eq!(old.status, 401);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert!(phone.challenges(None).await.unwrap().is_empty());
    assert_eq!(duo.post(PREAUTH, &WHO).await.ok()["result"], "auth");
    app.api().delete(&path_of(&app, &path, &duo).await).await;
    assert_eq!(duo.post(PREAUTH, &WHO).await.refusal(), 40_103, "it was deleted");
}

/// The path of a client's integration.
async fn path_of(app: &TestApp, list: &str, duo: &Duo) -> String {
    let all = app.api().get(list).await.expect(200);
    let mut all = all["integrations"].as_array().expect("a list").iter();
    let own = all.find(|one| one["key"] == duo.key.as_str()).expect("its own");
    format!("{list}/{}", own["sid"].as_str().expect("a SID"))
}

#[tokio::test]
async fn many_wrong_signatures_of_an_address_are_not_judged() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=3"]).await;
    let duo = integrate(&app, &[]).await;
    assert_eq!(duo.get("/auth/v2/check", &[]).await.status, 200);
    let guesser = Duo { key: "DI000000000000000000".to_owned(), ..duo.clone() };
    for _ in 0..3 {
        assert_eq!(guesser.get("/auth/v2/check", &[]).await.refusal(), 40_103);
    }
    let said = guesser.get("/auth/v2/check", &[]).await;
    assert_eq!((said.refusal(), said.headers.contains_key("retry-after")), (42_901, true));
    assert_eq!(duo.get("/auth/v2/check", &[]).await.status, 200, "its key worked from there");
}

#[tokio::test]
async fn dates_are_within_300_seconds_and_required() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let now = app.clock.now();
    let at = |date: &str| duo.request_at("POST", PREAUTH, &WHO, date, hmac::HMAC_SHA512);
    let span = Duration::from_secs;
    for (date, code) in [
        ((now - span(300)).to_http_date(), None),
        ((now + span(300)).to_http_date(), None),
        ((now - span(301)).to_http_date(), Some(40_105)),
        ((now + span(301)).to_http_date(), Some(40_105)),
        ("yesterday".to_owned(), Some(40_105)),
    ] {
        let said = Duo::said(at(&date)).await;
        assert_eq!((said.status != 200).then(|| said.refusal()), code, "{date}");
    }
    let undated = Duo::said(duo.legacy("POST", PREAUTH, &WHO)).await;
    assert_eq!(undated.refusal(), 40_104);
    let who = [("user", "ann")];
    let undated = Duo::said(duo.legacy("POST", "/rest/v1/preauth.json", &who)).await;
    assert_eq!(undated.refusal(), 40_104, "the integration does not take it");
}

#[tokio::test]
async fn a_copy_of_a_request_asks_nobody_again() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let form = [&PUSH[..], &[("async", "1")]].concat();
    let first = duo.post("/auth/v2/auth", &form).await.ok();
    let prompt = prompt_of(&phone).await;
    phone.answer(&prompt.sid, countersign_phone::Verdict::Approved).await.unwrap();
    let copy = duo.post("/auth/v2/auth", &form).await.ok();
    assert_eq!(phone.challenges(None).await.unwrap().len(), 1);
    for (said, told) in [(&first, result("allow", "allow")), (&copy, result("deny", "deny"))] {
        let txid = said["txid"].as_str().unwrap();
        assert_eq!(duo.status(txid).await.login(), told, "a copy gets no approval of another");
    }
    app.clock.advance(Duration::from_secs(1));
    duo.begin(&PUSH).await;
    prompt_of(&phone).await;
}

#[tokio::test]
async fn a_login_of_another_integration_is_as_one_that_never_was() {
    let app = TestApp::start().await;
    let (duo, other) = (integrate(&app, &[]).await, integrate(&app, &[]).await);
    app.enrol_phone(ANN).await;
    let txid = duo.begin(&PUSH).await;
    let bodies = [
        other.status(&txid).await,
        duo.status("a.alice-0001.YG03a1b2c3d4e5f60718293a4b5c6d7e8f.00").await,
        duo.status("nothing").await,
    ];
    for said in &bodies {
        assert_eq!((said.refusal(), &said.bytes), (40_002, &bodies[0].bytes));
    }
    assert_eq!(duo.get("/auth/v2/auth_status", &[]).await.refusal(), 40_001);
}

#[tokio::test]
async fn parameters_that_a_client_must_give_are_named() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let ann = ("username", "ann");
    for (path, form, code, name) in [
        (PREAUTH, vec![], 40_001, "username"),
        (PREAUTH, vec![ann, ann], 40_002, "username"),
        (PREAUTH, vec![ann, ("text_prompt", "2")], 40_002, "text_prompt"),
        ("/auth/v2/auth", vec![ann], 40_001, "factor"),
        ("/auth/v2/auth", vec![ann, ("factor", "face")], 40_002, "factor"),
        ("/auth/v2/auth", vec![ann, ("factor", "passcode")], 40_001, "passcode"),
        ("/auth/v2/auth", vec![("factor", "push")], 40_001, "username"),
    ] {
        let said = duo.post(path, &form).await;
        assert_eq!(said.refusal(), code, "{form:?}");
        assert_eq!(said.json()["message_detail"], name);
    }
    let said = Duo::said(duo.json("/auth/v2/auth", &json!({"username": ["ann"]}))).await;
    assert_eq!(said.refusal(), 40_002);
    let mut request = duo.request("POST", PREAUTH, &WHO).build().unwrap();
    request.headers_mut().insert("content-type", "text/xml".parse().unwrap());
    let said = Duo::said(reqwest::RequestBuilder::from_parts(app.api().client, request)).await;
    assert_eq!(said.refusal(), 40_106);
}

#[tokio::test]
async fn a_signature_does_not_hold_for_another_request() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let signed = duo.request("POST", "/auth/v2/auth", &PUSH).build().unwrap();
    let body = signed.body().and_then(reqwest::Body::as_bytes).unwrap();
    for change in [
        [body, b"&async=1"].concat(),
        String::from_utf8_lossy(body).replace("ann", "eve").into_bytes(),
    ] {
        let mut changed = signed.try_clone().unwrap();
        changed.headers_mut().remove("content-length");
        *changed.body_mut() = Some(change.into());
        let said = Duo::said(reqwest::RequestBuilder::from_parts(app.api().client, changed)).await;
        assert_eq!(said.refusal(), 40_103);
    }
    assert!(phone.challenges(None).await.unwrap().is_empty());
    let said = Duo::said(reqwest::RequestBuilder::from_parts(app.api().client, signed));
    let asked = app.begin(said).await;
    let prompt = super::next_prompt(&phone).await;
    phone.answer(&prompt.sid, countersign_phone::Verdict::Approved).await.unwrap();
    assert_eq!(asked.await.unwrap().login(), result("allow", "allow"));
}
