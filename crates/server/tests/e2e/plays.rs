//! Short plays: an application, a phone, and a clock that advances.

use std::time::Duration;

use countersign_phone::Verdict;

use crate::support::TestApp;

#[tokio::test]
async fn an_approved_challenge_is_seen_by_the_application() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();

    let challenge = app.challenge(&phone, "Pay 40 EUR?").await;
    let prompt = stream.next_prompt().await.unwrap();
    assert_eq!(
        (prompt.challenge_sid.as_str(), prompt.message.as_str()),
        (&*challenge, "Pay 40 EUR?")
    );
    // The answer could overtake the acknowledgement.
    app.deliver_everything().await;
    phone.answer(&challenge, Verdict::Approved).await.unwrap();

    assert_eq!(app.read_challenge(&phone, &challenge).await["status"], "approved");
    assert_eq!(app.standing(&phone, &challenge).await, ["delivered -"]);
}

#[tokio::test]
async fn a_phone_that_comes_back_within_the_ttl_gets_its_notification() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let asked = app.notify(&phone, &challenge, 150).await;
    assert_eq!(app.standing(&phone, &challenge).await, ["queued device_offline"; 2]);

    app.pass(Duration::from_secs(149)).await;
    let mut stream = phone.connect().await.unwrap();
    let prompt = stream.next_prompt().await.unwrap();
    assert_eq!(prompt.notification_sid, asked["sid"].as_str().unwrap());
    app.deliver_everything().await;
    assert_eq!(app.standing(&phone, &challenge).await, ["cancelled superseded", "delivered -"]);
}

#[tokio::test]
async fn a_phone_that_comes_back_too_late_gets_nothing() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 150).await;

    app.clock.advance(Duration::from_secs(300));
    let mut stream = phone.connect().await.unwrap();
    let later = app.challenge(&phone, "And now?").await;
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, later, "nothing came before it");
    app.server().engine.signals().wait_for(|counts| counts.expired == 2).await;
    assert_eq!(app.standing(&phone, &challenge).await, ["expired device_offline"; 2]);
}

#[tokio::test]
async fn a_ttl_of_zero_is_now_or_never() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 0).await;
    app.deliver_everything().await;
    let never = &app.notifications(&phone, &challenge).await[1];
    assert_eq!(
        (&never["status"], &never["status_reason"]),
        (&"failed".into(), &"device_offline".into())
    );
    assert_eq!(never["error_code"], 52001);

    let mut stream = phone.connect().await.unwrap();
    let automatic = stream.next_prompt().await.unwrap();
    assert_ne!(automatic.notification_sid, never["sid"].as_str().unwrap());
    let now = app.notify(&phone, &challenge, 0).await;
    assert_eq!(stream.next_prompt().await.unwrap().notification_sid, now["sid"].as_str().unwrap());
    app.deliver_everything().await;
    let standing = app.standing(&phone, &challenge).await;
    assert_eq!(standing, ["delivered -", "failed device_offline", "delivered -"]);
}

#[tokio::test]
async fn a_crash_between_the_201_and_the_delivery_loses_nothing() {
    let mut app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.crash_and_restart().await;

    let mut stream = phone.connect().await.unwrap();
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, challenge);
}

#[tokio::test]
async fn an_answer_cancels_pushes_under_way() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    app.notify(&phone, &challenge, 300).await;
    phone.answer(&challenge, Verdict::Denied).await.unwrap();
    assert_eq!(app.standing(&phone, &challenge).await, ["cancelled answered"; 2]);

    let mut stream = phone.connect().await.unwrap();
    let later = app.challenge(&phone, "And now?").await;
    assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, later, "nothing came before it");
}

#[tokio::test]
async fn of_two_answers_one_wins() {
    let app = TestApp::start_with(&["limits.push_challenges_in_a_row=0"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    for round in 0..10 {
        let sid = app.challenge(&phone, &format!("Log in {round}?")).await;
        let challenge = phone.challenge(&sid).await.unwrap();
        let (yes, no) = tokio::join!(
            phone.send_answer(&challenge, Verdict::Approved),
            phone.send_answer(&challenge, Verdict::Denied),
        );
        let (won, lost) = if yes.is_ok() { ("approved", no) } else { ("denied", yes) };
        assert_eq!(lost.unwrap_err().code(), Some(60322));
        assert_eq!(app.read_challenge(&phone, &sid).await["status"], won);
    }
}

#[tokio::test]
async fn a_factor_that_is_deleted_takes_its_parked_pushes_along() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let factor = format!("{}/Factors/{}", app.entity("alice-0001"), phone.factor_sid());
    app.api().delete(&factor).await.expect(204);
    assert_eq!(app.standing(&phone, &challenge).await, ["cancelled factor_gone"]);
    let path = format!("{}/{challenge}/Notifications", app.challenges_path(&phone));
    assert_eq!(app.api().post(&path, &[]).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn fifty_at_once_are_three() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    let path = format!("{}/{challenge}/Notifications", app.challenges_path(&phone));
    let calls = (0..50).map(|_| {
        let (api, path) = (app.api(), path.clone());
        tokio::spawn(async move { api.post(&path, &[]).await })
    });
    let mut taken = 0;
    for call in calls.collect::<Vec<_>>() {
        let reply = call.await.unwrap();
        if reply.status == 201 {
            taken += 1;
        } else {
            assert_eq!(reply.refusal(), (429, 60309));
        }
    }
    assert_eq!(taken, 3);
    assert_eq!(app.notifications(&phone, &challenge).await.len(), 4);
}
