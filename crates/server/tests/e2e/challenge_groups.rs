//! All devices of a person are asked at once, and the first answer ends the challenges of the others.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{
    ChallengeStatus, DenialReason, Phone, PhoneError, Platform, Told, Verdict,
};
use countersign_standins::CommonOptions;
use countersign_standins::webhook::Webhook;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Caller, Reply, TestApp};
use crate::totp;

const IDENTITY: &str = "alice-0001";
const QUESTION: (&str, &str) = ("Details.Message", "Log in?");
const SECOND: Duration = Duration::from_secs(1);

async fn ask(app: &TestApp, devices: &str) -> Reply {
    let path = format!("{}/Challenges", app.entity(IDENTITY));
    app.api().post(&path, &[("Devices", devices), QUESTION]).await
}

async fn enrol(app: &TestApp, count: usize) -> Vec<Phone> {
    let mut phones = Vec::new();
    for _ in 0..count {
        phones.push(app.enrol_phone(IDENTITY).await);
    }
    phones
}

fn groups(app: &TestApp) -> String {
    format!("{}/ChallengeGroups", app.entity(IDENTITY))
}

async fn read(app: &TestApp, group: &str) -> Value {
    app.api().get(&format!("{}/{group}", groups(app))).await.expect(200)
}

/// The SID of a phone's challenge in a group.
pub fn challenge_of(group: &Value, phone: &Phone) -> String {
    let all = group["challenges"].as_array().expect("challenges");
    let own = all.iter().find(|one| one["factor_sid"] == phone.factor_sid());
    own.expect("its challenge")["sid"].as_str().expect("a SID").to_owned()
}

/// The challenges of a group, each as "status reason".
fn standing(group: &Value, phones: &[Phone]) -> Vec<String> {
    let all = group["challenges"].as_array().expect("challenges");
    assert_eq!(all.len(), phones.len());
    let of = |phone: &Phone| {
        let own = all.iter().find(|one| one["factor_sid"] == phone.factor_sid()).expect("its own");
        let reason = own["status_reason"].as_str().unwrap_or("-");
        format!("{} {reason}", own["status"].as_str().expect("a status"))
    };
    phones.iter().map(of).collect()
}

/// A caller that waits; returns once the server serves it.
async fn wait(app: &TestApp, caller: Caller, path: String) -> JoinHandle<Reply> {
    app.begin(async move { caller.get(&path).await }).await
}

