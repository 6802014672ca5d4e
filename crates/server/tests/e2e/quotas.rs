//! Quotas of stored resources: each is a setting, and its refusal names the setting and its value.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, Enrolment, Phone, Verdict};
use countersign_store::seam::Retention;

use crate::support::{Caller, Reply, TestApp};

const FULL: (u16, i64) = (400, 60306);

async fn make(api: &Caller, app: &TestApp, identity: &str) -> Reply {
    let entities = format!("/v2/Services/{}/Entities", app.service);
    api.post(&entities, &[("Identity", identity)]).await
}

#[track_caller]
fn refused(reply: &Reply, reason: &str) {
    assert_eq!(reply.refusal(), FULL, "{reply:?}");
    assert_eq!(reply.body["details"]["reason"], reason);
}

#[tokio::test]
async fn entities_of_an_account_are_limited_over_all_of_its_services() {
    let app = TestApp::start_with(&["limits.entities_per_account=3"]).await;
    let (api, reason) = (app.api(), "limits.entities_per_account is 3");
    make(&api, &app, "person-01").await.expect(201);
    let services = [("FriendlyName", "another")];
    let another = api.post("/v2/Services", &services).await.text("sid");
    let path = format!("/v2/Services/{another}/Entities");
    api.post(&path, &[("Identity", "person-01")]).await.expect(201);
    let phone = app.enrol_phone("person-02").await;
    refused(&make(&api, &app, "person-03").await, reason);

    let authority = Authority::AccessToken(app.access_token("person-03").await);
    let enrolment = Enrolment::new(&app.service, "person-03", authority);
    let error = Phone::enrol(&app.phone_server(), &enrolment).await.unwrap_err();
    assert_eq!(error.code(), Some(60306), "one that an enrolment would make counts");
    let totp = [("FriendlyName", "codes"), ("FactorType", "totp")];
    refused(&api.post(&format!("{}/Factors", app.entity("person-03")), &totp).await, reason);
    app.enrol_phone(phone.identity()).await;

    api.delete(&app.entity("person-01")).await.expect(204);
    let late = Phone::enrol(&app.phone_server(), &enrolment).await;
    late.expect("there is room, and the access token was not used up");
    refused(&make(&api, &app, "person-04").await, reason);
    let stranger = app.stranger().await;
    let service = stranger.post("/v2/Services", &services).await.text("sid");
    let path = format!("/v2/Services/{service}/Entities");
    stranger.post(&path, &[("Identity", "person-01")]).await.expect(201);
}

#[tokio::test]
async fn of_many_at_once_only_those_are_made_that_there_is_room_for() {
    let settings = ["limits.entities_per_account=5", "limits.entities_per_account_per_second=0"];
    let app = TestApp::start_with(&settings).await;
    let api = app.api();
    let all = (0..40).map(|number| {
        let (api, app) = (&api, &app);
        async move { make(api, app, &format!("person-{number:02}")).await }
    });
    let replies = futures_util::future::join_all(all).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 5);
    let others = replies.iter().filter(|reply| reply.status != 201);
    others.for_each(|reply| refused(reply, "limits.entities_per_account is 5"));
}

