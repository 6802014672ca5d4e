//! The payload of a push to an Android phone, as Twilio's Verify SDK reads it: data only. With a `notification` block the
//! system would show the push and not pass it to the app.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use countersign_domain::prospect::Push;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use serde::Serialize;

use crate::apns::payload::KIND;
use crate::lock::lock;

#[derive(Serialize)]
struct Payload<'a> {
    message: Message<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    validate_only: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    data: Data<'a>,
    android: Android,
}

#[derive(Serialize)]
struct Data<'a> {
    r#type: &'static str,
    challenge_sid: String,
    factor_sid: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet: Option<&'static str>,
    /// All values of `data` are texts, so it has the form of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_verification: Option<&'static str>,
}

#[derive(Serialize)]
struct Android {
    priority: &'static str,
    ttl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<String>,
}

/// The body of a request. `is_repeat`: a push of this challenge was sent before. `is_dry_run`: Google only validates the push.
pub(super) fn payload(
    push: &Push,
    token: &str,
    is_repeat: bool,
    now: Instant,
    is_dry_run: bool,
) -> Vec<u8> {
    let payload = Payload {
        message: Message {
            token,
            data: Data {
                r#type: KIND,
                challenge_sid: push.challenge.to_string(),
                factor_sid: push.factor.to_string(),
                message: push.message.as_str(),
                quiet: push.manner.quiet.then_some("true"),
                presence: push.manner.presence.map(|presence| presence.to_string()),
                user_verification: push.manner.user_verification.if_wanted(),
            },
            android: Android {
                priority: if push.manner.quiet { "NORMAL" } else { "HIGH" },
                ttl: format!("{}s", push.remaining_seconds(now)),
                collapse_key: is_repeat.then(|| push.challenge.to_string()),
            },
        },
        validate_only: is_dry_run,
    };
    serde_json::to_vec(&payload).expect("strings serialize")
}

/// The challenges that were pushed last, up to a bound. Google throttles messages with a collapse key and stores those of four
/// keys at most for an offline device, so the first push of a challenge has no key.
pub(super) struct RecentChallenges {
    bound: usize,
    recent: Mutex<(HashSet<ChallengeSid>, VecDeque<ChallengeSid>)>,
}

impl RecentChallenges {
    /// Remembers up to `bound` challenges.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, recent: Mutex::default() }
    }

    /// Notes a push of a challenge. Returns whether there was one before.
    pub(super) fn note(&self, challenge: ChallengeSid) -> bool {
        let (known, order) = &mut *lock(&self.recent);
        if !known.insert(challenge) {
            return true;
        }
        order.push_back(challenge);
        if order.len() > self.bound
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_domain::prompt_manner::PromptManner;

    use super::*;
    use crate::fixtures;

    fn text(push: &Push, again: bool, now: Instant) -> String {
        String::from_utf8(payload(push, "owl:token", again, now, false)).unwrap()
    }

    #[test]
    fn the_payload_is_data_only() {
        let push = fixtures::fcm_push();
        let now = push.expires_at - Duration::from_millis(150_700);
        assert_eq!(
            text(&push, false, now),
            r#"{"message":{"token":"owl:token","data":{"type":"verify_push_challenge","challenge_sid":"YC03050505050505050505050505050505","factor_sid":"YF03060606060606060606060606060606","message":"Login to Owl Bank?"},"android":{"priority":"HIGH","ttl":"150s"}}}"#
        );
        let again = text(&push, true, now);
        assert!(again.contains(r#""collapse_key":"YC03050505050505050505050505050505""#));
        assert!(payload(&push, "t", false, now, true).ends_with(br#","validate_only":true}"#));
    }

    /// Google does not wake a sleeping phone for it, and all values of `data` are texts.
    #[test]
    fn a_quiet_push_has_normal_priority_and_says_so() {
        let quiet = Push {
            manner: PromptManner { quiet: true, ..PromptManner::default() },
            ..fixtures::fcm_push()
        };
        let text = text(&quiet, false, quiet.expires_at - Duration::from_secs(9));
        assert!(text.contains(r#""message":"Login to Owl Bank?","quiet":"true"}"#), "{text}");
        assert!(text.contains(r#""android":{"priority":"NORMAL","ttl":"9s"}"#), "{text}");
    }

    /// As texts: the presence has the form of the header of a `GET`.
    #[test]
    fn a_push_tells_what_to_ask_the_person_for() {
        let now = fixtures::NOON;
        for (manner, told) in fixtures::asking_prompts() {
            let presence = manner.presence.map(|presence| presence.to_string());
            let push = Push { manner, ..fixtures::fcm_push() };
            let payload: serde_json::Value =
                serde_json::from_str(&text(&push, false, now)).unwrap();
            let data = &payload["message"]["data"];
            assert_eq!(data["presence"].as_str(), presence.as_deref());
            let verification = told.iter().find(|(name, _)| *name == "user_verification");
            assert_eq!(data.get("user_verification"), verification.map(|(_, value)| value));
            assert!(data.as_object().unwrap().values().all(serde_json::Value::is_string));
        }
    }

    #[test]
    fn the_remaining_time_is_zero_only_for_ttl_0() {
        let push = fixtures::fcm_push();
        let late = push.expires_at - Duration::from_millis(1);
        assert!(text(&push, false, late).contains(r#""ttl":"1s""#));
        let once = Push { once: true, ..push };
        assert!(text(&once, false, late).contains(r#""ttl":"0s""#));
    }

    #[test]
    fn a_pushed_challenge_is_remembered_up_to_the_bound() {
        let recent = RecentChallenges::new(2);
        let note = |n| recent.note(ChallengeSid::from_bytes([n; 16]));
        assert_eq!([note(1), note(1), note(2), note(1)], [false, true, false, true]);
        assert_eq!([note(3), note(2), note(1)], [false, true, false], "the oldest is forgotten");
        assert!(lock(&recent.recent).0.len() <= 2);
    }
}
