//! Frames of the device stream, as specified in `docs/integrate/device.md`.

use countersign_bus::Offer;
use countersign_domain::challenge::ANSWERED_ELSEWHERE;
use countersign_domain::presence::PresenceHint;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use serde::{Deserialize, Serialize};

/// Longest message of a device, in bytes.
pub(super) const LONGEST: usize = 4 * 1024;

/// A frame of the server after authentication.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerFrame<'a> {
    Linked {
        factor_sid: FactorSid,
        server_time: Instant,
        ping_seconds: u64,
    },
    VerifyPushChallenge {
        notification_sid: NotificationSid,
        challenge_sid: ChallengeSid,
        factor_sid: FactorSid,
        message: &'a Message,
        expires_at: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        quiet: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        presence: Option<PresenceHint>,
        #[serde(skip_serializing_if = "UserVerification::is_none")]
        user_verification: UserVerification,
    },
    ChallengeEnded {
        challenge_sid: ChallengeSid,
        factor_sid: FactorSid,
        reason: &'static str,
    },
}

/// The frame that confirms the authentication.
pub(super) fn linked(factor: FactorSid, now: Instant, ping_seconds: u64) -> String {
    print(&ServerFrame::Linked { factor_sid: factor, server_time: now, ping_seconds })
}

/// The frame of a prompt.
pub(super) fn prompt(offer: &Offer) -> String {
    print(&ServerFrame::VerifyPushChallenge {
        notification_sid: offer.notification,
        challenge_sid: offer.challenge,
        factor_sid: offer.factor,
        message: &offer.message,
        expires_at: offer.expires_at.to_millis_string(),
        quiet: offer.manner.quiet,
        presence: offer.manner.presence,
        user_verification: offer.manner.user_verification,
    })
}

/// The frame of a prompt that is over, since another device of the person has answered.
pub(super) fn answered_elsewhere(factor: FactorSid, challenge: ChallengeSid) -> String {
    print(&ServerFrame::ChallengeEnded {
        challenge_sid: challenge,
        factor_sid: factor,
        reason: ANSWERED_ELSEWHERE,
    })
}

fn print(frame: &ServerFrame<'_>) -> String {
    serde_json::to_string(frame)
        .unwrap_or_else(|_| unreachable!("texts and numbers can be printed"))
}

/// A frame of an authenticated device.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DeviceFrame {
    /// The device has received the notification.
    Ack {
        /// SID of the notification.
        notification_sid: NotificationSid,
    },
}

/// Reason why a message is not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Longer than [`LONGEST`].
    TooLong,
    /// Not a JSON object.
    NotJson,
    /// Unknown type, or a missing or malformed member.
    Unknown,
}

impl DeviceFrame {
    /// Parses a frame.
    ///
    /// # Errors
    /// Returns the first problem, as far as close codes distinguish them.
    pub(crate) fn parse(text: &str) -> Result<Self, FrameError> {
        if text.len() > LONGEST {
            return Err(FrameError::TooLong);
        }
        // Serde also accepts an array for a tagged enum; the protocol does not.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(FrameError::NotJson);
        }
        serde_json::from_str(text).map_err(|fault| match fault.classify() {
            serde_json::error::Category::Data => FrameError::Unknown,
            _ => FrameError::NotJson,
        })
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::presence::PresenceNumber;
    use countersign_domain::prompt_manner::PromptManner;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::socket::tests::{an_offer, factor};

    const NT: &str = "NT0123456789abcdef0123456789abcdef";

