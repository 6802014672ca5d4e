//! A database that cannot grow: writes are refused, none is partial, reads go on, and the server recovers by itself.

use std::time::Duration;

use countersign_phone::{Phone, Verdict};

use crate::support::TestApp;

/// A form as large as a challenge can be.
async fn fill(app: &TestApp, phone: &Phone) -> Vec<String> {
    let field = format!(r#"{{"label":"{}","value":"{}"}}"#, "l".repeat(36), "v".repeat(128));
    let mut form = vec![("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    form.extend(vec![("Details.Fields", field.as_str()); 20]);
    let mut taken = Vec::new();
    for _ in 0..500 {
        let reply = app.api().post(&app.challenges_path(phone), &form).await;
        if reply.status != 201 {
            assert_eq!(reply.refusal(), (503, 20503));
            return taken;
        }
        taken.push(reply.text("sid"));
    }
    panic!("it never filled up");
}

const SETTINGS: [&str; 3] = [
    "store.pages_max=140",
    "limits.challenges_per_factor_per_hour=0",
    "limits.push_challenges_in_a_row=0",
];

#[tokio::test]
async fn a_full_disk_refuses_writes_and_serves_reads_until_there_is_room() {
    let mut app = TestApp::start_with(&SETTINGS).await;
    let phone = app.enrol_phone("alice-0001").await;
    let taken = fill(&app, &phone).await;
    assert!(taken.len() > 3, "{}", taken.len());
    let listed = format!("{}?PageSize=1000", app.challenges_path(&phone));
    let listed = app.api().get(&listed).await.expect(200);
    assert_eq!(
        listed["challenges"].as_array().map(Vec::len),
        Some(taken.len()),
        "none half written"
    );
    for sid in &taken {
        assert_eq!(app.read_challenge(&phone, sid).await["status"], "pending");
    }
    assert_eq!(app.api().get("/healthz").await.status, 200, "it lives");

    app.restart_with(|config| config.store.pages_max = 0).await;
    app.challenge(&phone, "And now?").await;
    phone.answer(&taken[0], Verdict::Approved).await.expect("accepted challenges can be answered");
}

#[tokio::test]
async fn cleaning_makes_room_without_a_restart() {
    let app = TestApp::start_with(&SETTINGS).await;
    let phone = app.enrol_phone("alice-0001").await;
    let taken = fill(&app, &phone).await;
    // After the retention of thirty days, cleaning makes room.
    app.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    let cleaned = |counts: &countersign_delivery::Counts| counts.cleaned > 0;
    app.server().engine.signals().wait_for(cleaned).await;
    let again = app.challenge(&phone, "And now?").await;
    phone.answer(&again, Verdict::Approved).await.unwrap();
    let gone = format!("{}/{}", app.challenges_path(&phone), taken[0]);
    assert_eq!(app.api().get(&gone).await.refusal(), (404, 20404));
}
