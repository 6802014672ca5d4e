//! The JWT that authenticates a device: the worked example, and every refusal.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use countersign_domain::device_token::{DeviceToken, DeviceTokenError, LEEWAY, MAX_VALIDITY};
use countersign_domain::time::Instant;
use serde_json::{Value, json};

use crate::example::{
    ANSWER, DEVICE_TOKEN, KEY_SID, Signer, account, factor, noon, signature_of, token_header,
    token_payload, with, with_signature,
};

const TICK: Duration = Duration::from_micros(1);

fn check(token: &str, now: Instant) -> Result<(), DeviceTokenError> {
    DeviceToken::parse(token)?.check(&factor().key, account(), now)
}

/// Checks the example's token with another header.
fn check_header(header: &Value) -> Result<(), DeviceTokenError> {
    check(&Signer::known().sign(header, &token_payload()), noon())
}

/// Checks the example's token with another payload.
fn check_payload(payload: &Value) -> Result<(), DeviceTokenError> {
    check(&Signer::known().sign(&token_header(), payload), noon())
}

/// Whether a token is refused before its signature is checked.
fn is_malformed(checked: &Result<(), DeviceTokenError>) -> bool {
    use DeviceTokenError::{ContentType, Form, KeyId};
    matches!(checked, Err(Form(_) | ContentType | KeyId))
}

#[test]
fn the_worked_example_passes() {
    let token = DeviceToken::parse(DEVICE_TOKEN).unwrap();
    assert_eq!(token.key, KEY_SID.parse().unwrap());
    assert_eq!(token.check(&factor().key, account(), noon()), Ok(()));
}

#[test]
fn a_clock_may_be_off_by_the_leeway_and_no_more() {
    let (begins, ends) = (noon(), Instant::from_seconds(1_700_000_600));
    assert_eq!(LEEWAY, Duration::from_secs(60));
    let early = begins - LEEWAY;
    assert_eq!(check(DEVICE_TOKEN, early), Ok(()));
    assert_eq!(
        check(DEVICE_TOKEN, early - TICK),
        Err(DeviceTokenError::NotYetValid(LEEWAY + TICK))
    );
    let late = ends + LEEWAY;
    assert_eq!(check(DEVICE_TOKEN, late - TICK), Ok(()));
    assert_eq!(check(DEVICE_TOKEN, late), Err(DeviceTokenError::Expired(LEEWAY)));
}

#[test]
fn a_token_for_a_stream_has_the_nonce_of_the_stream() {
    let nonce = "0a".repeat(16);
    let check = |carried: Option<Value>| {
        let payload = with(token_payload(), "nonce", carried);
        let token = Signer::known().sign(&token_header(), &payload);
        DeviceToken::parse(&token).unwrap().check_nonce(&nonce)
    };
    assert_eq!(check(Some(json!(nonce))), Ok(()));
    let nearly = format!("{}0b", "0a".repeat(15));
    let others = ["", "0a", &nearly, &format!("{nonce}0"), &nonce[1..]].map(|it| json!(it));
    for carried in others.into_iter().map(Some).chain([None, Some(json!([nonce]))]) {
        assert_eq!(check(carried.clone()), Err(DeviceTokenError::Nonce), "{carried:?}");
    }
}

#[test]
fn it_is_valid_for_900_s_at_most() {
    assert_eq!(MAX_VALIDITY, Duration::from_secs(900));
    let ending = |exp: Value| check_payload(&with(token_payload(), "exp", Some(exp)));
    assert_eq!(ending(json!(1_700_000_900)), Ok(()));
    assert_eq!(ending(json!(1_700_000_901)), Err(DeviceTokenError::TooLong));
    assert_eq!(ending(json!(i64::MAX)), Err(DeviceTokenError::TooLong));
    assert_eq!(ending(json!(u64::MAX)), Err(DeviceTokenError::TooLong));
    assert_eq!(ending(json!(1e300)), Err(DeviceTokenError::TooLong));
    assert_eq!(
        ending(json!(i64::MIN)),
        Err(DeviceTokenError::Expired(noon().since(Instant::default())))
    );
}

#[test]
fn both_times_are_required_and_are_numbers() {
    for claim in ["nbf", "exp"] {
        for wrong in [None, Some(json!("1700000300")), Some(json!(null)), Some(json!([]))] {
            let payload = with(token_payload(), claim, wrong);
            assert!(
                matches!(check_payload(&payload), Err(DeviceTokenError::Claim(_))),
                "{payload}"
            );
        }
    }
    let payload = with(token_payload(), "nbf", Some(json!(1_700_000_000.75)));
    assert_eq!(check_payload(&payload), Ok(()), "a fraction is dropped");
}

