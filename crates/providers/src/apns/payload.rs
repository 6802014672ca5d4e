//! The payload of a push to an iPhone, as Twilio's Verify SDK reads it: `aps` holds only strings. A quiet push is a background push,
//! which must have no alert, sound or badge (developer.apple.com: "Pushing background updates to your App").

use countersign_domain::presence::PresenceHint;
use countersign_domain::prospect::Push;
use countersign_domain::service_protection::UserVerification;
use serde::Serialize;

/// The `type` and category by which apps recognise the pushes.
pub(crate) const KIND: &str = "verify_push_challenge";
/// The characters that are kept of a message that is too large.
const SHORT: usize = 80;

#[derive(Serialize)]
struct Payload<'a> {
    aps: Aps<'a>,
    r#type: &'static str,
    challenge_sid: String,
    factor_sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<PresenceHint>,
    #[serde(skip_serializing_if = "UserVerification::is_none")]
    user_verification: UserVerification,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Aps<'a> {
    Alert {
        alert: &'a str,
        sound: &'static str,
        category: &'static str,
    },
    Background {
        #[serde(rename = "content-available")]
        content_available: u8,
    },
}

/// The body of a request; with `is_short`, only the beginning of the message.
pub(super) fn payload(push: &Push, is_short: bool) -> Vec<u8> {
    let whole = push.message.as_str();
    let beginning = is_short.then(|| shorten(whole));
    let payload = Payload {
        aps: if push.manner.quiet {
            Aps::Background { content_available: 1 }
        } else {
            let alert = beginning.as_deref().unwrap_or(whole);
            Aps::Alert { alert, sound: "default", category: KIND }
        },
        r#type: KIND,
        challenge_sid: push.challenge.to_string(),
        factor_sid: push.factor.to_string(),
        presence: push.manner.presence,
        user_verification: push.manner.user_verification,
    };
    serde_json::to_vec(&payload).expect("strings serialize")
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= SHORT {
        return text.to_owned();
    }
    text.chars().take(SHORT).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use countersign_domain::prompt_manner::PromptManner;
    use countersign_domain::text::Message;

    use super::*;
    use crate::fixtures;

    #[test]
    fn the_payload_is_what_apps_read() {
        let text = String::from_utf8(payload(&fixtures::apn_push(), false)).unwrap();
        assert_eq!(
            text,
            r#"{"aps":{"alert":"Login to Owl Bank?","sound":"default","category":"verify_push_challenge"},"type":"verify_push_challenge","challenge_sid":"YC03050505050505050505050505050505","factor_sid":"YF03060606060606060606060606060606"}"#
        );
    }

    #[test]
    fn a_quiet_push_shows_nothing_and_names_its_challenge() {
        let push = Push {
            manner: PromptManner { quiet: true, ..PromptManner::default() },
            ..fixtures::apn_push()
        };
        assert_eq!(
            String::from_utf8(payload(&push, false)).unwrap(),
            r#"{"aps":{"content-available":1},"type":"verify_push_challenge","challenge_sid":"YC03050505050505050505050505050505","factor_sid":"YF03060606060606060606060606060606"}"#
        );
    }

    #[test]
    fn a_push_tells_what_to_ask_the_person_for() {
        for (manner, told) in fixtures::asking_prompts() {
            let push = Push { manner, ..fixtures::apn_push() };
            let payload: serde_json::Value =
                serde_json::from_slice(&payload(&push, false)).unwrap();
            for (name, value) in told {
                assert_eq!(payload[name], value, "beside `aps`, {name}");
            }
        }
    }

    #[test]
    fn the_largest_message_fits_and_can_be_shortened() {
        let message = Message::parse("\u{1}".repeat(256)).unwrap();
        let push = Push { message, ..fixtures::apn_push() };
        let whole = payload(&push, false);
        assert!(whole.len() <= 4_096, "{}", whole.len());
        assert!(payload(&push, true).len() < whole.len() / 2);
        assert_eq!(shorten("Owl?"), "Owl?");
    }
}
