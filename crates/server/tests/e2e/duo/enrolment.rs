//! People whom the service does not know are invited to enrol a device, where the integration says so.

use std::time::Duration;

use countersign_phone::{Authority, Enrolment, Phone};
use serde_json::Value;

use super::integrate;
use crate::support::TestApp;

const INVITES: [(&str, &str); 1] = [("UnknownUsers", "enrol")];

/// Identity and access token of a link.
fn invited(link: &str) -> (String, String) {
    let link = url::Url::parse(link).expect("a link");
    assert_eq!(link.path(), "/authenticator");
    let fragment = link.fragment().expect("a fragment").to_owned();
    let part = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(fragment.as_bytes());
        pairs.find(|(given, _)| given == name).expect(name).1.into_owned()
    };
    (part("identity"), part("token"))
}

async fn enrol(app: &TestApp, link: &str) -> Phone {
    let (identity, token) = invited(link);
    let enrolment = Enrolment::new(app.service.clone(), &identity, Authority::AccessToken(token));
    Phone::enrol(&app.phone_server(), &enrolment).await.expect("a phone")
}

fn text(said: &Value, name: &str) -> String {
    said[name].as_str().unwrap_or_else(|| panic!("{name} in {said}")).to_owned()
}

#[tokio::test]
async fn an_unknown_user_is_shown_a_link_and_asked_once_it_was_used() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &INVITES).await;
    let who = [("username", "newcomer"), ("text_prompt", "1")];
    let said = duo.post("/auth/v2/preauth", &who).await.ok();
    assert_eq!(said["result"], "enroll");
    let link = text(&said, "enroll_portal_url");
    assert!(said["prompt"]["text"].as_str().is_some_and(|text| text.contains(&link)), "{said}");
    enrol(&app, &link).await;
    assert_eq!(duo.post("/auth/v2/preauth", &who).await.ok()["result"], "auth");
    let said = duo.post("/auth/v2/auth", &[("username", "other"), ("factor", "push")]).await;
    assert_eq!(said.login().0, "deny", "only preauth invites");
}

#[tokio::test]
async fn an_application_follows_an_enrolment() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &INVITES).await;
    let form = [("username", "newcomer"), ("valid_secs", "86400")];
    let made = duo.post("/auth/v2/enroll", &form).await.ok();
    assert_eq!(made["username"], "newcomer");
    assert_eq!(made["activation_barcode"], made["activation_url"]);
    let (user, code) = (text(&made, "user_id"), text(&made, "activation_code"));
    let status = async |user: &str, code: &str| {
        let form = [("user_id", user), ("activation_code", code)];
        duo.post("/auth/v2/enroll_status", &form).await.ok()
    };
    assert_eq!(status(&user, &code).await, "waiting");
    assert_eq!(status("alice-0001", &code).await, "invalid");
    assert_eq!(status(&user, "nothing").await, "invalid");
    enrol(&app, &text(&made, "activation_url")).await;
    assert_eq!(status(&user, &code).await, "success");
    let again = duo.post("/auth/v2/enroll", &form).await;
    assert_eq!((again.refusal(), &again.json()["message_detail"]), (40_002, &"username".into()));

    let unnamed = duo.post("/auth/v2/enroll", &[]).await.ok();
    let (user, code) = (text(&unnamed, "user_id"), text(&unnamed, "activation_code"));
    app.clock.advance(Duration::from_secs(300));
    assert_eq!(status(&user, &code).await, "invalid", "it has expired");
}

#[tokio::test]
async fn an_integration_that_denies_unknown_users_invites_nobody() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let said = duo.post("/auth/v2/enroll", &[("username", "newcomer")]).await;
    assert_eq!(said.refusal(), 40_301);
    let said = duo.post("/auth/v2/preauth", &[("username", "newcomer")]).await.ok();
    assert_eq!(said["result"], "deny");
}