/// The texts of challenges, and 512 bytes for each record.
#[tokio::test]
async fn bytes_of_an_account_are_limited_and_answers_are_taken_all_the_same() {
    let app = TestApp::start_with(&["limits.stored_bytes_per_account=6000"]).await;
    let (api, reason) = (app.api(), "limits.stored_bytes_per_account is 6000");
    let phone = app.enrol_phone("alice-0001").await;
    let hidden = format!(r#"{{"note":"{}"}}"#, "x".repeat(1_000));
    let form = [
        ("FactorSid", phone.factor_sid()),
        ("Details.Message", "Log in?"),
        ("HiddenDetails", &hidden),
    ];
    let challenges = app.challenges_path(&phone);
    let mut made = Vec::new();
    let full = loop {
        let reply = api.post(&challenges, &form).await;
        if reply.status != 201 {
            break reply;
        }
        made.push(reply.text("sid"));
    };
    refused(&full, reason);
    // Entity and factor leave less than 5,000 bytes, and each challenge has more than 1,500.
    assert!((2..=3).contains(&made.len()), "{}", made.len());
    let of_first = format!("{challenges}/{}", made[0]);
    let metadata = format!(r#"{{"note":"{}"}}"#, "y".repeat(1_000));
    let two = [("Metadata", &*metadata)];
    let mut annotated = Vec::new();
    for sid in &made {
        annotated.push(api.post(&format!("{challenges}/{sid}"), &two).await);
    }
    refused(annotated.last().unwrap(), reason);
    api.post(&of_first, &[("Metadata", r#"{"a":"b"}"#)]).await.expect(200);
    phone.answer(&made[1], Verdict::Approved).await.expect("an answer is taken");

    api.delete(&app.entity("alice-0001")).await.expect(204);
    let retention = Retention { challenges: Duration::from_secs(24 * 60 * 60) };
    let store = app.store().await;
    // The server cleans too, and may be first.
    while store.clean(app.clock.now(), retention, 1_000).await.expect("it is cleaned") > 0 {}
    app.server().verify.count_stored().await.expect("it is counted");
    let again = app.enrol_phone("alice-0001").await;
    let form = [("FactorSid", again.factor_sid()), ("Details.Message", "Log in?")];
    api.post(&app.challenges_path(&again), &form).await.expect(201);
}

#[tokio::test]
async fn stored_resources_count_after_a_restart_and_on_another_node() {
    let mut app = TestApp::start_with(&["limits.entities_per_account=2"]).await;
    make(&app.api(), &app, "person-01").await.expect(201);
    make(&app.api(), &app, "person-02").await.expect(201);
    app.crash_and_restart().await;
    app.server().verify.count_stored().await.expect("it is counted");
    refused(&make(&app.api(), &app, "person-03").await, "limits.entities_per_account is 2");
    app.api().delete(&app.entity("person-01")).await.expect(204);
    make(&app.api(), &app, "person-03").await.expect(201);
    refused(&make(&app.api(), &app, "person-04").await, "limits.entities_per_account is 2");
}

/// A PNG of so many bytes, in base64.
fn logo(bytes: usize) -> String {
    use base64::Engine as _;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\x06".to_vec();
    png.resize(bytes - 12, 0);
    png.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    base64::engine::general_purpose::STANDARD.encode(png)
}

/// A smaller logo needs no room, and one that is removed or deleted makes room.
#[tokio::test]
async fn logos_and_labels_count_against_the_bytes_of_their_account() {
    let app = TestApp::start_with(&["limits.stored_bytes_per_account=3000"]).await;
    let (api, reason) = (app.api(), "limits.stored_bytes_per_account is 3000");
    let of = |service: &str| format!("/v2/Services/{service}/Branding");
    let brand =
        async |service: &str, logo: String| api.post(&of(service), &[("Logo", &*logo)]).await;
    let another = api.post("/v2/Services", &[("FriendlyName", "another")]).await.text("sid");
    brand(&app.service, logo(2_000)).await.expect(200);
    refused(&brand(&another, logo(1_001)).await, reason);
    assert_eq!(api.get(&of(&another)).await.expect(200)["logo_url"], serde_json::Value::Null);
    brand(&another, logo(1_000)).await.expect(200);
    refused(&make(&api, &app, "person-01").await, reason);
    brand(&app.service, logo(1_400)).await.expect(200);
    make(&api, &app, "person-01").await.expect(201);
    // 88 bytes are left.
    let branding = format!("{}/Branding", app.entity("person-01"));
    let long = async |letter: &str| api.post(&branding, &[("Label", &*letter.repeat(64))]).await;
    refused(&long("é").await, reason);
    long("e").await.expect(200);
    app.server().verify.count_stored().await.expect("it is counted");
    refused(&brand(&another, logo(1_025)).await, reason);
    brand(&another, logo(1_024)).await.expect(200);
    api.delete(&format!("/v2/Services/{another}")).await.expect(204);
    brand(&app.service, logo(2_400)).await.expect(200);
}

/// The next count includes what other nodes have stored.
#[tokio::test]
async fn a_node_counts_what_others_have_stored() {
    let app = TestApp::start_with(&["limits.entities_per_account=2"]).await;
    let other = app.other_node().await;
    let there = Caller { base: format!("http://{}", other.address), ..app.api() };
    make(&app.api(), &app, "person-01").await.expect(201);
    make(&there, &app, "person-02").await.expect(201);
    app.server().verify.count_stored().await.expect("it is counted");
    refused(&make(&app.api(), &app, "person-03").await, "limits.entities_per_account is 2");
    other.verify.count_stored().await.expect("it is counted");
    refused(&make(&there, &app, "person-03").await, "limits.entities_per_account is 2");
    other.stop().await;
}

#[tokio::test]
async fn api_keys_of_an_account_are_limited() {
    let app = TestApp::start_with(&["limits.api_keys_per_account=2"]).await;
    let (verify, account) = (&app.server().verify, app.account.parse().unwrap());
    let first = verify.create_api_key(account, "one").await.unwrap().0;
    verify.create_api_key(account, "two").await.unwrap();
    let refused = verify.create_api_key(account, "three").await.unwrap_err();
    let says = "an account may have 2 API keys: limits.api_keys_per_account";
    assert_eq!(refused.to_string(), says);
    verify.delete_api_key(first.sid).await.unwrap();
    verify.create_api_key(account, "three").await.unwrap();
}
