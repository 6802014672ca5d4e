//! Logins: a push to all devices, its answer, its end, and codes.

use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_domain::world::Clock as _;
use countersign_phone::{DenialReason, Verdict};
use serde_json::json;

use super::client::result;
use super::{ANN, Duo, PUSH, integrate, next_prompt, prompt_of};
use crate::support::TestApp;
use crate::totp;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_push_to_all_devices_is_approved_on_one_while_the_client_asks() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phones = [app.enrol_phone(ANN).await, app.enrol_phone(ANN).await];
    let who = [("username", "Ann"), ("ipaddr", "192.0.2.7"), ("text_prompt", "1")];
    let offered = duo.post("/auth/v2/preauth", &who).await.ok();
    assert_eq!(
        (&offered["result"], &offered["status_msg"]),
        (&"auth".into(), &"Account is active".into())
    );
    let sids: Vec<_> =
        offered["devices"].as_array().unwrap().iter().map(|it| it["device"].clone()).collect();
    assert_eq!(sids.len(), 2);
    assert!(phones.iter().all(|phone| sids.contains(&phone.factor_sid().into())));
    assert_eq!(offered["devices"][0]["capabilities"], json!(["auto", "push"]));
    let factors = json!({"default": "push1", "1": "push1", "2": "push2", "3": "push3"});
    assert_eq!(offered["prompt"]["factors"], factors);

    let more = [
        ("type", "Open the vault"),
        ("ipaddr", "192.0.2.7"),
        ("hostname", "db-1"),
        ("pushinfo", "Server+IP=192.0.2.2&Command=echo%20%C3%A4"),
    ];
    let txid = duo.begin(&[&PUSH[..], &more].concat()).await;
    let prompts = [prompt_of(&phones[0]).await, prompt_of(&phones[1]).await];
    assert_eq!(prompts[0].message, "Open the vault");
    let fields: Vec<_> = prompts[1]
        .fields
        .iter()
        .map(|field| (field.label.as_str(), field.value.as_str()))
        .collect();
    let shown = [
        ("Application", "Owl ssh"),
        ("User", "ann"),
        ("Address", "192.0.2.7"),
        ("Host", "db-1"),
        ("Server IP", "192.0.2.2"),
        ("Command", "echo ä"),
    ];
    assert_eq!(fields, shown);

    assert_eq!(duo.status(&txid).await.login(), result("waiting", "pushed"), "at once");
    let asked = app.begin(duo.status_later(&txid)).await;
    phones[1].answer(&prompts[1].sid, Verdict::Approved).await.unwrap();
    assert_eq!(asked.await.unwrap().login(), result("allow", "allow"));
    assert_eq!(duo.status(&txid).await.login(), result("allow", "allow"), "asked again");
    assert!(phones[0].answer(&prompts[0].sid, Verdict::Denied).await.is_err(), "it has ended");
    app.clock.advance(60 * SECOND + 300 * SECOND);
    assert_eq!(duo.status(&txid).await.refusal(), 40_002, "long over");
}

#[tokio::test]
async fn a_client_that_waits_is_told_of_a_denial_a_report_and_the_end() {
    let app = TestApp::start_with(&["limits.reported_pause_hours=0"]).await;
    let duo = integrate(&app, &[("PromptLife", "30")]).await;
    let phone = app.enrol_phone(ANN).await;
    let asked = app.begin(duo.auth_later(&PUSH)).await;
    phone.answer(&next_prompt(&phone).await.sid, Verdict::Denied).await.unwrap();
    assert_eq!(asked.await.unwrap().login(), result("deny", "deny"));

    app.clock.advance(SECOND);
    let asked = app.begin(duo.auth_later(&PUSH)).await;
    let prompt = next_prompt(&phone).await;
    assert_eq!(prompt.message, "Log in to Owl ssh?");
    phone.deny(&prompt.sid, DenialReason::NotMe).await.unwrap();
    assert_eq!(asked.await.unwrap().login(), result("deny", "fraud"));

    app.clock.advance(SECOND);
    let asked = app.begin(duo.auth_later(&PUSH)).await;
    next_prompt(&phone).await;
    app.clock.advance(30 * SECOND);
    assert_eq!(asked.await.unwrap().login(), result("deny", "timeout"));
}

#[tokio::test]
async fn a_question_is_held_for_ten_seconds_and_answered_as_waiting() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let txid = duo.begin(&PUSH).await;
    assert_eq!(duo.status(&txid).await.login(), result("waiting", "pushed"));
    let asked = app.begin(duo.status_later(&txid)).await;
    app.clock.advance(10 * SECOND);
    assert_eq!(asked.await.unwrap().login(), result("waiting", "pushed"));
}

