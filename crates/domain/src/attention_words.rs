//! The words for conditions that need attention.

use std::time::Duration;

use crate::attention::{CallCounts, FailureRates, Matter};
use crate::summary::CountedPlatform;

impl Matter {
    /// The word in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CredentialRefused { .. } => "credential_refused",
            Self::PushServiceFails { .. } | Self::BrowserServiceFails { .. } => {
                "push_service_fails"
            }
            Self::WebhookCalls { .. } => "webhook_calls",
            Self::PushesFail(_) => "pushes_fail",
            Self::DiskNearlyFull(_) => "disk_nearly_full",
            Self::DatabaseSlow(_) => "database_slow",
            Self::DatabaseAway(_) => "database_away",
            Self::NodesApart => "nodes_apart",
            Self::ClockOff(_) => "clock_off",
        }
    }

    /// Its title.
    pub fn title(&self) -> String {
        match self {
            Self::CredentialRefused { name, .. } => {
                format!("The push credential{} is refused", named(name.as_deref()))
            }
            Self::PushServiceFails { name, .. } => {
                format!("The push service of the credential{} fails", named(name.as_deref()))
            }
            Self::BrowserServiceFails { origin, .. } => {
                format!("The browsers’ push service {origin} fails")
            }
            Self::WebhookCalls { name, calls, .. } => {
                let what = if calls.failing + calls.given_up > 0 { "fail" } else { "wait" };
                format!("Calls of the webhook “{name}” {what}")
            }
            Self::PushesFail(rates) => {
                format!("More pushes fail {}", over(rates.platform))
            }
            Self::DiskNearlyFull(_) => "The disk is nearly full".to_owned(),
            Self::DatabaseSlow(_) => "The database is slow".to_owned(),
            Self::DatabaseAway(_) => "The database cannot be written".to_owned(),
            Self::NodesApart => "This node has no connection to NATS".to_owned(),
            Self::ClockOff(_) => "The clock of this machine is off".to_owned(),
        }
    }

    /// The cause and what follows from it, in sentences.
    pub fn cause(&self) -> String {
        match self {
            Self::CredentialRefused { reason, .. } => format!(
                "{} No push is sent with it, except one each minute to see whether it works again. Correct or replace it.",
                said(reason.as_deref())
            ),
            Self::PushServiceFails { reason, .. } | Self::BrowserServiceFails { reason, .. } => format!(
                "{} Pushes wait, and one is sent now and then to see whether it works again.",
                said(reason.as_deref())
            ),
            Self::WebhookCalls { calls, error, .. } => calls_in_words(calls, error.as_deref()),
            Self::PushesFail(rates) => rates_in_words(rates),
            Self::DiskNearlyFull(disk) => format!(
                "{} of {} are free where the data lies. On a full disk nothing can be stored, and every change is refused.",
                bytes(disk.free),
                bytes(disk.total)
            ),
            Self::DatabaseSlow(took) => format!(
                "A test write took {}. Every answer of the API waits for the database.",
                span(*took)
            ),
            Self::DatabaseAway(why) => {
                format!("A test write failed: {why}. Changes are refused until it works again.")
            }
            Self::NodesApart => "Devices that are connected to other nodes get their prompts later, by polling. Nothing is lost."
                .to_owned(),
            Self::ClockOff(ahead) => format!(
                "It is {} {} the time by which deadlines are judged. Devices and logs may show other times; check its time service.",
                span(Duration::from_millis(ahead.unsigned_abs())),
                if *ahead > 0 { "ahead of" } else { "behind" }
            ),
        }
    }
}

fn named(name: Option<&str>) -> String {
    name.map(|name| format!(" “{name}”")).unwrap_or_default()
}

fn said(reason: Option<&str>) -> String {
    reason.map_or_else(
        || "It gave no reason.".to_owned(),
        |reason| format!("The last reason was: {reason}."),
    )
}

const fn over(platform: CountedPlatform) -> &'static str {
    use crate::address::Platform;
    match platform {
        CountedPlatform::Device(Platform::Apn) => "to Apple devices",
        CountedPlatform::Device(Platform::Fcm) => "over Google’s push service (FCM)",
        CountedPlatform::Device(Platform::WebPush) => "to browsers",
        CountedPlatform::Device(Platform::Stream) => "over device streams",
        CountedPlatform::Device(Platform::None)
        | CountedPlatform::Totp
        | CountedPlatform::Removed => "to removed devices",
    }
}

fn rates_in_words(rates: &FailureRates) -> String {
    let FailureRates { now, before, code, .. } = rates;
    let code = code.map(|code| format!(", most often with error {}", code.0)).unwrap_or_default();
    let then = if before.pushed == 0 {
        "none was sent in the day before".to_owned()
    } else {
        format!("it was {}% in the day before", before.percent())
    };
    let (failed, pushed, percent) = (now.failed, now.pushed, now.percent());
    format!(
        "In this hour and the last, {failed} of {pushed} did not arrive ({percent}%){code}; {then}."
    )
}

fn calls_in_words(calls: &CallCounts, error: Option<&str>) -> String {
    let mut words = Vec::new();
    if calls.waiting > 0 {
        let waiting = number(calls.waiting, "call waits", "calls wait");
        let failed = match calls.failing {
            0 => String::new(),
            failing => format!(", {failing} of them after a failure"),
        };
        words.push(format!("{waiting}{failed}"));
    }
    if calls.given_up > 0 {
        words.push(number(calls.given_up, "call was given up", "calls were given up"));
    }
    let words = words.join("; ");
    match error {
        Some(error) => format!("{words}. The last failure was: {error}."),
        None => format!("{words}."),
    }
}

fn number(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Bytes in their largest unit, rounded down.
fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{} GB", count / 1_000_000_000),
    }
}

/// A duration in its largest unit, rounded down.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{}.{} s", seconds, span.subsec_millis() / 100),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Platform;
    use crate::attention::{Disk, PushCounts};
    use crate::ending::ErrorCode;
    use crate::time::Instant;

    #[test]
    fn each_matter_says_what_is_wrong_and_what_follows() {
        let rates = FailureRates {
            platform: CountedPlatform::Device(Platform::Fcm),
            now: PushCounts { pushed: 120, failed: 43 },
            before: PushCounts { pushed: 900, failed: 20 },
            code: Some(ErrorCode(52_101)),
            since: Instant::from_seconds(0),
        };
        assert_eq!(
            Matter::PushesFail(rates).cause(),
            "In this hour and the last, 43 of 120 did not arrive (35%), most often with error 52101; it was 2% in the day before."
        );
        let disk = Matter::DiskNearlyFull(Disk { free: 300_000_000, total: 5_000_000_000 });
        assert!(disk.cause().starts_with("300 MB of 5 GB are free"), "{}", disk.cause());
        let off = Matter::ClockOff(-5_200).cause();
        assert!(off.starts_with("It is 5.2 s behind the time"), "{off}");
        let calls = CallCounts { waiting: 3, failing: 1, given_up: 1, oldest: None };
        assert_eq!(
            calls_in_words(&calls, Some("status 500")),
            "3 calls wait, 1 of them after a failure; 1 call was given up. The last failure was: status 500."
        );
    }
}
