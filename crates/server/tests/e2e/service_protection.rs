//! A service sets for itself how its people are protected.

use countersign_phone::{Approval, ChallengeStatus, PhoneError, Verdict};
use serde_json::{Value, json};

use crate::support::{Caller, Reply, TestApp};

fn path(app: &TestApp) -> String {
    format!("/v2/Services/{}/Protection", app.service)
}

async fn ask(app: &TestApp, phone: &countersign_phone::Phone) -> Reply {
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    app.api().post(&app.challenges_path(phone), &form).await
}

fn shown(view: &Value) -> Value {
    json!([view["presence"], view["user_verification"], view["in_a_row_max"], view["own"]])
}

#[tokio::test]
async fn a_service_has_its_own_limit_in_a_row_until_it_leaves_that_to_the_operator() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = path(&app);
    let view = app.api().get(&path).await.expect(200);
    assert_eq!(shown(&view), json!([["none"], "none", 5, []]));
    assert_eq!(view["url"], format!("http://{}{path}", app.address()));
    let form = [("InARowMax", "2"), ("PauseMinutes", "30"), ("Presence", "none")];
    let view = app.api().post(&path, &form).await.expect(200);
    let own = json!(["presence", "in_a_row_max", "pause_minutes"]);
    assert_eq!(shown(&view), json!([["none"], "none", 2, own]));
    for _ in 0..2 {
        assert_eq!(ask(&app, &phone).await.status, 201);
    }
    let refused = ask(&app, &phone).await;
    assert_eq!(refused.refusal(), (429, 60312));
    assert_eq!(refused.header("retry-after"), "1800");
    let pause = format!("{}/Protection", app.entity("alice-0001"));
    app.api().post(&pause, &[("Paused", "false")]).await.expect(200);

    let service = format!("/v2/Services/{}", app.service);
    app.api().post(&service, &[("FriendlyName", "renamed")]).await.expect(200);
    let form = [("InARowMax", ""), ("PauseMinutes", ""), ("Presence", "")];
    let view = app.api().post(&path, &form).await.expect(200);
    assert_eq!(shown(&view), json!([["none"], "none", 5, []]));
    app.clock.advance(std::time::Duration::from_secs(1));
    for _ in 0..5 {
        assert_eq!(ask(&app, &phone).await.status, 201);
    }
    assert_eq!(ask(&app, &phone).await.refusal(), (429, 60312));
}

#[tokio::test]
async fn another_node_and_another_service_are_told_apart() {
    let app = TestApp::start().await;
    let there = app.other_node().await;
    let at_there = Caller { base: format!("http://{}", there.address), ..app.api() };
    let path = path(&app);
    at_there.get(&path).await.expect(200);
    let form = [("UserVerification", "required"), ("Presence", "number,code")];
    app.api().post(&path, &form).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(11));
    let own = json!(["presence", "user_verification"]);
    let view = at_there.get(&path).await.expect(200);
    assert_eq!(shown(&view), json!([["number", "code"], "required", 5, own]));
    let other = app.api().post("/v2/Services", &[("FriendlyName", "other")]).await.text("sid");
    let other = format!("/v2/Services/{other}/Protection");
    let view = app.api().get(&other).await.expect(200);
    assert_eq!(shown(&view), json!([["none"], "none", 5, []]));
}

#[tokio::test]
async fn only_an_application_of_the_account_sees_and_changes_it() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (path, form) = (path(&app), [("InARowMax", "0")]);
    let token = app.access_token("alice-0001").await;
    let (device, stranger) = (app.device(&phone), app.stranger().await);
    for (caller, refusal) in [
        (&device, (403, 20403)),
        (&app.api().with("token", &token), (403, 20403)),
        (&stranger, (404, 20404)),
    ] {
        assert_eq!(caller.get(&path).await.refusal(), refusal);
        assert_eq!(caller.post(&path, &form).await.refusal(), refusal);
    }
    for form in [
        [("Presence", "face")],
        [("UserVerification", "yes")],
        [("InARowMax", "101")],
        [("InARowMinutes", "0")],
        [("ReportedPauseHours", "8761")],
    ] {
        assert_eq!(app.api().post(&path, &form).await.refusal(), (400, 60306), "{form:?}");
    }
    let view = app.api().get(&path).await.expect(200);
    assert_eq!(shown(&view), json!([["none"], "none", 5, []]));
}

#[tokio::test]
async fn an_approval_must_say_that_the_person_was_verified_and_a_denial_need_not() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    app.api().post(&path(&app), &[("UserVerification", "required")]).await.expect(200);
    let sid = ask(&app, &phone).await.text("sid");
    let refused = phone.answer(&sid, Verdict::Approved).await.unwrap_err();
    let PhoneError::Api(refused) = refused else { panic!("{refused}") };
    assert_eq!((refused.status, refused.code), (403, 60324));
    assert_eq!(phone.challenge(&sid).await.unwrap().status, ChallengeStatus::Pending);
    phone.answer(&sid, Verdict::Denied).await.expect("a denial needs nothing");
    app.api().post(&path(&app), &[("UserVerification", "none")]).await.expect(200);
    let sid = ask(&app, &phone).await.text("sid");
    phone.answer(&sid, Verdict::Approved).await.expect("nothing is asked for any more");
}

/// Told by the frame and by the headers of its `GET`, as soon as the service asks for it.
#[tokio::test]
async fn a_device_that_verifies_its_person_is_told_to_and_may_approve() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.expect("a stream");
    let sid = ask(&app, &phone).await.text("sid");
    let prompt = stream.next_prompt().await.expect("a prompt");
    assert_eq!(prompt.user_verification, None);
    assert!(!phone.challenge(&sid).await.unwrap().needs_verification);

    app.api().post(&path(&app), &[("UserVerification", "required")]).await.expect(200);
    let sid = ask(&app, &phone).await.text("sid");
    let prompt = stream.next_prompt().await.expect("a prompt");
    assert_eq!(prompt.user_verification.as_deref(), Some("required"));
    let read = app.device(&phone).get(&format!("{}/{sid}", app.challenges_path(&phone))).await;
    assert_eq!(read.header("countersign-user-verification"), "required");
    let read = app.api().get(&format!("{}/{sid}", app.challenges_path(&phone))).await;
    assert!(!read.headers.contains_key("countersign-user-verification"), "for devices only");
    assert!(phone.challenge(&sid).await.unwrap().needs_verification);
    let approval = Approval { is_user_verified: true, ..Approval::default() };
    let approved = phone.approve(&sid, approval).await.expect("an approval");
    assert_eq!(approved.status, ChallengeStatus::Approved);
}

#[tokio::test]
async fn a_number_and_a_verified_person_are_asked_for_at_once() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone_with_numbers("alice-0001").await;
    let form = [("UserVerification", "required"), ("Presence", "number")];
    app.api().post(&path(&app), &form).await.expect(200);
    let sid = ask(&app, &phone).await.text("sid");
    let presence = format!("{}/{sid}/Presence", app.challenges_path(&phone));
    let number = app.api().get(&presence).await.text("answer");
    let refused = phone.approve_with(&sid, &number).await.unwrap_err();
    assert_eq!(refused.code(), Some(60324), "without the person: {refused}");
    let approval = Approval { number: Some(&number), is_user_verified: true };
    phone.approve(&sid, approval).await.expect("an approval");
}
