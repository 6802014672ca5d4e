//! Nobody can be worn down by prompts: challenges in a row, pauses, and the application's switch.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{ChallengeStatus, DenialReason, Phone, Verdict};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{Caller, Reply, TestApp};

const MINUTE: Duration = Duration::from_secs(60);

async fn ask(app: &TestApp, phone: &Phone) -> Reply {
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let reply = app.api().post(&app.challenges_path(phone), &form).await;
    app.clock.advance(Duration::from_secs(1));
    reply
}

/// Asks as often as is permitted by default.
async fn ask_five(app: &TestApp, phone: &Phone) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..5 {
        let reply = ask(app, phone).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        all.push(reply.text("sid"));
    }
    all
}

/// The challenges that a phone shows, each as soon as it arrives: the clock of these tests runs ahead, and a prompt without an
/// acknowledgement is parked.
async fn listen(phone: &Phone) -> UnboundedReceiver<String> {
    let mut stream = phone.connect().await.expect("a stream");
    let (shown, prompts) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok(prompt) = stream.next_prompt().await {
            let _ = shown.send(prompt.challenge_sid);
        }
    });
    prompts
}

#[track_caller]
fn is_paused(reply: &Reply, seconds: u64) {
    assert_eq!(reply.refusal(), (429, 60312));
    assert_eq!(reply.header("retry-after"), seconds.to_string());
    let reason = reply.body["details"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("limits.push_challenges_in_a_row"), "{reason}");
}

async fn protection(app: &TestApp, phone: &Phone) -> Value {
    let path = format!("{}/Protection", app.entity(phone.identity()));
    let shown = app.api().get(&path).await.expect(200);
    assert_eq!(shown["url"], format!("http://{}{path}", app.address()));
    assert_eq!(shown["identity"], phone.identity());
    json!([shown["paused"], shown["reason"], shown["paused_until"], shown["level"]])
}

async fn protect(app: &TestApp, phone: &Phone, form: &[(&str, &str)]) -> Reply {
    app.api().post(&format!("{}/Protection", app.entity(phone.identity())), form).await
}

#[tokio::test]
async fn after_five_challenges_without_an_approval_a_person_is_left_alone() {
    let app = TestApp::start().await;
    let (phone, other) = (app.enrol_phone("alice-0001").await, app.enrol_phone("alice-0001").await);
    let neighbour = app.enrol_phone("bob-00001").await;
    let mut prompts = listen(&phone).await;
    let all = ask_five(&app, &phone).await;
    let mut shown = Vec::new();
    for _ in &all {
        shown.push(prompts.recv().await.unwrap());
    }
    shown.sort();
    assert_eq!(shown, all);
    phone.answer(&all[2], Verdict::Denied).await.unwrap();
    for (phone, seconds) in [(&phone, 900), (&other, 899), (&phone, 898)] {
        is_paused(&ask(&app, phone).await, seconds);
    }
    ask_five(&app, &neighbour).await;
    phone.answer(&all[0], Verdict::Approved).await.unwrap();
    let next = ask(&app, &phone).await.text("sid");
    assert_eq!(prompts.recv().await, Some(next), "no other came");
    let listed = app.api().get(&app.challenges_path(&phone)).await.expect(200);
    assert_eq!(listed["challenges"].as_array().map(Vec::len), Some(6), "no other is stored");
}

