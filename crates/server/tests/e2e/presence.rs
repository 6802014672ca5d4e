//! Presence: the code that the page asks for, and the number that the device asks for.

use std::time::Duration;

use countersign_phone::{DenialReason, Phone, PhoneError, Presence, Verdict};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

/// A phone that asks its person for numbers.
async fn enrol(app: &TestApp) -> Phone {
    app.enrol_phone_with_numbers("alice-0001").await
}

async fn ask(app: &TestApp, phone: &Phone, more: &[(&str, &str)]) -> Reply {
    let form =
        [&[("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")], more].concat();
    app.api().post(&app.challenges_path(phone), &form).await
}

async fn asked(app: &TestApp, phone: &Phone, more: &[(&str, &str)]) -> String {
    let reply = ask(app, phone, more).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.text("sid")
}

fn path(app: &TestApp, phone: &Phone, sid: &str) -> String {
    format!("{}/{sid}/Presence", app.challenges_path(phone))
}

async fn presence(app: &TestApp, phone: &Phone, sid: &str) -> Value {
    app.api().get(&path(app, phone, sid)).await.expect(200)
}

async fn confirm(app: &TestApp, phone: &Phone, sid: &str, code: &str) -> Reply {
    app.api().post(&path(app, phone, sid), &[("Code", code)]).await
}

/// The code as the device shows it.
async fn shown(phone: &Phone, sid: &str) -> String {
    let challenge = phone.challenge(sid).await.expect("a challenge");
    challenge.fields.last().expect("a field").value.clone()
}

/// Another number of two digits.
fn wrong(number: &str) -> &'static str {
    if number == "77" { "78" } else { "77" }
}

fn refusal(result: Result<impl Sized, PhoneError>) -> (u16, i64) {
    match result {
        Err(PhoneError::Api(error)) => (error.status, error.code),
        _ => panic!("not refused"),
    }
}

async fn status(app: &TestApp, phone: &Phone, sid: &str) -> Value {
    app.read_challenge(phone, sid).await["status"].clone()
}

#[tokio::test]
async fn only_the_device_sees_the_code_and_the_page_confirms_it() {
    let app = TestApp::start().await;
    // as the mobile SDKs enrol
    let phone = app.enrol_phone("alice-0001").await;
    let place = ("Details.Fields", r#"{"label":"Place","value":"Lisbon"}"#);
    let sid = asked(&app, &phone, &[place, ("Presence", "code")]).await;
    let challenge = phone.challenge(&sid).await.unwrap();
    let labels: Vec<_> = challenge.fields.iter().map(|field| field.label.as_str()).collect();
    assert_eq!(labels, ["Place", "Code"]);
    let code = challenge.fields[1].value.clone();
    assert!(code.len() == 4 && code.bytes().all(|c| c.is_ascii_digit()), "{code}");
    let listed = phone.challenges(None).await.unwrap();
    assert_eq!(listed[0].fields, challenge.fields);
    let fields = json!([{"label": "Place", "value": "Lisbon"}]);
    assert_eq!(app.read_challenge(&phone, &sid).await["details"]["fields"], fields);
    let all = app.api().get(&app.challenges_path(&phone)).await.expect(200);
    assert_eq!(all["challenges"][0]["details"]["fields"], fields);
    let begun = json!({"challenge_sid": sid, "mode": "code", "confirmed": false});
    assert_eq!(presence(&app, &phone, &sid).await, begun);

    assert_eq!(confirm(&app, &phone, &sid, &code).await.refusal(), (403, 60324));
    phone.answer(&sid, Verdict::Approved).await.unwrap();
    assert_eq!(presence(&app, &phone, &sid).await, begun);
    let done = json!({"challenge_sid": sid, "mode": "code", "confirmed": true});
    for _ in 0..2 {
        assert_eq!(confirm(&app, &phone, &sid, &code).await.expect(200), done);
    }
    assert_eq!(presence(&app, &phone, &sid).await, done);
    let late = Duration::from_secs(10 * 60);
    app.clock.advance(late);
    assert_eq!(confirm(&app, &phone, &sid, &code).await.refusal(), (403, 60323));
    assert_eq!(presence(&app, &phone, &sid).await, done);
}

#[tokio::test]
async fn a_code_has_three_tries_and_its_own_label() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = asked(&app, &phone, &[("Presence", "code"), ("Presence.Label", "PIN")]).await;
    let challenge = phone.challenge(&sid).await.unwrap();
    assert_eq!(challenge.fields[0].label, "PIN");
    let code = &challenge.fields[0].value;
    let other = if code == "0000" { "0001" } else { "0000" };
    phone.answer(&sid, Verdict::Approved).await.unwrap();
    for _ in 0..3 {
        let refused = confirm(&app, &phone, &sid, other).await;
        assert_eq!(refused.refusal(), (403, 60324));
        assert_eq!(refused.body["details"]["parameter"], "Code");
    }
    assert_eq!(confirm(&app, &phone, &sid, code).await.refusal(), (403, 60324));
    assert_eq!(presence(&app, &phone, &sid).await["confirmed"], false);
    assert_eq!(status(&app, &phone, &sid).await, "approved");

    let denied = asked(&app, &phone, &[("Presence", "code")]).await;
    let code = shown(&phone, &denied).await;
    phone.answer(&denied, Verdict::Denied).await.unwrap();
    assert_eq!(confirm(&app, &phone, &denied, &code).await.refusal(), (403, 60322));
}

