//! No input makes a parser panic, and every accepted value keeps the rules of its type.

use countersign_domain::address::{Address, Platform, PushToken};
use countersign_domain::answer;
use countersign_domain::challenge::{Challenge, ChallengeStatus, Field, SIGNED_FIELDS};
use countersign_domain::credential::CredentialType;
use countersign_domain::device_token::DeviceToken;
use countersign_domain::factor::FactorType;
use countersign_domain::jws::Jws;
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::{AccountSid, FactorSid};
use countersign_domain::text::{
    AppId, FriendlyName, Identity, Message, SdkVersion, ServiceName, StringMap,
};
use countersign_domain::time::Instant;
use countersign_domain::webhook::{EventType, WebhookUrl, WebhookVersion};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::draw::{challenge, platform};

const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";

/// Valid values, which the tests mutate.
const GOOD: [&str; 11] = [
    "YF03a1b2c3d4e5f60718293a4b5c6d7e8f",
    "ff483d1ff591898a9942916050d2ca3f",
    "2023-11-14T22:13:20.25+01:00",
    r#"{"os":"Android","store":"play"}"#,
    r#"{"label":"Path","value":"\/login"}"#,
    "https://app.example.com:8443/hooks/verify?tenant=7#top",
    PUBLIC_KEY,
    r#"{"endpoint":"https://push.example.com/x","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#,
    "eyJjdHkiOiJ0d2lsaW8tcGJhO3Y9MSIsImtpZCI6IkNSMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJBQzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwiZXhwIjoxNzAwMDAwNjAwLCJuYmYiOjE3MDAwMDAwMDB9.OuJlH2WbHkUUjJAXQPULyyY-jyDqTnGOwlCi8pC9lJfXFAKpInLPH4GI85jpNBTWV6awo6k5RDfi-Qq-kDxVrg",
    "challenge.approved",
    "[[[[[[[[{\"\\ud800\":1e999}]]]]]]]]",
];

/// A valid value with a part of it replaced.
fn spoilt() -> impl Strategy<Value = String> {
    (0..GOOD.len(), any::<prop::sample::Index>(), 0..4_usize, ".{0,3}").prop_map(
        |(which, at, cut, put)| {
            let good: Vec<char> = GOOD[which].chars().collect();
            let at = at.index(good.len() + 1);
            let rest = good.iter().skip(at + cut);
            good[..at].iter().copied().chain(put.chars()).chain(rest.copied()).collect()
        },
    )
}