#[tokio::test]
async fn each_further_pause_lasts_twice_as_long_and_is_shown() {
    let app = TestApp::start_with(&["limits.longest_pause_hours=1"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    assert_eq!(protection(&app, &phone).await, json!([false, null, null, 0]));
    for (level, minutes) in [(1, 15), (2, 30), (3, 60), (4, 60)] {
        ask_five(&app, &phone).await;
        let until = (app.clock.now() + minutes * MINUTE).to_string();
        is_paused(&ask(&app, &phone).await, u64::from(minutes) * 60);
        assert_eq!(protection(&app, &phone).await, json!([true, "in_a_row", until, level]));
        app.clock.advance(minutes * MINUTE);
        assert_eq!(protection(&app, &phone).await, json!([false, null, null, level]));
    }
    let last = ask(&app, &phone).await.text("sid");
    phone.answer(&last, Verdict::Approved).await.unwrap();
    assert_eq!(protection(&app, &phone).await, json!([false, null, null, 0]));
}

#[tokio::test]
async fn an_application_pauses_a_person_and_ends_any_pause() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let all = ask_five(&app, &phone).await;
    is_paused(&ask(&app, &phone).await, 900);
    let ended = protect(&app, &phone, &[("Paused", "false")]).await.expect(200);
    assert_eq!((&ended["paused"], &ended["level"]), (&json!(false), &json!(0)));
    app.clock.advance(Duration::from_secs(1));
    ask_five(&app, &phone).await;
    is_paused(&ask(&app, &phone).await, 900);

    protect(&app, &phone, &[("Paused", "true")]).await.expect(200);
    assert_eq!(protection(&app, &phone).await, json!([true, "application", null, 0]));
    phone.answer(&all[0], Verdict::Approved).await.expect("open challenges can be answered");
    let refused = ask(&app, &phone).await;
    assert_eq!(refused.refusal(), (403, 60204));
    assert_eq!(refused.body["details"], json!({"reason": "application"}));

    let until = (app.clock.now() + 2 * 60 * MINUTE).to_string();
    let paused =
        protect(&app, &phone, &[("Paused", "true"), ("PauseHours", "2")]).await.expect(200);
    assert_eq!(paused["paused_until"], until);
    app.clock.advance(2 * 60 * MINUTE);
    ask_five(&app, &phone).await;
}

#[tokio::test]
async fn only_an_application_of_the_account_sees_and_changes_a_protection() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = format!("{}/Protection", app.entity("alice-0001"));
    let form = [("Paused", "true")];
    let (device, stranger) = (app.device(&phone), app.stranger().await);
    let token = app.access_token("alice-0001").await;
    for (caller, refusal) in [
        (&device, (403, 20403)),
        (&app.api().with("token", &token), (403, 20403)),
        (&stranger, (404, 20404)),
    ] {
        assert_eq!(caller.get(&path).await.refusal(), refusal);
        assert_eq!(caller.post(&path, &form).await.refusal(), refusal);
    }
    let nobody = format!("{}/Protection", app.entity("nobody-001"));
    assert_eq!(app.api().get(&nobody).await.refusal(), (404, 20404));
    assert_eq!(app.api().post(&nobody, &form).await.refusal(), (404, 20404));
    for (form, code) in [
        (&[][..], 20001),
        (&[("Paused", "yes")], 60306),
        (&[("Paused", "true"), ("PauseHours", "0")], 60306),
        (&[("Paused", "true"), ("PauseHours", "8761")], 60306),
        (&[("Paused", "false"), ("PauseHours", "1")], 60306),
    ] {
        assert_eq!(app.api().post(&path, form).await.refusal(), (400, code), "{form:?}");
    }
    assert_eq!(protection(&app, &phone).await, json!([false, null, null, 0]));
}

#[tokio::test]
async fn a_device_shows_only_so_many_prompts_at_a_time_if_that_is_limited() {
    let app = TestApp::start_with(&["limits.pending_push_challenges_per_factor=2"]).await;
    let (phone, other) = (app.enrol_phone("alice-0001").await, app.enrol_phone("alice-0001").await);
    let first = ask(&app, &phone).await.text("sid");
    assert_eq!(ask(&app, &phone).await.status, 201);
    let refused = ask(&app, &phone).await;
    assert_eq!((refused.refusal(), refused.headers.get("retry-after")), ((429, 60312), None));
    let reason = refused.body["details"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("limits.pending_push_challenges_per_factor"), "{reason}");
    assert_eq!(ask(&app, &other).await.status, 201, "another device of the person");
    phone.answer(&first, Verdict::Approved).await.unwrap();
    assert_eq!(ask(&app, &phone).await.status, 201, "the answer made room");
    let own = format!("/v2/Services/{}/Protection", app.service);
    app.api().post(&own, &[("PendingMax", "3")]).await.expect(200);
    assert_eq!(ask(&app, &phone).await.status, 201, "the service permits more");
    assert_eq!(ask(&app, &phone).await.refusal(), (429, 60312));
}