#[test]
fn the_algorithm_is_es256_and_nothing_else() {
    let words = ["none", "None", "HS256", "RS256", "ES384", "ES256K", "es256", "ES256 ", ""];
    let wrong = words.map(|word| Some(json!(word)));
    for alg in wrong.into_iter().chain([None, Some(json!(null)), Some(json!(["ES256"]))]) {
        let header = with(token_header(), "alg", alg);
        assert!(is_malformed(&check_header(&header)), "{header}");
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let (signed, _) = DEVICE_TOKEN.rsplit_once('.').unwrap();
    assert_eq!(check(&format!("{signed}."), noon()), Err(DeviceTokenError::Signature));
    assert!(is_malformed(&check(signed, noon())));
    let header = with(token_header(), "alg", Some(json!("none")));
    let token = with_signature(&Signer::known().sign(&header, &token_payload()), []);
    assert!(is_malformed(&check(&token, noon())));
}

/// Everyone who knows the public key can make this token. It must not be taken for a shared secret.
#[test]
fn a_mac_made_with_the_public_key_is_refused() {
    use aws_lc_rs::hmac;
    let header = with(token_header(), "alg", Some(json!("HS256")));
    let token = Signer::known().sign(&header, &token_payload());
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mac = hmac::Key::new(hmac::HMAC_SHA256, factor().key.as_point());
    let mac = hmac::sign(&mac, signed.as_bytes());
    assert!(is_malformed(&check(&with_signature(&token, mac), noon())));
}

#[test]
fn the_content_type_is_that_of_device_tokens() {
    let words = [
        "JWT",
        "twilio-fpa;v=1",
        "twilio-pba",
        "twilio-pba;v=2",
        "twilio-pba;v=10",
        "twilio-pba;v=1 ",
        "twilio-pbax;v=1",
        "Twilio-pba;v=1",
    ];
    let wrong = words.map(|word| Some(json!(word)));
    for cty in wrong.into_iter().chain([None, Some(json!(1)), Some(json!(["twilio-pba;v=1"]))]) {
        let header = with(token_header(), "cty", cty);
        assert!(is_malformed(&check_header(&header)), "{header}");
    }
}

#[test]
fn a_header_with_an_extension_is_refused() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let header = with(token_header(), name, Some(value));
        assert!(is_malformed(&check_header(&header)), "{header}");
    }
}

