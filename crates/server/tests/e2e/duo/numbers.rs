//! The number that a client shows and the person enters on the device.

use std::time::Duration;

use countersign_phone::{Authority, Enrolment, Phone, Verdict};

use super::client::result;
use super::{ANN, integrate, prompt_of};
use crate::support::TestApp;

/// A phone that asks its person for numbers.
async fn enrol(app: &TestApp) -> Phone {
    let authority = Authority::AccessToken(app.access_token(ANN).await);
    let enrolment =
        Enrolment { takes_numbers: true, ..Enrolment::new(app.service.clone(), ANN, authority) };
    Phone::enrol(&app.phone_server(), &enrolment).await.expect("a phone")
}

const WHO: [(&str, &str); 3] =
    [("username", "ann"), ("text_prompt", "1"), ("client_supports_verified_push", "1")];

#[tokio::test]
async fn only_the_number_that_the_client_shows_approves() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[("Presence", "number")]).await;
    let (phone, plain) = (enrol(&app).await, app.enrol_phone(ANN).await);
    for right in [true, false] {
        app.clock.advance(Duration::from_secs(1));
        let offered = duo.post("/auth/v2/preauth", &WHO).await.ok();
        assert_eq!(offered["prompt"]["factors"]["default"], "verified_push1");
        let number = offered["verification_code"].as_str().unwrap();
        let name = offered["txid"].as_str().unwrap();
        let ask = [
            ("username", "ann"),
            ("factor", "prompt"),
            ("prompt", "verified_push1"),
            ("txid", name),
        ];
        let txid = duo.begin(&ask).await;
        let prompt = prompt_of(&phone).await;
        assert!(phone.answer(&prompt.sid, Verdict::Approved).await.is_err(), "without the number");
        if right {
            phone.approve_with(&prompt.sid, number).await.unwrap();
            assert_eq!(duo.status(&txid).await.login(), result("allow", "allow"));
        } else {
            let wrong = if number == "77" { "78" } else { "77" };
            for _ in 0..2 {
                assert!(phone.approve_with(&prompt.sid, wrong).await.is_err());
            }
            assert_eq!(duo.status(&txid).await.login(), result("deny", "deny"));
        }
    }
    assert!(plain.challenges(None).await.unwrap().is_empty(), "it takes no numbers");
}

#[tokio::test]
async fn a_client_that_shows_no_numbers_is_denied_where_one_is_required() {
    let app = TestApp::start().await;
    let duo = integrate(&app, &[("Presence", "number")]).await;
    let phone = enrol(&app).await;
    let offered = duo.post("/auth/v2/preauth", &WHO[..2]).await.ok();
    assert_eq!(offered["result"], "deny");
    let said = duo.post("/auth/v2/auth", &[("username", "ann"), ("factor", "push")]).await;
    assert_eq!(said.login(), result("deny", "deny"));
    assert!(phone.challenges(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_number_is_for_one_person_and_one_minute() {
    let app = TestApp::start().await;
    let aliases = [("Aliases", "bob=bobby-0002"), ("Presence", "number")];
    let duo = integrate(&app, &aliases).await;
    enrol(&app).await;
    let other = app.enrol_phone("bobby-0002").await;
    let offered = duo.post("/auth/v2/preauth", &WHO).await.ok();
    let name = offered["txid"].as_str().unwrap();
    let ask = |who: &'static str| {
        duo.request(
            "POST",
            "/auth/v2/auth",
            &[("username", who), ("factor", "push"), ("txid", name)],
        )
    };
    let said = super::Duo::said(ask("bob")).await;
    assert_eq!(said.refusal(), 40_002);
    assert_eq!(duo.status(name).await.refusal(), 40_002, "it is no login");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(super::Duo::said(ask("ann")).await.login(), result("deny", "timeout"));
    assert!(other.challenges(None).await.unwrap().is_empty());
}