#[tokio::test]
async fn one_device_is_asked_if_the_client_names_it() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phones = [app.enrol_phone(ANN).await, app.enrol_phone(ANN).await];
    let offered = duo.post("/auth/v2/preauth", &[("username", "ann")]).await.ok();
    let first = offered["devices"][0]["device"].as_str().unwrap();
    let (one, other) = if phones[0].factor_sid() == first { (0, 1) } else { (1, 0) };
    let (one, other) = (&phones[one], &phones[other]);
    let own = other.factor_sid();
    duo.begin(&[("username", "ann"), ("factor", "push"), ("device", own)]).await;
    assert!(one.challenges(None).await.unwrap().is_empty());
    prompt_of(other).await;
    app.clock.advance(SECOND);
    // Each device stands behind the choice of all.
    duo.begin(&[("user_id", ANN), ("factor", "prompt"), ("prompt", "push2")]).await;
    prompt_of(one).await;
    app.clock.advance(SECOND);
    let other = app.enrol_phone("bobby-0002").await;
    for device in [other.factor_sid(), "YF", "phone1"] {
        let form = [("username", "ann"), ("factor", "push"), ("device", device)];
        let said = duo.post("/auth/v2/auth", &form).await;
        assert_eq!(said.login(), result("deny", "deny"), "{device}");
    }
    assert!(other.challenges(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_code_lets_in_once() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    totp::verified(&app, 6).await;
    app.clock.advance(30 * SECOND);
    let offered = duo.post("/auth/v2/preauth", &[("username", "ann")]).await.ok();
    assert_eq!(offered["devices"][0]["capabilities"], json!(["mobile_otp"]));
    let code = totp::code(&app, 6);
    let by = |way: &'static str, code: &str| {
        let form = [("username", "ann"), ("factor", way), (way, code)];
        duo.request("POST", "/auth/v2/auth", &form)
    };
    assert_eq!(Duo::said(by("passcode", &code)).await.login(), result("allow", "allow"));
    assert_eq!(Duo::said(by("prompt", &code)).await.login(), result("deny", "deny"), "spent");
    for wrong in ["000", "nonsense", "sms1", "123456789"] {
        let said = Duo::said(by("prompt", wrong)).await;
        assert_eq!(said.login(), result("deny", "deny"), "{wrong}");
    }
    app.clock.advance(30 * SECOND);
    let code = totp::code(&app, 6);
    let txid = duo.begin(&[("username", "ann"), ("factor", "passcode"), ("passcode", &code)]).await;
    assert_eq!(duo.status(&txid).await.login(), result("allow", "allow"));
    app.clock.advance(SECOND);
    let txid = duo.begin(&[("username", "ann"), ("factor", "passcode"), ("passcode", &code)]).await;
    assert_eq!(duo.status(&txid).await.login(), result("deny", "deny"));
}

#[tokio::test]
async fn older_clients_are_answered_in_json_and_bson() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[("Legacy", "true")]).await;
    let phone = app.enrol_phone(ANN).await;
    let who = [("user", "ann"), ("failmode", "closed"), ("hostname", "vm")];
    let said = Duo::said(duo.legacy("POST", "/rest/v1/preauth.json", &who)).await.ok();
    assert_eq!((&said["result"], &said["factors"]["default"]), (&"auth".into(), &"push1".into()));
    assert!(said["prompt"].as_str().unwrap().starts_with("Countersign login for ann"), "{said}");

    let ask = [
        ("user", "ann"),
        ("factor", "auto"),
        ("auto", "push1"),
        ("async", "1"),
        ("hostname", "vm"),
        ("pushinfo", "Command=ls"),
    ];
    let said = Duo::said(duo.legacy("POST", "/rest/v1/auth.json", &ask)).await.ok();
    let txid = said["txid"].as_str().unwrap().to_owned();
    let status = async |format: &str| {
        let path = format!("/rest/v1/status.{format}");
        Duo::said(duo.legacy("GET", &path, &[("txid", &txid)])).await
    };
    let told = status("json").await.ok();
    assert!(told.get("result").is_none() && told["status"].is_string(), "{told}");
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    assert_eq!(status("json").await.ok()["result"], "allow");

    let bson = status("bson").await;
    assert_eq!(
        (bson.status, &bson.headers["content-type"]),
        (200, &"application/bson".parse().unwrap())
    );
    let length = i32::from_le_bytes(bson.bytes[..4].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), bson.bytes.len());
    let allow = b"\x02result\0\x06\0\0\0allow\0";
    assert!(bson.bytes.windows(allow.len()).any(|part| part == allow), "{bson:?}");
}

#[tokio::test]
async fn all_versions_of_signatures_ask_the_same() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let who = [("username", "ann")];
    let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
    let date = app.clock.now().to_http_date();
    let requests = [
        duo.request("POST", "/auth/v2/preauth", &who),
        duo.request_at("POST", "/auth/v2/preauth", &who, &date, sha1),
        duo.json("/auth/v2/preauth", &json!({"username": "ann"})),
    ];
    for request in requests {
        assert_eq!(Duo::said(request).await.ok()["result"], "auth");
    }
}

#[tokio::test]
async fn another_node_answers_for_one_that_is_gone() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let txid = duo.begin(&PUSH).await;
    let other = app.other_node().await;
    let there = Duo { node: other.address.to_string(), ..duo.clone() };
    assert_eq!(there.status(&txid).await.login(), result("waiting", "pushed"));
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    assert_eq!(there.status(&txid).await.login(), result("allow", "allow"));
    other.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_lets_nobody_in() {
    let mut app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let asked = app.begin(duo.auth_later(&PUSH)).await;
    next_prompt(&phone).await;
    app.restart_with(|_| {}).await;
    assert_eq!(asked.await.unwrap().login(), result("deny", "deny"));
}
