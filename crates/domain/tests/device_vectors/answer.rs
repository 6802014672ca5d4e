//! A signed answer: the worked example, and every refusal.

use std::time::Duration;

use countersign_domain::answer::{AnswerError, DenialReason, VerifiedAnswer, check};
use countersign_domain::challenge::{
    Challenge, ChallengeClosedError, ChallengeStatus, Field, MAX_FIELDS, SIGNED_FIELDS, Verdict,
};
use countersign_domain::text::{Message, StringMap};
use serde_json::{Value, json};

use crate::example::{
    ANSWER, DEVICE_TOKEN, ITS_FIELDS, Signer, challenge, factor, noon, signature_of, with,
    with_signature,
};

const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

/// The payload that the example's device signs for a `status` of a challenge.
fn payload(challenge: &Challenge, status: &str) -> Value {
    with(Value::Object(challenge.signed_members().to_map()), "status", Some(json!(status)))
}

fn judge(token: &str, challenge: &Challenge) -> Result<Verdict, AnswerError> {
    check(token, challenge, &SIGNED_FIELDS, &factor().key).map(VerifiedAnswer::verdict)
}

/// Checks a payload, signed with the example's key, against the example's challenge.
fn judge_payload(payload: &Value) -> Result<Verdict, AnswerError> {
    judge(&Signer::known().sign_text(HEADER, &payload.to_string()), &challenge())
}

#[test]
fn the_worked_example_approves() {
    assert_eq!(ANSWER.len(), 794);
    let answer = check(ANSWER, &challenge(), &ITS_FIELDS, &factor().key).unwrap();
    assert_eq!(answer.verdict(), Verdict::Approved);
    let answered = challenge().answer(&answer, noon()).unwrap();
    assert_eq!(answered.status(noon()), ChallengeStatus::Approved);
    assert_eq!(answered.answer(&answer, noon()), Err(ChallengeClosedError::AlreadyAnswered));
}

#[test]
fn at_its_expiry_a_challenge_has_expired() {
    let answer = check(ANSWER, &challenge(), &ITS_FIELDS, &factor().key).unwrap();
    let expiry = challenge().expires_at;
    let just_before = expiry - Duration::from_micros(1);
    assert_eq!(challenge().status(just_before), ChallengeStatus::Pending);
    assert_eq!(challenge().status(expiry), ChallengeStatus::Expired);
    assert_eq!(challenge().answer(&answer, expiry), Err(ChallengeClosedError::Expired));
    let answered = challenge().answer(&answer, just_before).unwrap();
    assert_eq!(answered.status(expiry), ChallengeStatus::Approved, "an answer outlives the expiry");
}

#[test]
fn a_denial_may_sign_a_reason_and_an_approval_has_none() {
    let judge = |status: &str, reason: Value| {
        let payload = with(payload(&challenge(), status), "reason", Some(reason));
        let token = Signer::known().sign_text(HEADER, &payload.to_string());
        let answer = check(&token, &challenge(), &SIGNED_FIELDS, &factor().key).unwrap();
        (answer.verdict(), answer.reason())
    };
    let (yes, no) = (Verdict::Approved, Verdict::Denied);
    assert_eq!(judge("denied", json!("not_me")), (no, Some(DenialReason::NotMe)));
    assert_eq!(judge("denied", json!("cancelled")), (no, Some(DenialReason::Cancelled)));
    assert_eq!(judge("approved", json!("not_me")), (yes, None));
    for other in [json!("NOT_ME"), json!(""), json!(true), json!(null)] {
        assert_eq!(judge("denied", other), (no, None), "nothing keeps anybody from denying");
    }
}

#[test]
fn only_true_says_that_the_person_was_verified() {
    let judge = |said: Option<Value>| {
        let payload = with(payload(&challenge(), "approved"), "user_verified", said);
        let token = Signer::known().sign_text(HEADER, &payload.to_string());
        check(&token, &challenge(), &SIGNED_FIELDS, &factor().key).unwrap().is_user_verified()
    };
    assert!(judge(Some(json!(true))));
    for other in [None, Some(json!(false)), Some(json!("true")), Some(json!(1)), Some(json!(null))]
    {
        assert!(!judge(other.clone()), "{other:?}");
    }
}

/// The example signs every member except `factor_type`.
#[test]
fn a_member_that_is_not_signed_is_a_mismatch() {
    assert_eq!(judge(ANSWER, &challenge()), Err(AnswerError::Member("factor_type")));
    let asked_for_more = [ITS_FIELDS.as_slice(), &["status_of_nothing"]].concat();
    let answer = check(ANSWER, &challenge(), &asked_for_more, &factor().key);
    assert_eq!(answer, Err(AnswerError::Member("status_of_nothing")));
}