#[test]
fn a_repeated_member_is_refused() {
    let (header, payload) = (token_header().to_string(), token_payload().to_string());
    let twice = |text: &str, first: &str| text.replacen('{', &format!("{{{first},"), 1);
    for (header, payload) in [
        (twice(&header, r#""alg":"none""#), payload.clone()),
        (twice(&header, r#""kid":"CR00000000000000000000000000000002""#), payload.clone()),
        (header.clone(), twice(&payload, r#""exp":1700000700"#)),
        (header, twice(&payload, r#""su\u0062":"AC00000000000000000000000000000002""#)),
    ] {
        let token = Signer::known().sign_text(&header, &payload);
        assert!(is_malformed(&check(&token, noon())), "{header}.{payload}");
    }
}

#[test]
fn the_kid_is_the_sid_of_a_key() {
    let upper = with(token_header(), "kid", Some(json!(KEY_SID.to_uppercase())));
    assert_eq!(check_header(&upper), Ok(()), "hexadecimal digits may be capital");
    let factor_sid = json!(factor().sid);
    for kid in [None, Some(factor_sid), Some(json!("")), Some(json!("CR01")), Some(json!(7))] {
        let header = with(token_header(), "kid", kid);
        assert!(is_malformed(&check_header(&header)), "{header}");
    }
}

#[test]
fn the_signature_covers_every_byte() {
    let stranger = Signer::other().sign(&token_header(), &token_payload());
    assert_eq!(check(&stranger, noon()), Err(DeviceTokenError::Signature));

    let other = Signer::known().sign(&token_header(), &json!({"sub": "AC", "exp": 1, "nbf": 0}));
    let swapped = with_signature(DEVICE_TOKEN, signature_of(&other));
    assert_eq!(check(&swapped, noon()), Err(DeviceTokenError::Signature));

    for at in 0..64 {
        let mut wrong = signature_of(DEVICE_TOKEN);
        wrong[at] ^= 0x80;
        let token = with_signature(DEVICE_TOKEN, wrong);
        assert_eq!(check(&token, noon()), Err(DeviceTokenError::Signature), "byte {at}");
    }
}

/// The iOS SDK makes a shorter signature about once in 65,000 times. The error makes it try again.
#[test]
fn a_signature_of_another_length_is_a_bad_signature() {
    let whole = signature_of(DEVICE_TOKEN);
    for length in [0, 1, 32, 62, 63] {
        let token = with_signature(DEVICE_TOKEN, &whole[..length]);
        assert_eq!(check(&token, noon()), Err(DeviceTokenError::Signature), "{length} bytes");
    }
    let token = with_signature(DEVICE_TOKEN, [whole.as_slice(), &[0]].concat());
    assert_eq!(check(&token, noon()), Err(DeviceTokenError::Signature));
    let zeros = with_signature(DEVICE_TOKEN, [0; 64]);
    assert_eq!(check(&zeros, noon()), Err(DeviceTokenError::Signature));
}

#[test]
fn the_subject_is_the_factors_account() {
    for sub in [None, Some(json!("AC00000000000000000000000000000002")), Some(json!(1))] {
        let payload = with(token_payload(), "sub", sub);
        let refused = check_payload(&payload).unwrap_err();
        let (missing, other) = (DeviceTokenError::NoSubject, DeviceTokenError::Subject);
        assert_eq!(
            refused,
            if payload.get("sub").is_none() { missing } else { other },
            "{payload}"
        );
    }
}

#[test]
fn every_refusal_names_its_reason() {
    let header = |name, to| check_header(&with(token_header(), name, to));
    let payload = |name, to| check_payload(&with(token_payload(), name, to));
    let later = |seconds| noon() + Duration::from_secs(seconds);
    for (refused, reason) in [
        (check("x", noon()), "three parts of base64url"),
        (check("e30.W10.AA", noon()), "alg ES256"),
        (header("alg", Some(json!("none"))), "alg ES256"),
        (header("crit", Some(json!(["exp"]))), "must not have crit"),
        (header("cty", None), "cty twilio-pba;v=1"),
        (header("kid", Some(json!("CR1"))), "kid"),
        (check(&Signer::other().sign(&token_header(), &token_payload()), noon()), "a known key"),
        (payload("sub", None), "as sub"),
        (payload("sub", Some(json!("AC00000000000000000000000000000002"))), "another account"),
        (payload("nbf", None), "must have nbf"),
        (payload("exp", Some(json!("soon"))), "must have exp"),
        (check(DEVICE_TOKEN, later(700)), "expired 100 s ago"),
        (check(DEVICE_TOKEN, noon() - Duration::from_secs(90)), "not valid for another 90 s"),
        (payload("exp", Some(json!(1_700_000_901))), "more than 900 s"),
    ] {
        let said = refused.expect_err(reason).to_string();
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

/// Signature, subject, claims, time. A device that fails several checks is told the first.
#[test]
fn the_checks_run_in_one_order() {
    let late = Instant::from_seconds(1_800_000_000);
    let all_wrong = json!({"sub": "AC", "exp": 5_000_000_000_i64});
    let stranger = Signer::other().sign(&token_header(), &all_wrong);
    assert_eq!(check(&stranger, late), Err(DeviceTokenError::Signature));
    let known = |payload: &Value| check(&Signer::known().sign(&token_header(), payload), late);
    assert_eq!(known(&all_wrong), Err(DeviceTokenError::Subject));
    assert_eq!(known(&with(token_payload(), "nbf", None)), Err(DeviceTokenError::Claim("nbf")));
    assert!(matches!(known(&token_payload()), Err(DeviceTokenError::Expired(_))));
    let long_ago = with(token_payload(), "nbf", Some(json!(0)));
    assert!(matches!(known(&long_ago), Err(DeviceTokenError::Expired(_))));
}

#[test]
fn the_form_is_three_parts_of_unpadded_base64url() {
    let header = URL_SAFE_NO_PAD.encode(token_header().to_string());
    let [_, payload, signature] = DEVICE_TOKEN.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let spaced = token_header().to_string().replace('{', "{ ");
    let padded = URL_SAFE.encode(&spaced);
    assert!(padded.ends_with('='), "or this shows nothing");
    for wrong in [
        String::new(),
        "..".into(),
        "a.b.c".into(),
        format!("{DEVICE_TOKEN}.{signature}"),
        format!("{padded}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")),
        format!(" {header}.{payload}.{signature}"),
        Signer::known().sign(&json!(["ES256"]), &token_payload()),
        Signer::known().sign(&token_header(), &json!("sub")),
        Signer::known().sign_text(&token_header().to_string(), "{\"sub\":"),
    ] {
        assert!(is_malformed(&check(&wrong, noon())), "{wrong}");
    }
    assert!(is_malformed(&check(ANSWER, noon())), "an answer is no device token");
}
