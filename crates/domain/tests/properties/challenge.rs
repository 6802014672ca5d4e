//! The first answer counts, and a status never changes back.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::answer::{self, VerifiedAnswer};
use countersign_domain::challenge::{
    Challenge, ChallengeClosedError, ChallengeStatus, DEFAULT_LIFETIME, MAX_LIFETIME,
    SIGNED_FIELDS, Verdict, expiry,
};
use countersign_domain::key::DeviceKey;
use countersign_domain::limits::is_reached;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::draw::{around, challenge, instant, span};

/// Both verdicts, signed: only a signature makes an answer.
fn answers(challenge: &Challenge) -> [VerifiedAnswer; 2] {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let key = DeviceKey::from_point(pair.public_key().as_ref()).expect("a point");
    ["approved", "denied"].map(|status| {
        let mut payload = challenge.signed_members().to_map();
        payload.insert("status".into(), json!(status));
        let parts = [json!({"alg": "ES256"}).to_string(), Value::Object(payload).to_string()];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        answer::check(&text, challenge, &SIGNED_FIELDS, &key).expect("a good answer")
    })
}

const fn status_of(verdict: Verdict) -> ChallengeStatus {
    match verdict {
        Verdict::Approved => ChallengeStatus::Approved,
        Verdict::Denied => ChallengeStatus::Denied,
    }
}

proptest! {
    #[test]
    fn the_first_answer_in_time_wins(
        opened in challenge(), tries in vec((span(), any::<bool>()), 0..8),
    ) {
        let [yes, no] = answers(&opened);
        let mut now = opened.created_at;
        let mut current = opened.clone();
        let mut first: Option<Verdict> = None;
        for (span, approve) in tries {
            now = now + span;
            let given = if approve { yes } else { no };
            let before = current.status(now);
            match current.clone().answer(&given, now) {
                Ok(answered) => {
                    prop_assert_eq!(before, ChallengeStatus::Pending);
                    prop_assert!(first.is_none() && now < opened.expires_at);
                    prop_assert_eq!(answered.updated_at, now);
                    first = Some(given.verdict());
                    current = answered;
                }
                Err(ChallengeClosedError::AlreadyAnswered) => prop_assert!(first.is_some()),
                Err(ChallengeClosedError::Expired) => {
                    prop_assert!(first.is_none() && now >= opened.expires_at);
                }
                Err(ChallengeClosedError::AnsweredElsewhere) => prop_assert!(false, "no group"),
            }
            let expected = match first {
                Some(verdict) => status_of(verdict),
                None if now < opened.expires_at => ChallengeStatus::Pending,
                None => ChallengeStatus::Expired,
            };
            prop_assert_eq!(current.status(now), expected);
            prop_assert_eq!(current.signed_members().to_map(), opened.signed_members().to_map());
        }
    }

    #[test]
    fn a_status_that_is_no_longer_pending_stays(
        opened in challenge(), answered_after in option::of(span()), earlier in span(), later in span(),
    ) {
        let mut challenge = opened;
        if let Some(after) = answered_after {
            let [yes, _] = answers(&challenge);
            let at = challenge.created_at + after;
            challenge = challenge.clone().answer(&yes, at).unwrap_or(challenge);
        }
        let at = challenge.created_at + earlier;
        let (then, afterwards) = (challenge.status(at), challenge.status(at + later));
        if then != ChallengeStatus::Pending {
            prop_assert_eq!(then, afterwards);
        }
        prop_assert_eq!(challenge.is_open(at).is_ok(), then == ChallengeStatus::Pending);
        prop_assert_eq!(then.as_str().parse::<ChallengeStatus>(), Ok(then));
    }

    #[test]
    fn an_expiry_is_a_whole_second_of_the_next_hour(
        (now, asked) in instant().prop_flat_map(|now| (Just(now), option::of(around(now)))),
    ) {
        match expiry(now, asked) {
            Ok(at) => {
                prop_assert_eq!(at, at.whole_seconds());
                prop_assert!(now < at && at <= now + MAX_LIFETIME);
                let wanted = asked.unwrap_or(now + DEFAULT_LIFETIME);
                prop_assert!(at <= wanted && wanted.since(at) < Duration::from_secs(1));
            }
            Err(_) => {
                let asked = asked.expect("the default is always good").whole_seconds();
                prop_assert!(asked <= now || asked > now + MAX_LIFETIME);
            }
        }
    }

    #[test]
    fn a_limit_lets_through_as_many_as_it_says(limit in 0..50_u32) {
        let let_through = (0..100).take_while(|have| !is_reached(limit, *have)).count();
        prop_assert_eq!(let_through, if limit == 0 { 100 } else { limit as usize });
    }
}