#[tokio::test]
async fn the_first_answer_counts_and_ends_the_prompts_of_the_others() {
    let app = TestApp::start_with(&["outgoing.allow=127.0.0.0/8"]).await;
    let ear = Webhook::start(None, CommonOptions::default()).await.expect("it listens");
    let phones = enrol(&app, 3).await;
    let url = format!("{}/hook", ear.url());
    let form = [("FriendlyName", "audit"), ("WebhookUrl", &*url), ("EventTypes", "*")];
    let webhooks = format!("/v2/Services/{}/Webhooks", app.service);
    let form = [form.as_slice(), &[("EventTypes", "challenge.expired")]].concat();
    app.api().post(&webhooks, &form).await.expect(201);
    let mut streams = Vec::new();
    for phone in &phones[..2] {
        streams.push(phone.connect().await.unwrap());
    }

    let group = ask(&app, "all").await.expect(201);
    let sid = group["sid"].as_str().unwrap().to_owned();
    assert_eq!(group["status"], "pending");
    assert_eq!(group["answer"], Value::Null);
    assert_eq!(group["url"], format!("http://{}{}/{sid}", app.address(), groups(&app)));
    assert_eq!(standing(&group, &phones), ["pending -"; 3]);
    let challenges: Vec<_> = phones.iter().map(|phone| challenge_of(&group, phone)).collect();
    for (stream, challenge) in streams.iter_mut().zip(&challenges) {
        assert_eq!(stream.next_prompt().await.unwrap().challenge_sid, *challenge);
    }
    app.deliver_everything().await;

    // The application waits for the group, and each device for its own challenge.
    let path = format!("{}/{sid}?WaitSeconds=50", groups(&app));
    let application = wait(&app, app.api(), path).await;
    let mut devices = Vec::new();
    for (phone, challenge) in phones.iter().zip(&challenges) {
        let path = format!("{}/{challenge}?WaitSeconds=50", app.challenges_path(phone));
        devices.push(wait(&app, app.device(phone), path).await);
    }
    let asked = phones[2].challenge(&challenges[2]).await.unwrap();
    let late = phones[0].challenge(&challenges[0]).await.unwrap();
    app.clock.advance(SECOND);
    let at = app.clock.now().to_string();
    phones[1].answer(&challenges[1], Verdict::Approved).await.unwrap();
    let answered = application.await.unwrap().expect(200);
    assert_eq!(answered["status"], "approved");
    let who = json!({"factor_sid": phones[1].factor_sid(), "challenge_sid": challenges[1], "answered_at": at});
    assert_eq!(answered["answer"], who);
    let elsewhere = "expired answered_elsewhere";
    assert_eq!(standing(&answered, &phones), [elsewhere, "approved -", elsewhere]);
    for (device, status) in devices.into_iter().zip(["expired", "approved", "expired"]) {
        let seen = device.await.unwrap();
        assert!(!seen.headers.contains_key("twilio-verify-signature-fields"), "it is not pending");
        let seen = seen.expect(200);
        assert_eq!(seen["status"], status);
        assert_eq!(seen["date_responded"].is_null(), status == "expired");
    }
    // A device that holds a stream is told without asking, and every device when it asks.
    let Told::Ended(ended) = streams[0].next().await.unwrap() else { panic!("a prompt") };
    assert_eq!((&ended.challenge_sid, &*ended.reason), (&challenges[0], "answered_elsewhere"));
    for (phone, challenge) in [(&phones[0], &challenges[0]), (&phones[2], &challenges[2])] {
        assert!(phone.challenge(challenge).await.unwrap().is_answered_elsewhere);
        let refused = phone.answer(challenge, Verdict::Denied).await.unwrap_err();
        assert!(matches!(refused, PhoneError::AnsweredElsewhere), "{refused}");
    }
    assert!(!phones[1].challenge(&challenges[1]).await.unwrap().is_answered_elsewhere);
    // The phone without a stream is not offered its prompt any more.
    assert_eq!(app.standing(&phones[2], &challenges[2]).await, ["cancelled answered"]);
    for (phone, asked) in [(&phones[0], &late), (&phones[2], &asked)] {
        let refused = phone.send_answer(asked, Verdict::Denied).await.unwrap_err().to_string();
        assert!(refused.contains("60323"), "{refused}");
    }
    assert_eq!(read(&app, &sid).await, answered);

    app.pass(SECOND).await;
    ear.events().wait_for(1).await;
    app.deliver_everything().await;
    // Neither a late answer nor the expiry of the others calls a webhook.
    app.pass(Duration::from_secs(600)).await;
    let last = ask(&app, "all").await.expect(201);
    phones[0].answer(&challenge_of(&last, &phones[0]), Verdict::Denied).await.unwrap();
    app.pass(SECOND).await;
    let events = ear.events().wait_for(2).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| ["type", "challenge_sid", "challenge_group_sid"].map(|name| event.field(name)))
        .collect();
    let denied = challenge_of(&last, &phones[0]);
    assert_eq!(
        told,
        [
            ["challenge.approved", &challenges[1], &sid],
            ["challenge.denied", &denied, last["sid"].as_str().unwrap()]
        ]
    );
}

#[tokio::test]
async fn a_group_expires_with_its_challenges() {
    let app = TestApp::start().await;
    let phones = enrol(&app, 2).await;
    let sid = ask(&app, "all").await.text("sid");
    app.clock.advance(Duration::from_secs(301));
    let expired = read(&app, &sid).await;
    assert_eq!(expired["status"], "expired");
    assert_eq!(standing(&expired, &phones), ["expired -"; 2]);
}

#[tokio::test]
async fn only_the_listed_devices_are_asked_and_each_must_be_able_to_answer() {
    let app = TestApp::start().await;
    let phones = enrol(&app, 3).await;
    let other = app.enrol_phone("bob-00001").await;
    let (_, code_factor) = totp::verified(&app, 6).await;
    let mute = app.enrol(IDENTITY, Platform::None).await;
    let list = |sids: &[&str]| sids.join(",");
    let (first, third) = (phones[0].factor_sid(), phones[2].factor_sid());
    let group = ask(&app, &list(&[third, first, mute.factor_sid()])).await.expect(201);
    let mut asked: Vec<_> = group["challenges"].as_array().unwrap().iter().collect();
    asked.sort_by_key(|one| one["factor_sid"].to_string());
    let mut wanted = [third, first, mute.factor_sid()];
    wanted.sort_unstable();
    let sids: Vec<_> = asked.iter().map(|one| one["factor_sid"].as_str().unwrap()).collect();
    assert_eq!(sids, wanted);

    let nobody = format!("YF03{}", "0".repeat(30));
    for unable in [other.factor_sid(), &code_factor, &nobody] {
        let refused = ask(&app, &list(&[first, unable])).await;
        assert_eq!(refused.refusal(), (400, 60306));
        let text = refused.body.to_string();
        assert!(text.contains("Devices") && text.contains(unable), "{text}");
    }
    let path = format!("{}/Challenges", app.entity(IDENTITY));
    let both = app.api().post(&path, &[("Devices", "all"), ("FactorSid", first), QUESTION]).await;
    assert_eq!(both.refusal(), (400, 60306));
    assert!(both.body.to_string().contains("Devices"));
    let without = app.api().post(&path, &[QUESTION]).await;
    assert_eq!(without.refusal(), (400, 20001));
    let silent = app.api().post(&path, &[("Devices", "all")]).await;
    assert_eq!(silent.refusal(), (400, 60306));
    let listed = app.api().get(&path).await.expect(200);
    assert_eq!(listed["challenges"].as_array().map(Vec::len), Some(3), "nothing else is stored");
}

