//! The context of an answer: reason, address and country, for the application and the operator alone.

use countersign_domain::secret::Secret;
use countersign_domain::webhook_signature::twilio_signature;
use countersign_phone::{DenialReason, Verdict};
use countersign_standins::CommonOptions;
use countersign_standins::webhook::Webhook;
use countersign_testkit::mmdb;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

/// A path, and the folder that holds the database of places.
pub fn places() -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("places.mmdb");
    let known = [("127.0.0.0", 8, "PT"), ("192.0.2.0", 24, "DE"), ("198.51.100.0", 24, "PT")];
    std::fs::write(&file, mmdb::countries(&known)).expect("a file");
    (format!("geo.database={}", file.display()), folder)
}

fn shown(context: &Value) -> Value {
    json!([context["challenge_reason"], context["answer_address"], context["answer_country"]])
}

async fn context(app: &TestApp, phone: &countersign_phone::Phone, sid: &str) -> Value {
    let path = format!("{}/{sid}/Context", app.challenges_path(phone));
    let view = app.api().get(&path).await.expect(200);
    assert_eq!(view["url"], format!("http://{}{path}", app.address()));
    shown(&view)
}

#[tokio::test]
async fn the_address_of_the_device_behind_a_proxy_is_kept_with_its_country() {
    let (setting, _folder) = places();
    let app = TestApp::start_with(&["http.trusted_proxies=127.0.0.1", &setting]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    assert_eq!(context(&app, &phone, &sid).await, json!([null, null, null]));
    let asked = phone.challenge(&sid).await.unwrap();
    let payload = phone.signed_answer(&asked, Verdict::Approved).unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-forwarded-for", "192.0.2.9".parse().expect("a header"));
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let client = builder.default_headers(headers).build().expect("a client");
    let device = Caller { client, ..app.device(&phone) };
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    let answered = device.post(&path, &[("AuthPayload", &payload)]).await.expect(200);
    assert_eq!(context(&app, &phone, &sid).await, json!([null, "192.0.2.9", "DE"]));
    for body in [answered, app.read_challenge(&phone, &sid).await] {
        let members = body.as_object().expect("an object");
        assert!(
            members.keys().all(|name| !name.starts_with("answer") && name != "challenge_reason")
        );
    }
}

#[tokio::test]
async fn without_a_database_the_address_has_no_country_and_the_application_has_no_address() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let denied = app.challenge(&phone, "Log in?").await;
    phone.deny(&denied, DenialReason::Cancelled).await.unwrap();
    assert_eq!(context(&app, &phone, &denied).await, json!(["cancelled", "127.0.0.1", null]));
    let sid = app.challenge(&phone, "Log in?").await;
    let asked = phone.challenge(&sid).await.unwrap();
    let payload = phone.signed_answer(&asked, Verdict::Approved).unwrap();
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    app.api().post(&path, &[("AuthPayload", &payload)]).await.expect(200);
    assert_eq!(context(&app, &phone, &sid).await, json!([null, null, null]));
    let path = format!("{path}/Context");
    assert_eq!(app.device(&phone).get(&path).await.refusal(), (403, 20403));
    assert_eq!(app.stranger().await.get(&path).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn a_report_is_told_once_with_its_reason_and_signed() {
    let (setting, _folder) = places();
    let app = TestApp::start_with(&["outgoing.allow=127.0.0.0/8", &setting]).await;
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let webhooks = format!("/v2/Services/{}/Webhooks", app.service);
    let url = format!("{}/hook", ear.url());
    let form = [
        ("FriendlyName", "audit"),
        ("WebhookUrl", &url),
        ("EventTypes", "challenge.reported"),
        ("EventTypes", "challenge.approved"),
        ("Version", "v2"),
    ];
    app.api().post(&webhooks, &form).await.expect(201);
    let phone = app.enrol_phone("alice-0001").await;
    let cancelled = app.challenge(&phone, "Log in?").await;
    phone.deny(&cancelled, DenialReason::Cancelled).await.unwrap();
    let last = app.challenge(&phone, "Log in?").await;
    let reported = app.challenge(&phone, "Log in?").await;
    phone.deny(&reported, DenialReason::NotMe).await.unwrap();
    phone.deny(&reported, DenialReason::NotMe).await.expect_err("the first answer stands");

    // Events of one instant have no order.
    app.pass(std::time::Duration::from_secs(1)).await;
    phone.answer(&last, Verdict::Approved).await.unwrap();

    let events = ear.events().wait_for(2).await;
    assert_eq!(
        events[1].field("challenge_sid"),
        last,
        "a report causes one event, a plain denial none"
    );
    let told = &events[0];
    let names: Vec<_> = told.form.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "uuid",
        "type",
        "account_sid",
        "service_sid",
        "entity_identity",
        "factor_sid",
        "factor_type",
        "challenge_sid",
        "challenge_reason",
        "factor_friendly_name",
        "date_created",
        "challenge_details",
        "challenge_status",
        "answer_address",
        "answer_country",
    ];
    assert_eq!(names, expected);
    for (name, value) in [
        ("type", "challenge.reported"),
        ("challenge_sid", &*reported),
        ("challenge_reason", "not_me"),
        ("challenge_status", "denied"),
        ("answer_address", "127.0.0.1"),
        ("answer_country", "PT"),
    ] {
        assert_eq!(told.field(name), value);
    }
    let token = Secret::new(&*app.token);
    assert_eq!(told.header("x-twilio-signature"), twilio_signature(&token, &told.url, &told.form));
}
