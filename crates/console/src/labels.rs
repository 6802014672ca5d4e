//! Labels and sentences for the API's values.

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::ending::{Ending, NotificationStatus, StatusReason};
use countersign_domain::presence::{Presence, PresenceProof};

/// The colour of a state.
pub(crate) type Tone = &'static str;

pub(crate) const GOOD: Tone = "good";
pub(crate) const BAD: Tone = "bad";
pub(crate) const BUSY: Tone = "busy";
pub(crate) const CALM: Tone = "calm";

pub(crate) const fn tone_of_challenge(status: ChallengeStatus) -> Tone {
    match status {
        ChallengeStatus::Approved => GOOD,
        ChallengeStatus::Denied => BAD,
        ChallengeStatus::Pending => BUSY,
        ChallengeStatus::Expired => CALM,
    }
}

pub(crate) const fn tone_of_push(status: NotificationStatus) -> Tone {
    match status {
        NotificationStatus::Delivered | NotificationStatus::Sent => GOOD,
        NotificationStatus::Failed => BAD,
        NotificationStatus::Queued | NotificationStatus::Sending => BUSY,
        NotificationStatus::Expired | NotificationStatus::Cancelled => CALM,
    }
}

/// How a challenge's presence is proved. The number or code itself is on no page.
pub(crate) const fn presence(presence: &Presence) -> &'static str {
    match presence.proof {
        PresenceProof::Code { .. } => "code: shown on the device, typed on the page that asked",
        PresenceProof::Number { .. } => "number: shown on the page that asked, typed on the device",
        PresenceProof::Pick { .. } => "pick: shown on the page that asked, picked on the device",
    }
}

/// The way in which a device is reached.
pub(crate) const fn reached(platform: Platform) -> &'static str {
    match platform {
        Platform::Apn => "through Apple’s push service",
        Platform::Fcm => "through Google’s push service (FCM)",
        Platform::WebPush => "through its browser’s push service",
        Platform::Stream => "over its stream to this server",
        Platform::None => "without pushes: it polls",
    }
}

/// The state of a push after its last attempt, as a sentence.
pub(crate) fn standing(ending: Ending, last: Option<&AttemptRecord>) -> &'static str {
    let platform = last.and_then(AttemptRecord::platform);
    let was_asked = last.is_some_and(|last| last.provider_status.is_some());
    match (ending.status, ending.reason) {
        (NotificationStatus::Queued, Some(StatusReason::DeviceOffline)) => match last {
            Some(last) if last.outcome == "unacknowledged" => {
                "Waits for the device: it did not acknowledge the push. It is sent again when the device reconnects."
            }
            _ => {
                "Waits for the device: it is not connected. The push is sent as soon as it connects."
            }
        },
        (NotificationStatus::Queued, Some(StatusReason::Retrying)) => {
            "An attempt failed temporarily; another one follows."
        }
        (NotificationStatus::Queued, _) => "Waits for its first attempt.",
        (NotificationStatus::Sending, _) => "Is being sent.",
        (NotificationStatus::Sent, _) if last.is_none() => {
            "Was written to the device’s stream; the device has not acknowledged it yet."
        }
        (NotificationStatus::Sent, _) if platform == Some(Platform::Stream) => {
            "Was written to the device’s stream, and not acknowledged."
        }
        (NotificationStatus::Sent, _) => {
            "Was accepted by the push service, which does not report whether the device showed it."
        }
        (NotificationStatus::Delivered, _) => "The device has it.",
        (NotificationStatus::Failed, Some(StatusReason::DeviceOffline)) => {
            "Did not arrive: the device was not connected, and there was only one attempt (Ttl=0)."
        }
        (NotificationStatus::Failed, Some(StatusReason::AddressGone)) => {
            "Did not arrive: the push service no longer knows the device. The app was removed or its permission \
             withdrawn; the device has to register a new push token."
        }
        (NotificationStatus::Failed, Some(StatusReason::Refused)) if was_asked => {
            "Did not arrive: the push service refused it. The attempt says why."
        }
        (NotificationStatus::Failed, Some(StatusReason::Refused)) => {
            "Did not arrive: it could not be sent. The attempt says why."
        }
        (NotificationStatus::Failed, Some(StatusReason::AttemptFailed)) => {
            "Did not arrive: the one attempt (Ttl=0) failed."
        }
        (NotificationStatus::Failed, _) => "Did not arrive.",
        (NotificationStatus::Expired, Some(StatusReason::NotAttempted)) => {
            "Did not arrive: its time was over before the first attempt. No server ran meanwhile, or none had a place \
             for it."
        }
        (NotificationStatus::Expired, reason)
            if reason != Some(StatusReason::DeviceOffline)
                && last.is_some()
                && platform != Some(Platform::Stream) =>
        {
            "Did not arrive in time: no attempt got it to the push service until its time was over."
        }
        (NotificationStatus::Expired, _) => {
            "Did not arrive in time: the device was away, or did not acknowledge it, until its time was over."
        }
        (NotificationStatus::Cancelled, Some(StatusReason::Answered)) => {
            "Was no longer needed: the challenge was answered first."
        }
        (NotificationStatus::Cancelled, Some(StatusReason::FactorGone)) => {
            "Was no longer wanted: the device was removed, or is no longer reached by pushes."
        }
        (NotificationStatus::Cancelled, Some(StatusReason::Superseded)) => {
            "Was no longer needed: the device took a newer push of the same challenge."
        }
        (NotificationStatus::Cancelled, _) => "Was no longer wanted.",
    }
}

