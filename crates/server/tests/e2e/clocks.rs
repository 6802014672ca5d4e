//! Phones with wrong clocks correct them; a server whose clock jumps makes no wrong decision.

use std::sync::Arc;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, Enrolment, Phone, ServerOptions, Verdict, jwt};

use countersign_testkit::{ManualClock, SkewedClock};

use crate::support::TestApp;

#[tokio::test]
async fn a_phone_whose_clock_is_an_hour_off_is_told_the_time_once() {
    for ahead in [3_600, -3_600] {
        let app = TestApp::start().await;
        let authority = Authority::AccessToken(app.access_token("alice-0001").await);
        let enrolment = Enrolment::new(&app.service, "alice-0001", authority);
        let phone = Phone::enrol(&app.phone_server_off_by(ahead), &enrolment).await.unwrap();
        assert_eq!(phone.clock_offset(), -ahead, "learnt from the Date of the first 401");
        let challenge = app.challenge(&phone, "Log in?").await;
        phone.answer(&challenge, Verdict::Approved).await.unwrap();
        phone.connect().await.expect("the stream uses the corrected clock");

        let device = jwt::Device {
            credential_sid: phone.credential_sid(),
            account_sid: phone.account_sid(),
        };
        let now = app.clock.now().as_seconds();
        let token = jwt::device_jwt(phone.key(), device, now + ahead, None).unwrap();
        let reply = app.api().with("token", &token).get(&app.factor_path(&phone)).await;
        assert_eq!(reply.refusal(), (401, if ahead > 0 { 20105 } else { 20156 }));
        assert_eq!(reply.header("date"), app.clock.now().to_http_date());
        let skew = reply.body["details"]["reason"].as_str().unwrap();
        assert!(skew.contains(if ahead > 0 { "3600 s" } else { "3000 s ago" }), "{skew}");
    }
}

#[tokio::test]
async fn a_stream_corrects_the_clock_by_the_reason_of_its_refusal() {
    let app = TestApp::start().await;
    let enrolled = app.enrol_phone("alice-0001").await;
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("phone.json");
    enrolled.save(&path).unwrap();
    let clock = app.clock.clone();
    let local_time = Some(Arc::new(move || clock.now().as_seconds() - 7_200) as _);
    let options = ServerOptions { local_time, ..Default::default() };
    let phone = Phone::load(&path, &options).unwrap();
    phone.connect().await.expect("after one refusal");
    assert_eq!(phone.clock_offset(), 7_200);
}

/// A clock that has jumped refuses nothing that is in time. A clock that doubts itself accepts nothing that has expired.
#[tokio::test]
async fn a_server_whose_clock_jumps_refuses_nothing_in_time_and_accepts_nothing_too_late() {
    let clock = ManualClock::new();
    let own = SkewedClock::following(&clock);
    let app = TestApp::start_by(clock, Arc::new(own.clone()), &[]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let token = app.access_token("bob-0001").await;
    let device =
        jwt::Device { credential_sid: phone.credential_sid(), account_sid: phone.account_sid() };
    let made = jwt::device_jwt(phone.key(), device, app.clock.now().as_seconds(), None).unwrap();
    let get = async || app.api().with("token", &made).get(&app.factor_path(&phone)).await.status;
    for off in [86_400, -86_400] {
        for doubts in [false, true] {
            own.step(off, doubts);
            assert_eq!(get().await, 200, "{off} s, {doubts}");
        }
    }
    own.step(86_400, true);
    let enrolment = Enrolment::new(&app.service, "bob-0001", Authority::AccessToken(token));
    let phone = Phone::enrol(&app.phone_server(), &enrolment).await.unwrap();
    let challenge = app.challenge(&phone, "Log in?").await;
    phone.answer(&challenge, Verdict::Approved).await.unwrap();

    app.clock.advance(std::time::Duration::from_secs(3_600));
    own.step(-3_600, true);
    assert_eq!(get().await, 401, "the token has ended, though the clock is in doubt");
}
