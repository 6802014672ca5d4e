//! Pushes of services without a credential for the platform, of factors that get no push, and of addresses that change while a
//! push waits.

use std::time::Duration;

use countersign_phone::{Phone, Platform, Verdict};
use serde_json::{Value, json};

use crate::support::TestApp;

/// The only attempt of a notification.
fn attempt(notification: &Value) -> &Value {
    let attempts = notification["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 1, "{notification}");
    &attempts[0]
}

#[tokio::test]
async fn without_a_credential_a_push_fails_visibly_and_the_challenge_lives_on() {
    let app = TestApp::start().await;
    for (identity, platform) in [
        ("apple-0001", Platform::Apn("ab".repeat(32))),
        ("google-001", Platform::Fcm("t".repeat(140))),
    ] {
        let phone = app.enrol(identity, platform.clone()).await;
        let challenge = app.challenge(&phone, "Log in?").await;
        app.notify(&phone, &challenge, 150).await;
        app.notify(&phone, &challenge, 0).await;
        app.deliver_everything().await;
        for notification in app.notifications(&phone, &challenge).await {
            assert_eq!(notification["status"], "failed", "{notification}");
            assert_eq!(notification["error_code"], 52004);
            let attempt = attempt(&notification);
            assert_eq!(attempt["platform"], platform.as_str());
            assert_eq!(attempt["date"], "2026-01-01T12:00:00Z");
            assert!(attempt["provider_reason"].as_str().is_some_and(|why| !why.is_empty()));
        }
        let answered = phone.answer(&challenge, Verdict::Approved).await.unwrap();
        assert_eq!(answered.status, countersign_phone::ChallengeStatus::Approved);
        assert_eq!(
            app.standing(&phone, &challenge).await,
            ["failed refused"; 3],
            "a final state stays"
        );
    }
}

#[tokio::test]
async fn a_factor_of_platform_none_gets_no_push_and_polls() {
    let app = TestApp::start().await;
    let phone = app.enrol("alice-0001", Platform::None).await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}/Notifications", app.challenges_path(&phone));
    for ttl in ["0", "300"] {
        assert_eq!(app.api().post(&path, &[("Ttl", ttl)]).await.refusal(), (400, 60307));
    }
    assert_eq!(app.notifications(&phone, &challenge).await, Vec::<Value>::new());
    let pending =
        phone.challenges(Some(countersign_phone::ChallengeStatus::Pending)).await.unwrap();
    assert_eq!(pending[0].sid, challenge);
    phone.answer(&challenge, Verdict::Denied).await.unwrap();
}

/// The other reason, `not_attempted`, is in `suspended`.
#[tokio::test]
async fn a_push_whose_device_never_came_ends_with_that_reason() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 30).await;
    app.pass(Duration::from_secs(31)).await;
    // The expirer looks at intervals.
    while app.standing(&phone, &challenge).await == ["queued device_offline"; 2] {
        app.pass(Duration::from_secs(1)).await;
    }
    let expected = ["queued device_offline", "expired device_offline"];
    assert_eq!(app.standing(&phone, &challenge).await, expected);
    assert_eq!(app.notifications(&phone, &challenge).await[1]["attempts"], json!([]));
}

async fn parked(app: &TestApp) -> (Phone, String) {
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 300).await;
    assert_eq!(app.standing(&phone, &challenge).await, ["queued device_offline"; 2]);
    app.clock.advance(Duration::from_secs(1));
    (phone, challenge)
}

#[tokio::test]
async fn parked_pushes_go_to_the_new_address() {
    let app = TestApp::start().await;
    let (phone, challenge) = parked(&app).await;
    phone.update_push_token(&Platform::Fcm("t".repeat(40))).await.unwrap();
    app.deliver_everything().await;
    assert_eq!(app.standing(&phone, &challenge).await, ["failed refused"; 2]);
    for notification in app.notifications(&phone, &challenge).await {
        assert_eq!(attempt(&notification)["platform"], "fcm");
    }
}

#[tokio::test]
async fn parked_pushes_end_when_the_address_is_removed() {
    let app = TestApp::start().await;
    let (phone, challenge) = parked(&app).await;
    phone.update_push_token(&Platform::None).await.unwrap();
    app.deliver_everything().await;
    for notification in app.notifications(&phone, &challenge).await {
        assert!(
            matches!(notification["status"].as_str(), Some("failed" | "cancelled")),
            "{notification}"
        );
        assert_eq!(notification["attempts"], json!([]));
    }
    phone.answer(&challenge, Verdict::Approved).await.expect("it can be answered all the same");
}

#[tokio::test]
async fn a_phone_that_moves_to_the_stream_gets_later_pushes_there() {
    let app = TestApp::start().await;
    let phone = app.enrol("alice-0001", Platform::Fcm("t".repeat(40))).await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.deliver_everything().await;
    phone.update_push_token(&Platform::Stream).await.unwrap();
    let mut stream = phone.connect().await.unwrap();
    let sid = app.notify(&phone, &challenge, 60).await["sid"].as_str().unwrap().to_owned();
    assert_eq!(stream.next_prompt().await.unwrap().notification_sid, sid);
    app.deliver_everything().await;
    assert_eq!(app.standing(&phone, &challenge).await, ["failed refused", "delivered -"]);
}

#[tokio::test]
async fn a_prompt_has_the_time_until_which_it_may_be_shown() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    let challenge = app.challenge(&phone, "Log in?").await;
    let mut until = async || stream.next_prompt().await.unwrap().expires_at.to_string();
    assert_eq!(
        until().await,
        "2026-01-01T12:05:00Z",
        "the automatic one: as long as the challenge"
    );
    app.deliver_everything().await;
    app.clock.advance(Duration::from_secs(90));
    let echoed = app.notify(&phone, &challenge, 300).await;
    assert_eq!(until().await, "2026-01-01T12:05:00Z", "never beyond the challenge");
    app.deliver_everything().await;
    assert_eq!(echoed["ttl"], 300, "the answer says what was asked for");
    app.notify(&phone, &challenge, 30).await;
    assert_eq!(until().await, "2026-01-01T12:02:00Z");
}