#[tokio::test]
async fn after_some_challenges_without_an_approval_further_ones_come_quietly_if_that_is_wanted() {
    let app = TestApp::start_with(&["limits.quiet_after_push_challenges=2"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let mut stream = phone.connect().await.unwrap();
    let mut next = async || {
        let sid = ask(&app, &phone).await.text("sid");
        let prompt = stream.next_prompt().await.unwrap();
        assert_eq!(prompt.challenge_sid, sid);
        (sid, prompt.quiet)
    };
    let (first, quiet) = next().await;
    assert!(!quiet && !phone.challenge(&first).await.unwrap().is_quiet);
    assert!(!next().await.1);
    let (third, quiet) = next().await;
    assert!(quiet);
    assert!(phone.challenge(&third).await.unwrap().is_quiet, "a device that polls is told, too");
    phone.answer(&third, Verdict::Approved).await.unwrap();
    app.clock.advance(Duration::from_secs(1));
    assert!(!next().await.1, "the person is there");
    let own = format!("/v2/Services/{}/Protection", app.service);
    app.api().post(&own, &[("QuietAfter", "1")]).await.expect(200);
    assert!(next().await.1);
    app.api().post(&own, &[("QuietAfter", "0")]).await.expect(200);
    assert!(!next().await.1);
}

#[tokio::test]
async fn callers_of_two_servers_at_once_do_not_pass_the_limit() {
    let app = TestApp::start().await;
    let there = app.other_node().await;
    let phone = app.enrol_phone("alice-0001").await;
    let at_there = Caller { base: format!("http://{}", there.address), ..app.api() };
    let (here, form) =
        (app.api(), [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")]);
    let path = app.challenges_path(&phone);
    let calls = (0..40).map(|number| if number % 2 == 0 { &here } else { &at_there });
    let replies = futures_util::future::join_all(calls.map(|api| api.post(&path, &form))).await;
    let opened = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(opened, 5);
    replies.iter().filter(|reply| reply.status != 201).for_each(|reply| is_paused(reply, 900));
}

#[tokio::test]
async fn a_person_who_reports_a_challenge_is_paused_for_a_day() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (first, second) =
        (ask(&app, &phone).await.text("sid"), ask(&app, &phone).await.text("sid"));
    let denied = phone.deny(&first, DenialReason::NotMe).await.unwrap();
    assert_eq!(denied.status, ChallengeStatus::Denied);
    let until = (app.clock.now() + 24 * 60 * MINUTE).to_string();
    assert_eq!(protection(&app, &phone).await, json!([true, "reported", until, 0]));
    phone.answer(&second, Verdict::Approved).await.expect("open challenges can be answered");
    let refused = ask(&app, &phone).await;
    assert_eq!(refused.refusal(), (403, 60204));
    assert_eq!(refused.body["details"], json!({"reason": "reported"}));
    let shown = app.read_challenge(&phone, &first).await;
    assert_eq!((&shown["status"], shown.get("reason")), (&json!("denied"), None));

    protect(&app, &phone, &[("Paused", "false")]).await.expect(200);
    let cancelled = ask(&app, &phone).await.text("sid");
    phone.deny(&cancelled, DenialReason::Cancelled).await.unwrap();
    let again = ask(&app, &phone).await.text("sid");
    phone.deny(&again, DenialReason::NotMe).await.unwrap();
    app.clock.advance(24 * 60 * MINUTE);
    assert_eq!(ask(&app, &phone).await.status, 201);
}
