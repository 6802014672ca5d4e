//! What the words of the API mean, for people who have not read its description.

use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::notification::{Ending, Reason, Status};

/// How a state is coloured.
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

pub(crate) const fn tone_of_push(status: Status) -> Tone {
    match status {
        Status::Delivered | Status::Sent => GOOD,
        Status::Failed => BAD,
        Status::Queued | Status::Sending => BUSY,
        Status::Expired | Status::Cancelled => CALM,
    }
}

/// How a device is reached.
pub(crate) const fn reached(platform: Platform) -> &'static str {
    match platform {
        Platform::Apn => "through Apple’s push service",
        Platform::Fcm => "through Google’s push service (FCM)",
        Platform::WebPush => "through its browser’s push service",
        Platform::Stream => "over the stream that it holds to this server",
        Platform::None => "not at all: it asks by itself",
    }
}

/// Where a push stands, in a sentence.
pub(crate) const fn standing(ending: Ending) -> &'static str {
    match (ending.status, ending.reason) {
        (Status::Queued, Some(Reason::DeviceOffline)) => {
            "Waits for the device: it holds no stream now. It is sent the moment the device connects."
        }
        (Status::Queued, Some(Reason::Retrying)) => {
            "An attempt failed for a while; another one follows."
        }
        (Status::Queued, _) => "Waits for its first attempt.",
        (Status::Sending, _) => "Is being sent.",
        (Status::Sent, _) => {
            "Was handed over and taken. Whether the device showed it, only the device knows."
        }
        (Status::Delivered, _) => "The device has it.",
        (Status::Failed, Some(Reason::DeviceOffline)) => {
            "Did not arrive: nobody held the device’s stream, and there was one attempt only (Ttl=0)."
        }
        (Status::Failed, Some(Reason::AddressGone)) => {
            "Did not arrive: the push service no longer knows the device. The app was removed or its permission \
             withdrawn; the device has to register a new push token."
        }
        (Status::Failed, Some(Reason::Refused)) => {
            "Did not arrive: the push service did not take it, or the service has no credential for it. Test the \
             credential."
        }
        (Status::Failed, Some(Reason::AttemptFailed)) => {
            "Did not arrive: the one attempt (Ttl=0) failed."
        }
        (Status::Failed, _) => "Did not arrive.",
        (Status::Expired, Some(Reason::NotAttempted)) => {
            "Did not arrive: its time was over before the first attempt."
        }
        (Status::Expired, _) => {
            "Did not arrive in time: the device was away, or the push service kept failing, until its time was over."
        }
        (Status::Cancelled, Some(Reason::Answered)) => {
            "Was no longer needed: the challenge was answered first."
        }
        (Status::Cancelled, Some(Reason::FactorGone)) => {
            "Was no longer wanted: the device was removed, or is no longer reached by pushes."
        }
        (Status::Cancelled, Some(Reason::Superseded)) => {
            "Was no longer needed: the device took a newer push of the same challenge."
        }
        (Status::Cancelled, _) => "Was no longer wanted.",
    }
}

/// What an attempt came to.
pub(crate) fn outcome(word: &str) -> &str {
    match word {
        "accepted" => "taken by the push service",
        "acknowledged" => "acknowledged by the device",
        "unacknowledged" => "written to the stream, and not acknowledged in time",
        "offline" => "nobody held the device’s stream",
        "gone" => "the push service no longer knows the device",
        "later" => "not now: the push service said to try again",
        "refused" => "refused by the push service",
        other => other,
    }
}

/// A span, as short as it can be said.
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