fn input() -> impl Strategy<Value = String> {
    let bytes = vec(any::<u8>(), 0..200);
    let bytes = bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![4 => spoilt(), 1 => ".{0,300}", 1 => "[ -~]{0,80}", 1 => bytes]
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn texts_keep_their_rules(text: &str) -> Result<(), TestCaseError> {
    let length = length(text);
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let fits = |most| (1..=most).contains(&length) && !text.contains('\0');
    prop_assert_eq!(Identity::parse(text).is_ok(), plain && (8..=64).contains(&length));
    prop_assert_eq!(FriendlyName::parse(text).is_ok(), fits(64));
    prop_assert_eq!(AppId::parse(text).is_ok(), fits(100));
    prop_assert_eq!(SdkVersion::parse(text).is_ok(), fits(64));
    prop_assert_eq!(Message::parse(text).is_ok(), fits(256));
    if let Ok(name) = ServiceName::parse(text) {
        prop_assert!(length <= 32 && name.as_str().chars().filter(|c| c.is_numeric()).count() <= 4);
    }
    Ok(())
}

fn objects_keep_their_rules(text: &str) -> Result<(), TestCaseError> {
    if let Ok(map) = StringMap::parse(text) {
        prop_assert!(length(text) <= 1_024);
        let value = serde_json::to_value(&map).expect("JSON");
        prop_assert!(
            value.as_object().is_some_and(|o| o.values().all(serde_json::Value::is_string))
        );
        prop_assert_eq!(StringMap::from_stored(&map.to_text()), Ok(map));
    }
    if let Ok(field) = Field::parse(text) {
        prop_assert!(length(&field.label) <= 36 && length(&field.value) <= 128);
        let again = serde_json::to_string(&field).expect("two texts");
        prop_assert_eq!(Field::parse(&again), Ok(field));
    }
    Ok(())
}

fn tokens_are_taken_or_refused(text: &str, challenge: &Challenge) -> Result<(), TestCaseError> {
    let key = DeviceKey::parse(PUBLIC_KEY).expect("a key");
    let now = Instant::from_seconds(1_700_000_000);
    if let Ok(jws) = Jws::parse(text) {
        prop_assert_eq!(jws.header.get("alg"), Some(&"ES256".into()));
        prop_assert!(!jws.is_signed_by(&key) || text == GOOD[8], "{}", text);
    }
    if let Ok(token) = DeviceToken::parse(text) {
        let account: AccountSid = "AC00000000000000000000000000000001".parse().expect("a SID");
        prop_assert_eq!(token.check(&key, account, now).is_ok(), text == GOOD[8]);
    }
    prop_assert!(answer::check(text, challenge, &SIGNED_FIELDS, &key).is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_taken_or_refused(text in input(), challenge in challenge()) {
        texts_keep_their_rules(&text)?;
        objects_keep_their_rules(&text)?;
        tokens_are_taken_or_refused(&text, &challenge)?;
        if let Ok(sid) = text.parse::<FactorSid>() {
            prop_assert_eq!(sid.to_string().to_lowercase(), text.to_lowercase());
        }
        if let Ok(at) = Instant::parse(&text) {
            prop_assert!(!at.to_string().is_empty());
        }
        if let Ok(key) = DeviceKey::parse(&text) {
            prop_assert_eq!(key.to_text(), text);
        }
    }

    #[test]
    fn any_word_is_taken_or_refused(text in input()) {
        if let Ok(word) = text.parse::<Platform>() { prop_assert_eq!(word.as_str(), &text); }
        if let Ok(word) = text.parse::<FactorType>() { prop_assert_eq!(word.as_str(), &text); }
        if let Ok(word) = text.parse::<ChallengeStatus>() { prop_assert_eq!(word.as_str(), &text); }
        if let Ok(word) = text.parse::<CredentialType>() { prop_assert_eq!(word.as_str(), &text); }
        if let Ok(word) = text.parse::<EventType>() { prop_assert_eq!(word.as_str(), &text); }
        if let Ok(word) = text.parse::<WebhookVersion>() { prop_assert_eq!(word.as_str(), &text); }
    }

    #[test]
    fn a_webhook_url_is_kept_as_it_is_called(text in input()) {
        if let Ok(url) = WebhookUrl::parse(&text) {
            let parsed = url::Url::parse(url.as_str()).expect("a URL");
            prop_assert_eq!(url.as_str(), parsed.as_str());
            prop_assert_eq!(parsed.fragment(), None);
            prop_assert!(matches!(parsed.scheme(), "http" | "https") && parsed.host().is_some());
            prop_assert!(parsed.username().is_empty() && parsed.password().is_none());
            prop_assert!(!text.contains([' ', '\t', '\n', '\r', '\\']));
            prop_assert!(url.as_str().is_ascii());
        }
    }

    #[test]
    fn an_address_has_a_token_just_where_one_is_needed(
        platform in platform(), text in option::of(input()), strict: bool,
    ) {
        let Ok(address) = Address::new(platform, text.as_deref(), strict) else { return Ok(()) };
        prop_assert_eq!(address.platform(), platform);
        prop_assert_eq!(address.can_be_reached(), platform != Platform::None);
        let token = address.token().map(PushToken::expose);
        match platform {
            Platform::Stream | Platform::None => prop_assert_eq!(token, None),
            Platform::Apn | Platform::Fcm | Platform::WebPush => {
                prop_assert_eq!(token, text.as_deref());
                let length = length(token.unwrap_or_default());
                let most = if platform == Platform::WebPush { 2_048 } else { 255 };
                prop_assert!(length <= most && (!strict || length >= 32));
            }
        }
        let for_the_log = format!("{address:?}");
        // A short token may be part of any text.
        let is_seen = token.is_some_and(|token| token.len() > 20 && for_the_log.contains(token));
        prop_assert!(!is_seen, "{}", for_the_log);
    }

    #[test]
    fn any_bytes_are_a_point_or_not(mut bytes in vec(any::<u8>(), 0..80), lead in 0..8_u8) {
        if let Some(first) = bytes.first_mut() { *first = lead; }
        if let Some(key) = DeviceKey::from_point(&bytes) {
            prop_assert_eq!(key.as_point().as_slice(), bytes.as_slice());
            prop_assert_eq!(lead, 4);
        }
    }

    #[test]
    fn no_bytes_are_a_signature_by_chance(message in vec(any::<u8>(), 0..40), signature in vec(any::<u8>(), 0..80)) {
        let key = DeviceKey::parse(PUBLIC_KEY).expect("a key");
        prop_assert!(!key.signed_raw(&message, &signature));
        prop_assert!(!key.signed_der(&message, &signature));
    }
}