    #[test]
    fn server_frames_match_the_documentation() {
        let at = Instant::from_micros(1_700_000_000_512_000);
        assert_eq!(
            linked(factor(7), at, 45),
            format!(
                r#"{{"type":"linked","factor_sid":"{}","server_time":"2023-11-14T22:13:20Z","ping_seconds":45}}"#,
                factor(7)
            )
        );
        let offer = an_offer(1, at);
        assert_eq!(
            prompt(&offer),
            format!(
                r#"{{"type":"verify_push_challenge","notification_sid":"{}","challenge_sid":"{}","factor_sid":"{}","message":"Log in from \"Lisbon\"?","expires_at":"2023-11-14T22:13:20.512Z"}}"#,
                offer.notification, offer.challenge, offer.factor
            )
        );
        let quiet =
            Offer { manner: PromptManner { quiet: true, ..PromptManner::default() }, ..offer };
        assert!(
            prompt(&quiet).ends_with(r#""expires_at":"2023-11-14T22:13:20.512Z","quiet":true}"#)
        );
    }

    #[test]
    fn a_prompt_tells_what_to_ask_the_person_for() {
        let options = [27, 64, 91].map(|number| PresenceNumber::new(number).unwrap());
        for (presence, told) in [
            (PresenceHint::Number, json!({"mode": "number", "digits": 2})),
            (PresenceHint::Pick(options), json!({"mode": "pick", "options": ["27", "64", "91"]})),
        ] {
            let manner = PromptManner { presence: Some(presence), ..PromptManner::default() };
            let frame = prompt(&Offer { manner, ..an_offer(1, Instant::from_seconds(9)) });
            let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(frame["presence"], told);
        }
    }

    #[test]
    fn a_prompt_tells_that_the_person_must_be_verified() {
        let user_verification = UserVerification::Required;
        let manner = PromptManner { user_verification, ..PromptManner::default() };
        let frame = prompt(&Offer { manner, ..an_offer(1, Instant::from_seconds(9)) });
        assert!(frame.ends_with(r#","user_verification":"required"}"#), "{frame}");
    }

    #[test]
    fn the_end_of_a_prompt_says_why() {
        let challenge = an_offer(1, Instant::from_seconds(9)).challenge;
        assert_eq!(
            answered_elsewhere(factor(7), challenge),
            format!(
                r#"{{"type":"challenge_ended","challenge_sid":"{challenge}","factor_sid":"{}","reason":"answered_elsewhere"}}"#,
                factor(7)
            )
        );
    }

    #[test]
    fn an_ack_is_read_and_unknown_members_are_ignored() {
        for text in [
            format!(r#"{{"type":"ack","notification_sid":"{NT}"}}"#),
            format!(r#" {{"new":[{{}}],"notification_sid":"{NT}","type":"ack"}} "#),
        ] {
            let notification_sid = NT.parse().unwrap();
            assert_eq!(DeviceFrame::parse(&text), Ok(DeviceFrame::Ack { notification_sid }));
        }
    }

    #[test]
    fn other_messages_are_rejected() {
        let array = format!(r#"["ack","{NT}"]"#);
        let long =
            format!(r#"{{"type":"ack","notification_sid":"{NT}","x":"{}"}}"#, "x".repeat(LONGEST));
        for (text, fault) in [
            ("", FrameError::NotJson),
            ("hello", FrameError::NotJson),
            ("{", FrameError::NotJson),
            ("{} {}", FrameError::Unknown),
            (array.as_str(), FrameError::NotJson),
            ("null", FrameError::NotJson),
            ("{}", FrameError::Unknown),
            (r#"{"type":"nack"}"#, FrameError::Unknown),
            (r#"{"type":1}"#, FrameError::Unknown),
            (r#"{"type":"ack"}"#, FrameError::Unknown),
            (r#"{"type":"ack","notification_sid":"NT12"}"#, FrameError::Unknown),
            (r#"{"type":"ack","notification_sid":null}"#, FrameError::Unknown),
            (long.as_str(), FrameError::TooLong),
        ] {
            assert_eq!(DeviceFrame::parse(text), Err(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_frame_or_none(text in "\\PC*") {
            let _ = DeviceFrame::parse(&text);
        }

        #[test]
        fn any_object_is_a_frame_or_none(kind in "ack|nack|", sid in "(NT[0-9a-f]{30,34})|[^\"\\\\]*") {
            let text = format!(r#"{{"type":"{kind}","notification_sid":"{sid}"}}"#);
            let read = DeviceFrame::parse(&text);
            prop_assert_eq!(read.is_ok(), kind == "ack" && sid.parse::<NotificationSid>().is_ok());
        }

        #[test]
        fn any_message_survives(text in "[^\\x00]{1,256}") {
            let offer = Offer { message: Message::parse(text.clone()).unwrap(), ..an_offer(1, Instant::from_seconds(9)) };
            let printed: serde_json::Value = serde_json::from_str(&prompt(&offer)).unwrap();
            prop_assert_eq!(printed["message"].as_str(), Some(text.as_str()));
        }
    }
}
