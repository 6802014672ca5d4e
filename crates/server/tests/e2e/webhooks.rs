//! Webhooks reach the application, in order and signed.

use std::time::Duration;

use countersign_domain::secret::Secret;
use countersign_domain::time::Instant;
use countersign_domain::webhook_signature::{own_signature, twilio_signature};
use countersign_phone::{Platform, Verdict};
use countersign_standins::webhook::{Event, Webhook};
use countersign_standins::{CommonOptions, ScriptedResponse};

use crate::support::TestApp;
use crate::totp;

const SECOND: Duration = Duration::from_secs(1);
const ALLOWED: &[&str] = &["outgoing.allow=127.0.0.0/8"];

/// A webhook of the app's service at `listener`; its SID.
async fn subscribe(app: &TestApp, listener: &Webhook, path: &str, events: &[&str]) -> String {
    let url = format!("{}{path}", listener.url());
    let mut form = vec![("FriendlyName", "audit"), ("WebhookUrl", &*url)];
    form.extend(events.iter().map(|event| ("EventTypes", *event)));
    app.api().post(&format!("/v2/Services/{}/Webhooks", app.service), &form).await.text("sid")
}

async fn listener() -> Webhook {
    Webhook::start(None, CommonOptions::default()).await.expect("it listens")
}

fn types(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.field("type")).collect()
}

#[tokio::test]
async fn events_of_factors_and_challenges_arrive_signed_and_in_order() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    let sid = subscribe(&app, &ear, "/hook?tenant=7", &["*"]).await;
    let path = format!("/v2/Services/{}/Webhooks/{sid}/Secret", app.service);
    let secret = Secret::new(app.api().get(&path).await.text("secret"));

    let phone = app.enrol_phone("alice-0001").await;
    // Events of one instant have no order.
    app.pass(SECOND).await;
    let first = app.challenge(&phone, "Pay 40 EUR?").await;
    phone.answer(&first, Verdict::Approved).await.unwrap();
    app.pass(SECOND).await;
    let second = app.challenge(&phone, "Pay 41 EUR?").await;
    phone.answer(&second, Verdict::Denied).await.unwrap();
    app.pass(SECOND).await;
    app.api().delete(&app.entity("alice-0001")).await.expect(204);

    let events = ear.events().wait_for(5).await;
    assert_eq!(
        types(&events),
        [
            "factor.created",
            "factor.verified",
            "challenge.approved",
            "challenge.denied",
            "factor.deleted"
        ]
    );
    for event in &events {
        let token = Secret::new(&*app.token);
        let wanted = twilio_signature(&token, &event.url, &event.form);
        assert_eq!(event.header("x-twilio-signature"), wanted);
        assert_eq!(event.header("i-twilio-idempotency-token"), event.field("uuid"));
        let own = event.header("countersign-signature");
        let at = own.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
        let at = Instant::from_seconds(at.parse().unwrap());
        assert_eq!(own, own_signature(&secret, at, &event.body));
        assert_eq!(event.field("factor_sid"), phone.factor_sid());
        assert_eq!(event.field("entity_identity"), "alice-0001");
    }
    assert_eq!(events[2].field("challenge_sid"), first);
    assert_eq!(events[2].field("challenge_status"), "approved");
}

#[tokio::test]
async fn a_call_is_signed_for_the_url_that_is_shown_and_called() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    let forms =
        ["", "?who=o'neill", "/zoë?x=ü", "/a/../b/./c", "/hook?x=1#part", "/%7Eann/%c3%bc?q=a%20b"];
    let mut shown = Vec::new();
    for form in forms {
        let sid = subscribe(&app, &ear, form, &["factor.created"]).await;
        let path = format!("/v2/Services/{}/Webhooks/{sid}", app.service);
        shown.push(app.api().get(&path).await.text("webhook_url"));
    }
    app.enrol_phone("alice-0001").await;
    app.pass(SECOND).await;
    let events = ear.events().wait_for(6).await;
    for event in &events {
        let token = Secret::new(&*app.token);
        let wanted = twilio_signature(&token, &event.url, &event.form);
        assert_eq!(event.header("x-twilio-signature"), wanted, "{}", event.url);
    }
    let mut called: Vec<_> = events.iter().map(|event| event.url.clone()).collect();
    called.sort();
    shown.sort();
    assert_eq!(called, shown);
}

#[tokio::test]
async fn webhooks_hear_of_factors_with_codes() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    subscribe(&app, &ear, "/hook", &["*"]).await;
    let (path, factor) = totp::verified(&app, 6).await;
    app.pass(SECOND).await;
    // The next code.
    app.pass(Duration::from_secs(30)).await;
    let code = totp::code(&app, 6);
    let at_once = totp::challenge(&app, &factor, Some(&code)).await.text("sid");
    app.deliver_everything().await;
    app.pass(Duration::from_secs(30)).await;
    let later = totp::challenge(&app, &factor, None).await.text("sid");
    totp::answer(&app, &later, &totp::code(&app, 6)).await.expect(200);
    app.pass(SECOND).await;
    app.api().delete(&path).await.expect(204);

    let events = ear.events().wait_for(5).await;
    let told: Vec<_> =
        events.iter().map(|it| (it.field("type"), it.field("challenge_sid"))).collect();
    assert_eq!(
        told,
        [
            ("factor.created", ""),
            ("factor.verified", ""),
            ("challenge.approved", &*at_once),
            ("challenge.approved", &later),
            ("factor.deleted", "")
        ]
    );
    for event in &events {
        assert_eq!((event.field("factor_type"), event.field("factor_sid")), ("totp", &*factor));
        assert_eq!(event.field("factor_friendly_name"), "Ann's app");
        assert_eq!(event.field("challenge_details"), "", "it has none");
    }
}