#[tokio::test]
async fn the_number_on_the_page_approves_and_denying_needs_none() {
    let app = TestApp::start().await;
    let phone = enrol(&app).await;
    let mut stream = phone.connect().await.unwrap();
    let sid = asked(&app, &phone, &[("Presence", "number"), ("Presence.Answer", "64")]).await;
    assert_eq!(stream.next_prompt().await.unwrap().presence, Some(Presence::Number));
    let shown = json!({"challenge_sid": sid, "mode": "number", "answer": "64"});
    assert_eq!(presence(&app, &phone, &sid).await, shown);
    let challenge = phone.challenge(&sid).await.unwrap();
    assert_eq!(challenge.presence, Some(Presence::Number));
    assert!(challenge.fields.is_empty(), "the device is not told the number");
    assert_eq!(refusal(phone.answer(&sid, Verdict::Approved).await), (403, 60324));
    assert_eq!(refusal(phone.approve_with(&sid, "sixty-four").await), (403, 60324));
    assert_eq!(refusal(phone.approve_with(&sid, "46").await), (403, 60324));
    assert_eq!(status(&app, &phone, &sid).await, "pending");
    phone.approve_with(&sid, "64").await.unwrap();
    assert_eq!(status(&app, &phone, &sid).await, "approved");

    for (mode, guesses) in [("number", 0), ("number", 1), ("pick", 0)] {
        let sid = asked(&app, &phone, &[("Presence", mode), ("Presence.Answer", "64")]).await;
        for _ in 0..guesses {
            assert_eq!(refusal(phone.approve_with(&sid, "65").await), (403, 60324));
        }
        phone.deny(&sid, DenialReason::Cancelled).await.unwrap();
        assert_eq!(status(&app, &phone, &sid).await, "denied");
    }
}

#[tokio::test]
async fn a_guesser_gets_two_tries_of_a_number_and_one_of_a_choice() {
    let app = TestApp::start().await;
    let phone = enrol(&app).await;
    let mut stream = phone.connect().await.unwrap();
    for (mode, tries) in [("number", 2), ("pick", 1)] {
        let sid = asked(&app, &phone, &[("Presence", mode)]).await;
        let told = stream.next_prompt().await.unwrap().presence.expect("a presence");
        let number = presence(&app, &phone, &sid).await["answer"].as_str().unwrap().to_owned();
        assert_eq!(phone.challenge(&sid).await.unwrap().presence.as_ref(), Some(&told));
        let guess = match &told {
            Presence::Number => wrong(&number).to_owned(),
            Presence::Pick(options) => {
                assert!(options.contains(&number));
                options.iter().find(|option| **option != number).unwrap().clone()
            }
        };
        for _ in 0..tries {
            assert_eq!(status(&app, &phone, &sid).await, "pending");
            assert_eq!(refusal(phone.approve_with(&sid, &guess).await), (403, 60324));
        }
        assert_eq!(status(&app, &phone, &sid).await, "denied");
        let late = phone.approve_with(&sid, &number).await;
        assert!(matches!(late, Err(PhoneError::NotPending(_))));
    }
}

