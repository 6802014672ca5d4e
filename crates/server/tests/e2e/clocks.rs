//! Phones whose clocks are wrong, and how they learn what time it is.

use std::sync::Arc;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, Enrolment, Options, Phone, Verdict, jwt};

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
        phone.connect().await.expect("the stream goes by the corrected clock");

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
    let options = Options { local_time, ..Default::default() };
    let phone = Phone::load(&path, &options).unwrap();
    phone.connect().await.expect("after one refusal");
    assert_eq!(phone.clock_offset(), 7_200);
}