#[tokio::test]
async fn a_person_without_a_verified_device_cannot_be_asked() {
    let app = TestApp::start().await;
    assert_eq!(ask(&app, "all").await.refusal(), (404, 20404));
    totp::verified(&app, 6).await;
    let refused = ask(&app, "all").await;
    assert_eq!(refused.refusal(), (400, 60306));
    assert!(refused.body.to_string().contains("verified push factor"), "{refused:?}");
}

#[tokio::test]
async fn a_group_counts_once_and_a_pause_refuses_it_whole() {
    let app = TestApp::start().await;
    let phones = enrol(&app, 4).await;
    for _ in 0..5 {
        ask(&app, "all").await.expect(201);
        app.clock.advance(SECOND);
    }
    let refused = ask(&app, "all").await;
    assert_eq!(refused.refusal(), (429, 60312));
    assert_eq!(refused.header("retry-after"), "900");
    let listed = app.api().get(&format!("{}?PageSize=50", groups(&app))).await.expect(200);
    assert_eq!(listed["challenge_groups"].as_array().map(Vec::len), Some(5));
    let newest = &listed["challenge_groups"][4];
    let own = challenge_of(newest, &phones[3]);
    phones[3].deny(&own, DenialReason::NotMe).await.unwrap();
    assert_eq!(read(&app, newest["sid"].as_str().unwrap()).await["status"], "denied");
    assert_eq!(ask(&app, "all").await.refusal(), (403, 60204));
}

#[tokio::test]
async fn groups_are_listed_and_shown_to_their_application_alone() {
    let app = TestApp::start().await;
    let phones = enrol(&app, 2).await;
    let mut sids = Vec::new();
    for _ in 0..3 {
        let sid = ask(&app, "all").await.text("sid");
        let group = read(&app, &sid).await;
        phones[0].answer(&challenge_of(&group, &phones[0]), Verdict::Approved).await.unwrap();
        app.clock.advance(SECOND);
        sids.push(sid);
    }
    let listed = |page: &Value| -> Vec<String> {
        let all = page["challenge_groups"].as_array().unwrap().iter();
        all.map(|group| group["sid"].as_str().unwrap().to_owned()).collect()
    };
    let path = format!("{}?PageSize=2&Order=desc", groups(&app));
    let first = app.api().get(&path).await.expect(200);
    assert_eq!(listed(&first), [sids[2].clone(), sids[1].clone()]);
    let next = first["meta"]["next_page_url"].as_str().unwrap().to_owned();
    let next = next.strip_prefix(&app.api().base).unwrap().to_owned();
    assert_eq!(listed(&app.api().get(&next).await.expect(200)), [sids[0].clone()]);

    let one = format!("{}/{}", groups(&app), sids[0]);
    let stranger = app.stranger().await;
    let absent = format!("{}/YG{}", groups(&app), "0".repeat(32));
    let elsewhere = one.replace(IDENTITY, "bob-00001");
    for (caller, path, refusal) in [
        (stranger, &one, (404, 20404)),
        (app.api(), &absent, (404, 20404)),
        (app.api(), &elsewhere, (404, 20404)),
    ] {
        assert_eq!(caller.get(path).await.refusal(), refusal);
        assert_eq!(caller.get(&format!("{path}?WaitSeconds=50")).await.refusal(), refusal);
    }
    assert_eq!(app.device(&phones[0]).get(&one).await.refusal(), (403, 20403));
    assert_eq!(app.api().get(&format!("{one}?WaitSeconds=51")).await.refusal(), (400, 60306));
    app.api().delete(&app.entity(IDENTITY)).await.expect(204);
    assert_eq!(app.api().get(&one).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn a_group_outlives_a_device_that_is_removed() {
    let app = TestApp::start().await;
    let phones = enrol(&app, 2).await;
    let group = ask(&app, "all").await.expect(201);
    app.api().delete(&app.factor_path(&phones[0])).await.expect(204);
    let own = challenge_of(&group, &phones[1]);
    let answered = phones[1].answer(&own, Verdict::Denied).await.unwrap();
    assert_eq!(answered.status, ChallengeStatus::Denied);
    let shown = read(&app, group["sid"].as_str().unwrap()).await;
    assert_eq!(shown["status"], "denied");
    assert_eq!(standing(&shown, &phones), ["expired answered_elsewhere", "denied -"]);
}