#[tokio::test]
async fn a_device_that_cannot_enter_numbers_is_refused_or_the_list_falls_back() {
    let app = TestApp::start().await;
    let old = app.enrol_phone("alice-0001").await;
    for mode in ["number", "pick"] {
        let refused = ask(&app, &old, &[("Presence", mode)]).await;
        assert_eq!(refused.refusal(), (400, 60306));
        assert_eq!(refused.body["details"]["parameter"], "Presence");
    }
    let sid = asked(&app, &old, &[("Presence", "number,code")]).await;
    assert_eq!(presence(&app, &old, &sid).await["mode"], "code");
    let sid = asked(&app, &old, &[("Presence", "number,none")]).await;
    let none = app.api().get(&path(&app, &old, &sid)).await;
    assert_eq!(none.refusal(), (404, 20404));

    let form = [("Config.Presence", "number")];
    let updated = app.device(&old).post(&app.factor_path(&old), &form).await.expect(200);
    assert!(updated["config"].get("presence").is_none(), "the documented body is unchanged");
    let sid = asked(&app, &old, &[("Presence", "number,code")]).await;
    assert_eq!(presence(&app, &old, &sid).await["mode"], "number");
    let form = [("Config.Presence", "face")];
    let refused = app.device(&old).post(&app.factor_path(&old), &form).await;
    assert_eq!(refused.refusal(), (400, 60306));
}

#[tokio::test]
async fn a_service_decides_for_challenges_that_do_not() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let protection = format!("/v2/Services/{}/Protection", app.service);
    app.api().post(&protection, &[("Presence", "number,code")]).await.expect(200);
    let sid = asked(&app, &phone, &[]).await;
    assert_eq!(presence(&app, &phone, &sid).await["mode"], "code");
    let sid = asked(&app, &phone, &[("Presence", "none")]).await;
    assert_eq!(app.api().get(&path(&app, &phone, &sid)).await.refusal(), (404, 20404));
    let sid = asked(&app, &phone, &[("Presence.Label", "PIN")]).await;
    assert_eq!(phone.challenge(&sid).await.unwrap().fields[0].label, "PIN");
}

#[tokio::test]
async fn an_impossible_presence_names_the_parameter() {
    let app = TestApp::start().await;
    let phone = enrol(&app).await;
    for (more, parameter) in [
        (&[("Presence", "face")][..], "Presence"),
        (&[("Presence", "number,number")], "Presence"),
        (&[("Presence.Label", "PIN")], "Presence.Label"),
        (&[("Presence", "number"), ("Presence.Label", "PIN")], "Presence.Label"),
        (&[("Presence.Answer", "64")], "Presence.Answer"),
        (&[("Presence", "code"), ("Presence.Answer", "64")], "Presence.Answer"),
        (&[("Presence", "number"), ("Presence.Answer", "9")], "Presence.Answer"),
    ] {
        let refused = ask(&app, &phone, more).await;
        assert_eq!(refused.refusal(), (400, 60306), "{more:?}");
        assert_eq!(refused.body["details"]["parameter"], parameter, "{more:?}");
    }
    let field = ("Details.Fields", r#"{"label":"a","value":"b"}"#);
    let full = [vec![field; 20], vec![("Presence", "code")]].concat();
    assert_eq!(ask(&app, &phone, &full).await.refusal(), (400, 60306));
    assert_eq!(
        phone.challenge(&asked(&app, &phone, &full[1..]).await).await.unwrap().fields.len(),
        20
    );

    let sid = asked(&app, &phone, &[("Presence", "number")]).await;
    assert_eq!(confirm(&app, &phone, &sid, "4711").await.refusal(), (400, 60306));
    let code = asked(&app, &phone, &[("Presence", "code")]).await;
    assert_eq!(confirm(&app, &phone, &code, "471").await.refusal(), (400, 60306));
    assert_eq!(app.api().post(&path(&app, &phone, &code), &[]).await.refusal(), (400, 20001));
}

#[tokio::test]
async fn only_its_application_reads_the_number() {
    let app = TestApp::start().await;
    let phone = enrol(&app).await;
    let sid = asked(&app, &phone, &[("Presence", "number")]).await;
    let path = path(&app, &phone, &sid);
    assert_eq!(app.device(&phone).get(&path).await.refusal(), (403, 20403));
    let confirmed = app.device(&phone).post(&path, &[("Code", "4711")]).await;
    assert_eq!(confirmed.refusal(), (403, 20403));
    let stranger = app.stranger().await;
    assert_eq!(stranger.get(&path).await.refusal(), (404, 20404));
    assert_eq!(stranger.post(&path, &[("Code", "4711")]).await.refusal(), (404, 20404));
}
