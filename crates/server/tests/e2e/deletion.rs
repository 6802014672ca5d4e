//! Deleting a resource deletes everything below it at once, for every caller, and frees its name.

use std::time::Duration;

use countersign_phone::{Phone, PhoneError};

use crate::support::{Caller, Home, TestApp};

async fn all_is_gone(home: &Home, below: &str) {
    for (path, methods) in home.instances() {
        if !path.starts_with(below) {
            assert_eq!(home.caller.get(&path).await.status, 200, "{path} is not below {below}");
            continue;
        }
        assert_eq!(home.caller.get(&path).await.refusal(), (404, 20404), "{path}");
        if methods.contains(&"POST") {
            let form = [("FriendlyName", "a")];
            assert_eq!(home.caller.post(&path, &form).await.refusal(), (404, 20404), "{path}");
        }
        if methods.contains(&"DELETE") {
            assert_eq!(home.caller.delete(&path).await.refusal(), (404, 20404), "{path}");
        }
    }
    for (path, key) in home.lists() {
        if path.starts_with(below) && !key.is_empty() {
            assert_eq!(home.caller.get(&path).await.refusal(), (404, 20404), "{path}");
        }
    }
    let notify = format!("{}/Notifications", home.challenge_path());
    assert_eq!(home.caller.post(&notify, &[]).await.refusal(), (404, 20404));
    let factor = home.phone.factor_sid();
    let form = [("FactorSid", factor), ("Details.Message", "still there?")];
    let challenges = format!("{}/Challenges", home.entity_path());
    assert_eq!(home.caller.post(&challenges, &form).await.refusal(), (404, 20404));
}

/// The key of a deleted factor is free.
async fn the_device_is_unknown(home: &Home, device: &Caller) {
    for path in [home.factor_path(), home.challenge_path()] {
        assert_eq!(device.get(&path).await.refusal(), (401, 20151), "{path}");
    }
    let Err(PhoneError::Closed(closed)) = home.phone.connect().await else { panic!("a refusal") };
    assert_eq!(closed.refusal().map(|why| why.code), Some(20151));
    home.phone.delete().await.expect("a phone takes that for deleted");
}

#[tokio::test]
async fn deleting_an_entity_takes_all_below_it_and_frees_its_identity() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let device = app.device(&home.phone);
    let mut stream = home.phone.connect().await.unwrap();
    stream.next_prompt().await.unwrap();
    home.caller.delete(&home.entity_path()).await.expect(204);
    let Err(PhoneError::Closed(closed)) = stream.next_prompt().await else { panic!("it ends") };
    assert_eq!(closed.code, countersign_phone::Closed::GONE);
    all_is_gone(&home, &home.entity_path()).await;
    the_device_is_unknown(&home, &device).await;

    let authority = countersign_phone::Authority::Account {
        sid: app.account.clone(),
        auth_token: app.token.clone(),
    };
    let enrolment = countersign_phone::Enrolment::new(&home.service, "alice-0001", authority);
    let phone_again =
        Phone::enrol(&app.phone_server(), &enrolment).await.expect("the identity is free");
    assert_eq!(phone_again.challenges(None).await.unwrap().len(), 0, "and has no history");
    let factors = home.caller.get(&format!("{}/Factors", home.entity_path())).await.expect(200);
    assert_eq!(factors["factors"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn deleting_a_service_takes_all_below_it() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let device = app.device(&home.phone);
    // Fills the cache of the service.
    home.caller.get(&home.service_path()).await.expect(200);
    let token = home.caller.get(&home.access_token_path()).await.text("token");
    home.caller.delete(&home.service_path()).await.expect(204);
    all_is_gone(&home, &home.service_path()).await;
    the_device_is_unknown(&home, &device).await;
    let form = [("FactorType", "push"), ("FriendlyName", "late")];
    let late = app.api().with("token", &token);
    let factors = format!("{}/Factors", home.entity_path());
    assert!(matches!(late.post(&factors, &form).await.status, 400 | 404));
    let services = app.api().get("/v2/Services").await.expect(200);
    assert_eq!(services["services"].as_array().map(Vec::len), Some(1), "the other one stays");
}

#[tokio::test]
async fn deleted_rows_are_cleaned_in_time_and_disturb_no_others() {
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let phone = app.enrol_phone("bob-00001").await;
    let challenge = app.challenge(&phone, "Log in?").await;
    home.caller.delete(&home.service_path()).await.expect(204);
    // Intervals have up to a tenth of jitter.
    app.clock.advance(Duration::from_secs(66));
    app.server()
        .engine
        .signals()
        .wait_for(|counts| counts.cleaned > 0 && counts.cleaner_sweeps > 0)
        .await;
    assert_eq!(app.read_challenge(&phone, &challenge).await["status"], "pending");
    assert_eq!(app.api().get(&home.service_path()).await.refusal(), (404, 20404));
}