#[tokio::test]
async fn events_of_our_own_reach_only_webhooks_that_name_them() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    subscribe(&app, &ear, "/all", &["*"]).await;
    let ours = ["challenge.expired", "notification.delivered"];
    subscribe(&app, &ear, "/ours", &ours).await;
    let phone = app.enrol_phone("alice-0001").await;
    app.pass(SECOND).await;
    let mut stream = phone.connect().await.unwrap();
    app.challenge(&phone, "Pay 40 EUR?").await;
    stream.next_prompt().await.unwrap();
    app.deliver_everything().await;
    app.pass(Duration::from_secs(301)).await;
    let events = ear.events().all();
    assert_eq!(
        types(&events),
        ["factor.created", "factor.verified", "notification.delivered", "challenge.expired"]
    );
    for event in &events {
        let named = ours.contains(&event.field("type"));
        assert_eq!(named, event.url.ends_with("/ours"), "{event:?}");
    }
    assert_eq!(events[2].field("notification_status"), "delivered");
    assert_eq!(events[3].field("challenge_status"), "expired");
}

#[tokio::test]
async fn a_call_that_is_refused_comes_again_under_its_uuid() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    ear.script().next(ScriptedResponse::status(500));
    subscribe(&app, &ear, "/hook", &["factor.created"]).await;
    app.enrol_phone("alice-0001").await;
    ear.events().wait_for(1).await;
    // The next try has a time only once the result is stored.
    app.deliver_everything().await;
    app.pass(Duration::from_secs(6)).await;
    let events = ear.events().wait_for(2).await;
    assert_eq!(events[0].field("uuid"), events[1].field("uuid"));
    assert_eq!(events[0].body, events[1].body);
}

#[tokio::test]
async fn a_private_address_is_not_called_unless_the_operator_allows_it() {
    let app = TestApp::start().await;
    let ear = listener().await;
    subscribe(&app, &ear, "/hook", &["factor.created"]).await;
    app.enrol_phone("alice-0001").await;
    app.deliver_everything().await;
    assert_eq!(ear.events().total(), 0);
    let failing = app.server().verify.failing_webhooks().await.unwrap();
    assert!(failing[0].last_error.contains("not of the public internet"), "{failing:?}");
}

#[tokio::test]
async fn a_push_that_fails_or_expires_is_told() {
    let app = TestApp::start_with(ALLOWED).await;
    let ear = listener().await;
    let ends = ["notification.failed", "notification.expired"];
    subscribe(&app, &ear, "/hook", &ends).await;
    // The service has no credential for this platform.
    let google = app.enrol("bob-00001", Platform::Fcm("t".repeat(140))).await;
    let refused = app.challenge(&google, "Pay 40 EUR?").await;
    app.deliver_everything().await;
    let away = app.enrol_phone("alice-0001").await;
    let missed = app.challenge(&away, "Pay 41 EUR?").await;
    app.pass(Duration::from_secs(301)).await;
    let events = ear.events().wait_for(2).await;
    assert_eq!(types(&events), ends);
    for (event, challenge, phone, reason) in
        [(&events[0], &refused, &google, "refused"), (&events[1], &missed, &away, "ttl")]
    {
        let notification = app.notifications(phone, challenge).await.remove(0);
        assert_eq!(event.field("challenge_sid"), *challenge);
        assert_eq!(event.field("notification_sid"), notification["sid"]);
        assert_eq!(event.field("notification_status"), notification["status"]);
        let said = notification["status_reason"].as_str().unwrap_or_default();
        assert_eq!(event.field("notification_reason"), said, "{reason}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let app = TestApp::start_with(ALLOWED).await;
    let (ear, elsewhere) = (listener().await, listener().await);
    ear.script().next(ScriptedResponse::status(307).header("location", elsewhere.url()));
    subscribe(&app, &ear, "/hook", &["factor.created"]).await;
    app.enrol_phone("alice-0001").await;
    app.deliver_everything().await;
    assert_eq!((ear.events().total(), elsewhere.events().total()), (1, 0));
    let failing = app.server().verify.failing_webhooks().await.unwrap();
    assert_eq!(failing[0].last_error, "status 307");
}

#[tokio::test]
async fn however_an_address_inside_is_written_it_is_not_called() {
    let app = TestApp::start().await;
    let ear = listener().await;
    let port = ear.url().rsplit_once(':').unwrap().1.to_owned();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "169.254.169.254",
        "10.0.0.1",
    ];
    let mut webhooks = Vec::new();
    for host in hosts {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/hook");
            let form =
                [("FriendlyName", "x"), ("EventTypes", "factor.created"), ("WebhookUrl", &*url)];
            let path = format!("/v2/Services/{}/Webhooks", app.service);
            webhooks.push(app.api().post(&path, &form).await.text("sid"));
        }
    }
    app.enrol_phone("alice-0001").await;
    app.deliver_everything().await;
    assert_eq!(ear.connections().opened(), 0);
    let failing = app.server().verify.failing_webhooks().await.unwrap();
    assert_eq!(failing.len(), webhooks.len());
    for webhook in failing {
        let why = &webhook.last_error;
        let words = ["not of the public internet", "only if the operator allows it"];
        assert!(words.iter().any(|words| why.contains(words)), "{} {why}", webhook.url);
    }
}