/// The outcome of an attempt. Without a status no push service responded, and perhaps none was called.
pub(crate) fn outcome(attempt: &AttemptRecord) -> &str {
    let is_stream = attempt.platform() == Some(Platform::Stream);
    match (attempt.outcome.as_str(), attempt.provider_status) {
        ("accepted", _) => "accepted by the push service",
        ("acknowledged", _) => "acknowledged by the device",
        ("unacknowledged", _) => "written to the stream, and not acknowledged in time",
        ("offline", _) => "the device was not connected",
        ("gone", _) => "the push service no longer knows the device",
        ("later", Some(_)) => "not accepted by the push service this time",
        ("later", None) if is_stream => {
            "not sent: the device has too many pushes to acknowledge already"
        }
        ("later", None) => "did not get through to the push service",
        ("refused", Some(_)) => "refused by the push service",
        ("refused", None) => "not sent",
        (other, _) => other,
    }
}

/// Label of the source of a reason: a push service that responded with a status, or this server.
pub(crate) const fn speaker(status: Option<u16>) -> &'static str {
    match status {
        Some(_) => "The push service said:",
        None => "This server noted:",
    }
}

/// A duration in its largest unit.
pub(crate) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    match millis {
        0 => format!("{:.1} ms", span.as_secs_f64() * 1_000.0),
        1..=999 => format!("{millis} ms"),
        1_000..=9_999 => format!("{:.1} s", span.as_secs_f64()),
        10_000..=119_999 => format!("{} s", millis / 1_000),
        120_000..=7_199_999 => format!("{} min", millis / 60_000),
        7_200_000..=172_799_999 => format!("{} h", millis / 3_600_000),
        _ => format!("{} days", millis / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(platform: &str, outcome: &str, status: Option<u16>) -> AttemptRecord {
        AttemptRecord {
            started_at_micros: 0,
            micros: 0,
            platform: platform.to_owned(),
            outcome: outcome.to_owned(),
            provider_status: status,
            provider_reason: None,
            code: None,
        }
    }

    #[test]
    fn a_push_service_is_named_only_if_it_responded() {
        for (outcome_word, status) in [("later", None), ("refused", None), ("offline", None)] {
            let attempt = attempt("stream", outcome_word, status);
            assert!(!outcome(&attempt).contains("push service"), "{outcome_word}");
            assert_eq!(speaker(attempt.provider_status), "This server noted:");
        }
        let unsent = attempt("fcm", "refused", None);
        assert_eq!(
            (outcome(&unsent), speaker(unsent.provider_status)),
            ("not sent", "This server noted:")
        );
        let refused = attempt("fcm", "refused", Some(403));
        assert_eq!(outcome(&refused), "refused by the push service");
        assert_eq!(speaker(refused.provider_status), "The push service said:");
    }

    #[test]
    fn the_state_of_a_push_depends_on_its_last_attempt() {
        let parked = Ending {
            status: NotificationStatus::Queued,
            reason: Some(StatusReason::DeviceOffline),
            code: None,
        };
        let silent = attempt("stream", "unacknowledged", None);
        let away = attempt("stream", "offline", None);
        let failing = attempt("fcm", "later", Some(503));
        let refused = Ending {
            status: NotificationStatus::Failed,
            reason: Some(StatusReason::Refused),
            code: None,
        };
        for (ending, last, said) in [
            (parked, None, "it is not connected"),
            (parked, Some(&away), "it is not connected"),
            (parked, Some(&silent), "it did not acknowledge the push"),
            (Ending::SENT, None, "not acknowledged it yet"),
            (Ending::SENT, Some(&silent), "and not acknowledged"),
            (
                Ending::SENT,
                Some(&attempt("apn", "accepted", Some(200))),
                "accepted by the push service",
            ),
            (Ending::EXPIRED, None, "the device was away"),
            (Ending::DEVICE_AWAY, None, "the device was away"),
            (Ending::NOT_ATTEMPTED, None, "No server ran meanwhile"),
            (Ending::EXPIRED, Some(&away), "the device was away"),
            (Ending::EXPIRED, Some(&failing), "no attempt got it to the push service"),
            (refused, Some(&attempt("apn", "refused", Some(403))), "the push service refused it"),
            (refused, Some(&attempt("apn", "refused", None)), "it could not be sent"),
        ] {
            let words = standing(ending, last);
            assert!(words.contains(said), "{ending:?} {last:?}: {words}");
        }
    }
}