#[test]
fn every_signed_field_is_a_member_of_the_challenge() {
    let members = challenge().signed_members().to_map();
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    let mut asked = SIGNED_FIELDS.to_vec();
    names.sort_unstable();
    asked.sort_unstable();
    assert_eq!(names, asked);
}

#[test]
fn only_approved_and_denied_are_accepted() {
    assert_eq!(judge_payload(&payload(&challenge(), "approved")), Ok(Verdict::Approved));
    assert_eq!(judge_payload(&payload(&challenge(), "denied")), Ok(Verdict::Denied));
    for word in ["Approved", "APPROVED", "pending", "expired", "yes", "", "approved "] {
        let payload = payload(&challenge(), word);
        assert_eq!(judge_payload(&payload), Err(AnswerError::Status), "{word:?}");
    }
    for status in [None, Some(json!(true)), Some(json!(null)), Some(json!(["approved"]))] {
        let payload = with(payload(&challenge(), ""), "status", status);
        assert_eq!(judge_payload(&payload), Err(AnswerError::Status), "{payload}");
    }
}

/// Parsers take the first or the last of two members, so the person could have seen another value than the recorded one.
#[test]
fn an_answer_with_a_repeated_member_is_malformed() {
    let good = payload(&challenge(), "approved").to_string();
    for twice in [
        good.replacen('{', r#"{"status":"denied","#, 1),
        good.replacen(r#""details":{"#, r#""details":{"message":"Other?","#, 1),
    ] {
        let token = Signer::known().sign_text(HEADER, &twice);
        assert_eq!(judge(&token, &challenge()), Err(AnswerError::Form), "{twice}");
    }
}

#[test]
fn an_answer_with_an_extension_is_malformed() {
    let good = payload(&challenge(), "approved").to_string();
    for header in [
        r#"{"typ":"JWT","alg":"ES256","crit":["exp"]}"#,
        r#"{"typ":"JWT","alg":"ES256","b64":false,"crit":["b64"]}"#,
    ] {
        let token = Signer::known().sign_text(header, &good);
        assert_eq!(judge(&token, &challenge()), Err(AnswerError::Form), "{header}");
    }
}

#[test]
fn every_signed_member_must_be_present_and_equal() {
    let good = payload(&challenge(), "approved");
    let elsewhere = json!("YC03f1e2d3c4b5a69788796a5b4c3d2e1e");
    for name in SIGNED_FIELDS {
        for wrong in [None, Some(elsewhere.clone()), Some(json!({})), Some(json!(0))] {
            let payload = with(good.clone(), name, wrong);
            assert_eq!(judge_payload(&payload), Err(AnswerError::Member(name)), "{payload}");
        }
    }
    let hidden = with(good.clone(), "hidden_details", Some(json!({"amount": "1"})));
    assert_eq!(judge_payload(&hidden), Err(AnswerError::Member("hidden_details")));
    let more = with(good, "date_updated", Some(json!("2023-11-14T22:13:20Z")));
    assert_eq!(judge_payload(&more), Ok(Verdict::Approved), "more than was asked for is no fault");
}

#[test]
fn the_details_must_be_equal_to_the_letter() {
    let judge_changed = |change: fn(&mut Value)| {
        let mut payload = payload(&challenge(), "approved");
        change(&mut payload["details"]);
        judge_payload(&payload)
    };
    assert_eq!(judge_changed(|_| ()), Ok(Verdict::Approved));
    let changes: [fn(&mut Value); 7] = [
        |details| details["message"] = json!("Login to Owl Bank"),
        |details| details["message"] = json!("login to Owl Bank?"),
        |details| details["fields"][0]["value"] = json!("/logout"),
        |details| details["fields"][0]["label"] = json!("path"),
        |details| details["fields"] = json!([]),
        |details| details["fields"] = json!([details["fields"][0], details["fields"][0]]),
        |details| details["date"] = json!("2023-11-14T22:13:20Z"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(judge_changed(change), Err(AnswerError::Member("details")), "change {number}");
    }
}

/// Android and iOS escape every `/`, and neither keeps the order of members.
#[test]
fn escapes_order_and_spaces_do_not_matter() {
    let text = r#"{ "status" : "approved",
        "hidden_details":null, "factor_type":"\u0070ush",
        "details":{"fields":[{"value":"\/login","label":"Path"}],"message":"Login to Owl Bank\u003f"},
        "expiration_date":"2023-11-14T22:18:20Z","date_created":"2023-11-14T22:13:20Z",
        "factor_sid":"YF03a1b2c3d4e5f60718293a4b5c6d7e8f",
        "identity":"ff483d1ff591898a9942916050d2ca3f",
        "entity_sid":"YE00000000000000000000000000000001",
        "service_sid":"VA00000000000000000000000000000001",
        "account_sid":"AC00000000000000000000000000000001",
        "sid":"YC03f1e2d3c4b5a69788796a5b4c3d2e1f" }"#;
    let header = r#"{"alg":"ES256","typ":"JWT"}"#;
    let token = Signer::known().sign_text(header, text);
    assert_eq!(judge(&token, &challenge()), Ok(Verdict::Approved));
}

#[test]
fn unicode_escapes_are_compared_by_their_characters() {
    let mut asked = challenge();
    asked.details.message = Message::parse("Überweisung an Zoë? 🦉\u{202e}").ok();
    asked.hidden_details = Some(StringMap::parse(r#"{"Ort":"Lisboa — São Bento"}"#).unwrap());
    let plain = payload(&asked, "denied").to_string();
    assert_eq!(judge(&Signer::known().sign_text(HEADER, &plain), &asked), Ok(Verdict::Denied));

    let escaped = plain
        .replace('Ü', r"\u00DC")
        .replace('🦉', r"\ud83e\udd89")
        .replace('\u{202e}', r"\u202E")
        .replace('—', r"\u2014");
    assert_ne!(escaped, plain);
    assert_eq!(judge(&Signer::known().sign_text(HEADER, &escaped), &asked), Ok(Verdict::Denied));

    let decomposed = plain.replace('ë', "e\u{308}");
    let token = Signer::known().sign_text(HEADER, &decomposed);
    assert_eq!(
        judge(&token, &asked),
        Err(AnswerError::Member("details")),
        "looks the same, is not"
    );
    let half = plain.replace('🦉', r"\ud83e");
    let token = Signer::known().sign_text(HEADER, &half);
    assert_eq!(judge(&token, &asked), Err(AnswerError::Form), "half a pair is no JSON text");
}

#[test]
fn the_date_in_the_details_is_signed() {
    let mut dated = challenge();
    dated.details.date = Some(noon());
    assert_eq!(dated.signed_members().to_map()["details"]["date"], "2023-11-14T22:13:20Z");
    let sign =
        |of: &Challenge| Signer::known().sign_text(HEADER, &payload(of, "approved").to_string());
    assert_eq!(judge(&sign(&dated), &dated), Ok(Verdict::Approved));
    assert_eq!(judge(&sign(&challenge()), &dated), Err(AnswerError::Member("details")));
    assert!(
        challenge().signed_members().to_map()["details"].get("date").is_none(),
        "omitted, never null"
    );
}

#[test]
fn only_the_factors_key_can_answer() {
    let good = payload(&challenge(), "approved").to_string();
    let stranger = Signer::other().sign_text(HEADER, &good);
    assert_eq!(judge(&stranger, &challenge()), Err(AnswerError::Signature));
    let token = Signer::known().sign_text(HEADER, &good);
    let whole = signature_of(&token);
    for length in [0, 32, 62, 63] {
        let cut = with_signature(&token, &whole[..length]);
        assert_eq!(judge(&cut, &challenge()), Err(AnswerError::Signature), "{length} bytes");
    }
}

#[test]
fn texts_that_are_not_signed_tokens_are_malformed() {
    let good = payload(&challenge(), "approved").to_string();
    let none = with_signature(&Signer::known().sign_text(r#"{"alg":"none"}"#, &good), []);
    let mac = Signer::known().sign_text(r#"{"typ":"JWT","alg":"HS256"}"#, &good);
    for wrong in ["", "approved", "a.b.c", &good, &none, &mac] {
        assert_eq!(judge(wrong, &challenge()), Err(AnswerError::Form), "{wrong}");
    }
    assert_eq!(
        judge(DEVICE_TOKEN, &challenge()),
        Err(AnswerError::Member("sid")),
        "the token of a device names no challenge"
    );
}

/// Its token is far longer than the documented 5,456 characters, and is accepted.
#[test]
fn the_largest_challenge_can_be_answered() {
    let mut asked = challenge();
    asked.details.message = Message::parse("/".repeat(256)).ok();
    let field = Field { label: "/".repeat(36), value: "é".repeat(128) };
    asked.details.fields = vec![field; MAX_FIELDS];
    let hidden = format!(r#"{{"a":"{}"}}"#, "/".repeat(1_016));
    asked.hidden_details = Some(StringMap::parse(&hidden).unwrap());
    let escaped = payload(&asked, "approved").to_string().replace('/', r"\/");
    let token = Signer::known().sign_text(HEADER, &escaped);
    assert!(token.len() > 5_456);
    assert_eq!(judge(&token, &asked), Ok(Verdict::Approved));
}
