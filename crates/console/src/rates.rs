//! The rates of a platform or a service, as a row of a table.

use countersign_domain::address::Platform;
use countersign_domain::summary::{CountedPlatform, Measure};

use crate::chart::{Sums, Times};

/// A row.
pub(crate) struct Rate {
    pub(crate) name: String,
    /// The timeline of these challenges.
    pub(crate) link: Option<String>,
    pub(crate) asked: u64,
    pub(crate) approved: u64,
    pub(crate) denied: u64,
    pub(crate) unanswered: u64,
    pub(crate) answers: Times,
    pub(crate) pushed: u64,
    pub(crate) failed: u64,
    pub(crate) deliveries: Times,
}

impl Rate {
    pub(crate) fn of(name: String, link: Option<String>, sums: &Sums) -> Self {
        Self {
            name,
            link,
            asked: sums.of(Measure::Asked),
            approved: sums.of(Measure::Approved),
            denied: sums.of(Measure::Denied),
            unanswered: sums.of(Measure::Unanswered),
            answers: sums.answers(),
            pushed: sums.of(Measure::Pushed),
            failed: sums.of(Measure::Failed) + sums.of(Measure::TooLate),
            deliveries: sums.deliveries(),
        }
    }

    /// A count with its share of the challenges.
    pub(crate) fn share(&self, count: &u64) -> String {
        with_share(*count, self.asked)
    }

    /// The pushes that were not delivered, with their share.
    pub(crate) fn failures(&self) -> String {
        with_share(self.failed, self.pushed)
    }
}

fn with_share(count: u64, of: u64) -> String {
    match (count * 100).checked_div(of) {
        Some(percent) if count > 0 => format!("{count} ({}%)", percent.min(100)),
        _ => count.to_string(),
    }
}

/// The name of a platform.
pub(crate) const fn platform(platform: CountedPlatform) -> &'static str {
    match platform {
        CountedPlatform::Device(Platform::Apn) => "Apple (apn)",
        CountedPlatform::Device(Platform::Fcm) => "Google (fcm)",
        CountedPlatform::Device(Platform::WebPush) => "Browsers (webpush)",
        CountedPlatform::Device(Platform::Stream) => "Device streams (stream)",
        CountedPlatform::Device(Platform::None) => "Polling (none)",
        CountedPlatform::Totp => "TOTP codes",
        CountedPlatform::Removed => "Devices that were removed",
    }
}

/// The part of a query that leads to the challenges of a platform in the timeline.
pub(crate) fn filter(platform: CountedPlatform) -> String {
    match platform {
        CountedPlatform::Device(
            platform @ (Platform::Apn | Platform::Fcm | Platform::WebPush | Platform::Stream),
        ) => format!("&platform={}", platform.as_str()),
        CountedPlatform::Device(Platform::None)
        | CountedPlatform::Totp
        | CountedPlatform::Removed => String::new(),
    }
}
