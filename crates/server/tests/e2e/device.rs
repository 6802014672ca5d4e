//! The device protocol as the mobile SDKs use it: own and foreign paths, and the members of a fetch.

use std::time::Duration;

use countersign_phone::{ChallengeStatus, DeviceKey, Platform, Verdict};
use reqwest::Method;

use crate::support::{Reply, TestApp};

const FIELDS: &str = "twilio-verify-signature-fields";

#[tokio::test]
async fn a_device_reaches_its_own_factor_and_challenges_and_nothing_else() {
    let app = TestApp::start().await;
    let (mine, other, theirs) = tokio::join!(
        app.enrol_phone("alice-0001"),
        app.enrol_phone("alice-0001"),
        app.enrol_phone("bob-00001"),
    );
    let (own, foreign) =
        (app.challenge(&mine, "Mine?").await, app.challenge(&other, "Other?").await);
    let (device, entity) = (app.device(&mine), app.entity("alice-0001"));
    let service = format!("/v2/Services/{}", app.service);
    let elsewhere = app.factor_path(&mine).replace(&app.service, &format!("VA{}", "0".repeat(32)));
    let nobody = format!("{entity}/Challenges/YC{}", "0".repeat(32));
    let notifications = format!("{entity}/Challenges/{own}/Notifications");
    let by_other = format!("{entity}/Challenges?FactorSid={}", other.factor_sid());
    for (method, path, expected) in [
        ("GET", app.factor_path(&mine), None),
        ("GET", format!("{entity}/Challenges/{own}"), None),
        ("GET", format!("{entity}/Challenges?FactorSid={}", mine.factor_sid()), None),
        // The check looks at the token's factor alone.
        ("GET", app.factor_path(&other), Some((403, 20403))),
        ("GET", app.factor_path(&theirs), Some((403, 20403))),
        ("GET", elsewhere, Some((403, 20403))),
        ("POST", app.factor_path(&other), Some((403, 20403))),
        ("DELETE", app.factor_path(&other), Some((403, 20403))),
        ("GET", app.challenges_path(&theirs), Some((403, 20403))),
        ("GET", by_other, Some((403, 20403))),
        // Another factor's challenge is as absent as one that never was.
        ("GET", format!("{entity}/Challenges/{foreign}"), Some((404, 20404))),
        ("POST", format!("{entity}/Challenges/{foreign}"), Some((404, 20404))),
        ("GET", nobody, Some((404, 20404))),
        // Routes for applications.
        ("GET", format!("{entity}/Factors"), Some((403, 20403))),
        ("GET", entity.clone(), Some((403, 20403))),
        ("DELETE", entity.clone(), Some((403, 20403))),
        ("POST", format!("{entity}/Challenges"), Some((403, 20403))),
        ("POST", notifications.clone(), Some((403, 20403))),
        ("GET", notifications, Some((403, 20403))),
        ("GET", service.clone(), Some((403, 20403))),
        ("GET", "/v2/Services".to_owned(), Some((403, 20403))),
        ("POST", format!("{service}/AccessTokens"), Some((403, 20403))),
        ("GET", format!("{service}/Webhooks"), Some((403, 20403))),
        ("GET", "/v1/Credentials".to_owned(), Some((403, 20403))),
    ] {
        let request = device.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        let reply = Reply::of(request).await;
        let refusal = (reply.status != 200).then(|| reply.refusal());
        assert_eq!(refusal, expected, "{method} {path}");
    }
    assert_eq!(app.standing(&other, &foreign).await.len(), 1, "it had no effect");
    let key = DeviceKey::generate().unwrap().public_key_base64().unwrap();
    let form = [
        ("FriendlyName", "second"),
        ("FactorType", "push"),
        ("Binding.PublicKey", key.as_str()),
        ("Config.AppId", "a"),
        ("Config.SdkVersion", "1"),
        ("Config.NotificationPlatform", "none"),
    ];
    let another = device.post(&format!("{entity}/Factors"), &form).await;
    assert_eq!(another.refusal(), (403, 20403), "a device enrols no other");
    device.delete(&app.factor_path(&mine)).await.expect(204);
    assert_eq!(device.get(&app.factor_path(&mine)).await.refusal(), (401, 20151));
}

