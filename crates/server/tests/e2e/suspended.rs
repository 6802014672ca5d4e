//! A suspended account: nothing is sent for it, and pushes and calls that are still in time are sent once it is resumed. The
//! refusals of its callers are tested in `accounts`, `long_poll`, `sockets` and `console`.

use std::time::Duration;

use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::text::{Identity, Message};
use countersign_phone::{Phone, Platform};
use countersign_standins::CommonOptions;
use countersign_standins::webhook::Webhook;
use countersign_verify::challenges::NewChallenge;

use crate::pushes::{APNS_TOKEN, Stage};
use crate::support::TestApp;

const SECOND: Duration = Duration::from_secs(1);

/// Opens a challenge although the account's callers are refused, like a request that was authenticated just before.
async fn open(app: &TestApp, phone: &Phone) -> String {
    let verify = &app.server().verify;
    let new = NewChallenge {
        expires_at: None,
        message: Some(Message::parse("Log in?").expect("a message")),
        fields: Vec::new(),
        hidden_details: None,
        code: None,
        presence: PresenceWish::default(),
    };
    let (account, service) =
        (app.account.parse().expect("a SID"), app.service.parse().expect("a SID"));
    let identity = Identity::parse(phone.identity()).expect("an identity");
    let factor = phone.factor_sid().parse().expect("a SID");
    let opened = verify.create_challenge(account, service, &identity, factor, new).await;
    opened.expect("a challenge").sid.to_string()
}

#[tokio::test]
async fn nothing_is_pushed_until_the_account_is_resumed() {
    let stage = Stage::set().await;
    let (app, others) = (&stage.app, &stage.others);
    let path = format!("/v2/Services/{}/WebPushKey", app.service);
    let key = app.api().get(&path).await.text("public_key");
    let subscription = others.web_push.subscribe(Some(&key)).unwrap().json().to_string();
    let fcm = Platform::Fcm("token-of-alices-phone-0123456789".to_owned());
    let phones = [
        app.enrol("alice-0001", Platform::Apn(APNS_TOKEN.to_owned())).await,
        app.enrol("alice-0001", fcm).await,
        app.enrol("alice-0001", Platform::WebPush(subscription)).await,
    ];
    let sent = || {
        let (apns, fcm) = (others.apns.pushes().all().len(), others.fcm.messages().all().len());
        [apns, fcm, others.web_push.pushes().all().len()]
    };
    let account = app.account.parse().unwrap();
    app.server().verify.suspend_account(account).await.unwrap();
    let mut challenges = Vec::new();
    for phone in &phones {
        challenges.push(open(app, phone).await);
    }
    for _ in 0..3 {
        app.pass(SECOND).await;
    }
    assert_eq!(sent(), [0, 0, 0]);

    app.server().verify.resume_account(account).await.unwrap();
    for (phone, challenge) in phones.iter().zip(&challenges) {
        assert_eq!(app.standing(phone, challenge).await, ["queued retrying"]);
    }
    app.pass(16 * SECOND).await;
    assert_eq!(sent(), [1, 1, 1]);
    for (phone, challenge) in phones.iter().zip(&challenges) {
        assert_eq!(app.standing(phone, challenge).await, ["sent -"]);
    }
}

#[tokio::test]
async fn a_push_that_was_never_attempted_ends_with_its_reason() {
    let app = TestApp::start().await;
    let phone = app.enrol("alice-0001", Platform::Fcm("t".repeat(140))).await;
    let (account, verify) = (app.account.parse().unwrap(), &app.server().verify);
    verify.suspend_account(account).await.unwrap();
    let challenge = open(&app, &phone).await;
    app.pass(301 * SECOND).await;
    verify.resume_account(account).await.unwrap();
    // The expirer looks at intervals.
    while app.standing(&phone, &challenge).await == ["queued waiting"] {
        app.pass(SECOND).await;
    }
    assert_eq!(app.standing(&phone, &challenge).await, ["expired not_attempted"]);
    assert_eq!(app.notifications(&phone, &challenge).await[0]["attempts"], serde_json::json!([]));
}

#[tokio::test]
async fn no_webhook_is_called_until_the_account_is_resumed() {
    let app = TestApp::start_with(&["outgoing.allow=127.0.0.0/8"]).await;
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let url = format!("{}/hook", ear.url());
    let form = [("FriendlyName", "hook"), ("WebhookUrl", &*url), ("EventTypes", "factor.deleted")];
    let webhooks = format!("/v2/Services/{}/Webhooks", app.service);
    app.api().post(&webhooks, &form).await.expect(201);
    app.enrol_phone("alice-0001").await;
    let (account, verify) = (app.account.parse().unwrap(), &app.server().verify);
    verify.suspend_account(account).await.unwrap();
    let identity = Identity::parse("alice-0001").unwrap();
    verify.delete_entity(account, app.service.parse().unwrap(), &identity).await.unwrap();
    for _ in 0..5 {
        app.pass(5 * SECOND).await;
    }
    assert!(ear.events().all().is_empty());

    verify.resume_account(account).await.unwrap();
    app.pass(3_600 * SECOND).await;
    let events = ear.events().wait_for(1).await;
    assert_eq!(events[0].field("type"), "factor.deleted");
}
