//! People who may not enter are denied by an answer: after an error, a client may let them in.

use std::time::Duration;

use countersign_domain::sid::AccountSid;

use super::client::result;
use super::{ANN, Duo, PUSH, integrate};
use crate::support::TestApp;

/// Checks that a person is denied by both calls, and returns the status of the login.
async fn denied(duo: &Duo, who: &str) -> String {
    let offered = duo.post("/auth/v2/preauth", &[("username", who)]).await.ok();
    assert_eq!(offered["result"], "deny", "{offered}");
    assert!(offered["status_msg"].as_str().is_some_and(|text| !text.is_empty()), "{offered}");
    let said = duo.post("/auth/v2/auth", &[("username", who), ("factor", "push")]).await.login();
    assert_eq!(said.0, "deny");
    said.1
}

#[tokio::test]
async fn unknown_users_and_people_without_devices_are_denied_alike() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let entities = format!("/v2/Services/{}/Entities", app.service);
    app.api().post(&entities, &[("Identity", ANN)]).await.expect(201);
    let long = "x".repeat(300);
    for who in ["ann", "nobody", "a\nb", long.as_str()] {
        assert_eq!(denied(&duo, who).await, "deny", "{who}");
    }
    let other = app.stranger().await;
    let form = [("FriendlyName", "other")];
    let service = other.post("/v2/Services", &form).await.text("sid");
    let entity = format!("/v2/Services/{service}/Entities");
    other.post(&entity, &[("Identity", "alice-0002")]).await.expect(201);
    let said = duo.post("/auth/v2/auth", &[("user_id", "alice-0002"), ("factor", "push")]).await;
    assert_eq!(said.login(), result("deny", "deny"), "like an unknown user");
}

#[tokio::test]
async fn a_paused_person_is_denied() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let protection = format!("{}/Protection", app.entity(ANN));
    app.api().post(&protection, &[("Paused", "true")]).await.expect(200);
    assert_eq!(denied(&duo, "ann").await, "locked_out");
    assert!(phone.challenges(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_person_who_is_asked_too_often_is_denied() {
    let app = TestApp::start_with(&["limits.push_challenges_in_a_row=2"]).await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    for _ in 0..2 {
        app.clock.advance(Duration::from_secs(1));
        duo.begin(&PUSH).await;
    }
    app.clock.advance(Duration::from_secs(1));
    let txid = duo.begin(&PUSH).await;
    assert_eq!(duo.status(&txid).await.login(), result("deny", "locked_out"));
}

#[tokio::test]
async fn all_people_of_a_suspended_account_are_denied() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let txid = duo.begin(&PUSH).await;
    let account: AccountSid = app.account.parse().unwrap();
    app.server().verify.suspend_account(account).await.unwrap();
    assert_eq!(denied(&duo, "ann").await, "deny");
    assert_eq!(duo.status(&txid).await.login(), result("deny", "deny"));
    assert_eq!(duo.get("/auth/v2/check", &[]).await.refusal(), 40_301);
    let stranger = Duo { secret: "wrong".to_owned(), ..duo.clone() };
    let said = stranger.post("/auth/v2/preauth", &[("username", "ann")]).await;
    assert_eq!(said.refusal(), 40_103, "only its client is told");
    app.server().verify.resume_account(account).await.unwrap();
    let offered = duo.post("/auth/v2/preauth", &[("username", "ann")]).await.ok();
    assert_eq!(offered["result"], "auth");
}

#[tokio::test]
async fn a_login_that_says_too_much_is_denied() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[]).await;
    app.enrol_phone(ANN).await;
    let long = "x".repeat(70_000);
    let form = [&PUSH[..], &[("pushinfo", long.as_str())]].concat();
    assert_eq!(duo.post("/auth/v2/auth", &form).await.login(), result("deny", "deny"));
    let long = format!("Command={}", "x".repeat(30_000));
    let form = [&PUSH[..], &[("pushinfo", long.as_str())]].concat();
    let txid = duo.begin(&form).await;
    assert_eq!(duo.status(&txid).await.login(), result("waiting", "pushed"), "it is cut");
}