#[tokio::test]
async fn the_members_to_sign_are_named_only_for_one_challenge_and_only_while_it_is_pending() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (yes, late) = (app.challenge(&phone, "Log in?").await, app.challenge(&phone, "Pay?").await);
    let challenges = app.challenges_path(&phone);
    let names = async |path: &str| {
        let reply = app.device(&phone).get(path).await;
        let fields = reply.headers.get(FIELDS).map(|it| it.to_str().unwrap().to_owned());
        (fields, reply.body)
    };
    let (fields, body) = names(&format!("{challenges}/{yes}")).await;
    let fields = fields.expect("it is pending");
    assert!(
        fields.split(',').all(|name| body.get(name).is_some()),
        "each is in the body: {fields}"
    );
    assert_eq!(body["details"].get("date"), None, "absent, never null");
    assert_eq!(names(&challenges).await.0, None, "a list names nothing");
    phone.answer(&yes, Verdict::Approved).await.unwrap();
    assert_eq!(names(&format!("{challenges}/{yes}")).await.0, None);
    app.clock.advance(Duration::from_secs(300));
    let (fields, body) = names(&format!("{challenges}/{late}")).await;
    assert_eq!((fields, &body["status"]), (None, &"expired".into()));
    assert_eq!(body["date_responded"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_device_that_fetches_a_challenge_has_received_it() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    stream.set_automatic_ack(false);
    let challenge = app.challenge(&phone, "Log in?").await;
    stream.next_prompt().await.unwrap();
    app.clock.advance(Duration::from_millis(100));
    app.server().engine.signals().wait_for(|counts| counts.written == 1).await;
    app.read_challenge(&phone, &challenge).await;
    assert_eq!(
        app.standing(&phone, &challenge).await,
        ["sent -"],
        "an application's look says nothing"
    );
    phone.challenges(None).await.unwrap();
    assert_eq!(app.standing(&phone, &challenge).await, ["sent -"], "nor does a list");
    phone.challenge(&challenge).await.unwrap();
    assert_eq!(app.standing(&phone, &challenge).await, ["delivered -"]);
}

#[tokio::test]
async fn a_phone_polls_page_by_page_in_the_spelling_of_ios() {
    let app = TestApp::start_with(&["limits.push_challenges_in_a_row=0"]).await;
    let phone = app.enrol("alice-0001", Platform::None).await;
    let mut asked = Vec::new();
    for number in 0..23 {
        app.clock.advance(Duration::from_millis(1));
        asked.push(app.challenge(&phone, &format!("number {number}")).await);
    }
    let sids = async |status| -> Vec<String> {
        let found = phone.challenges(status).await.unwrap();
        found.into_iter().map(|challenge| challenge.sid).collect()
    };
    assert_eq!(sids(None).await, asked, "twenty at a time, oldest first");
    phone.answer(&asked[0], Verdict::Denied).await.unwrap();
    assert_eq!(sids(Some(ChallengeStatus::Pending)).await, asked[1..]);
    assert_eq!(sids(Some(ChallengeStatus::Denied)).await, asked[..1]);

    let first = format!(
        "{}?PageSize=20&FactorSid={}&Order=asc",
        app.challenges_path(&phone),
        phone.factor_sid()
    );
    let page = app.device(&phone).get(&first).await.expect(200);
    let next = page["meta"]["next_page_url"].as_str().unwrap();
    let token = next.rsplit_once("PageToken=").unwrap().1;
    let page = app.device(&phone).get(&format!("{first}&pageToken={token}")).await.expect(200);
    assert_eq!(page["challenges"][0]["sid"], *asked[20]);
    app.clock.advance(Duration::from_secs(300));
    assert_eq!(sids(Some(ChallengeStatus::Expired)).await, asked[1..]);
}

#[tokio::test]
async fn a_service_that_includes_the_date_has_it_signed() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let service = format!("/v2/Services/{}", app.service);
    app.api().post(&service, &[("Push.IncludeDate", "true")]).await.expect(200);
    let challenge = app.challenge(&phone, "Log in?").await;
    let read = app.read_challenge(&phone, &challenge).await;
    assert_eq!(read["details"]["date"], "2026-01-01T12:00:00Z");
    let answered = phone.answer(&challenge, Verdict::Approved).await.unwrap();
    assert_eq!(answered.body["details"]["date"], "2026-01-01T12:00:00Z");
}

#[tokio::test]
async fn a_phone_gives_its_token_and_takes_it_back() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let factor = app.factor_path(&phone);
    phone.update_push_token(&Platform::Fcm("t".repeat(40))).await.unwrap();
    let config = app.api().get(&factor).await.expect(200)["config"].clone();
    assert_eq!(
        (&config["notification_platform"], &config["notification_token"]),
        (&"fcm".into(), &"t".repeat(40).into())
    );
    assert_eq!(config["credential_sid"], phone.credential_sid(), "the key's name stays");
    phone.update_push_token(&Platform::None).await.unwrap();
    let config = app.api().get(&factor).await.expect(200)["config"].clone();
    assert_eq!(
        (&config["notification_platform"], &config["notification_token"]),
        (&"none".into(), &serde_json::Value::Null)
    );
    phone.verify().await.expect("verifying once more changes nothing");
}
