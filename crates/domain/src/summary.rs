//! Summaries of challenges and pushes: counts for each account, service, platform and hour or day, made from the history by a
//! background duty.
//!
//! A challenge is counted in several [stages](Stage), each when it has reached an age. A stage counts what happened at ages of its
//! own, and nothing that happens later changes what it counts. So what happened soon is shown soon, and each event is counted in
//! exactly one stage.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::address::Platform;
use crate::challenge::{MAX_LIFETIME, Verdict};
use crate::ending::{ErrorCode, NotificationStatus};
use crate::sid::{AccountSid, ServiceSid};
use crate::time::Instant;

/// A write becomes visible within this time of the instant that it was given: it may have waited for the database, and the clock of
/// its node may be a little ahead or behind.
pub const VISIBLE_WITHIN: Duration = Duration::from_secs(20);
/// How far back counting begins in a database that was never counted.
pub const COUNTED_BACK: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// The ages at which the stages end; the last one has no end.
const ENDS: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(330)];
/// The age at which nothing happens to a challenge and its pushes any more.
const OVER: Duration = MAX_LIFETIME.saturating_add(Duration::from_secs(15 * 60));

/// One stage of the counting of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(u8);

impl Stage {
    /// All stages, the earliest first.
    pub const ALL: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// Its number, from 0.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The age at which a challenge is counted in this stage.
    pub fn reached_at(self) -> Duration {
        self.end().map_or(OVER, |end| end + VISIBLE_WITHIN)
    }

    fn end(self) -> Option<Duration> {
        ENDS.get(usize::from(self.0)).copied()
    }

    const fn is_last(self) -> bool {
        self.0 as usize == ENDS.len()
    }

    /// Whether an event at this age of its challenge is counted in this stage.
    fn counts(self, age: Duration) -> bool {
        let begin = self.0.checked_sub(1).map_or(Duration::ZERO, |last| ENDS[usize::from(last)]);
        begin <= age && self.end().is_none_or(|end| age < end)
    }
}

/// The length of the period that a summary is about. Periods are aligned to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Grain {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The seconds of a period.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        }
    }

    /// The duration of a period.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds().unsigned_abs())
    }

    /// The beginning of the period of an instant.
    pub const fn begin(self, at: Instant) -> Instant {
        Instant::from_seconds(at.as_seconds() - at.as_seconds() % self.seconds())
    }

    /// How long summaries of this grain are kept.
    pub const fn kept(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(8 * 24 * 60 * 60),
            Self::Day => Duration::from_secs(400 * 24 * 60 * 60),
        }
    }
}

/// Where a challenge was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CountedPlatform {
    /// On a device, which was reached by this platform when it was counted.
    Device(Platform),
    /// By a TOTP code.
    Totp,
    /// On a device that was removed before it was counted.
    Removed,
}

impl CountedPlatform {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Device(Platform::Apn),
        Self::Device(Platform::Fcm),
        Self::Device(Platform::WebPush),
        Self::Device(Platform::Stream),
        Self::Device(Platform::None),
        Self::Totp,
        Self::Removed,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device(platform) => platform.as_str(),
            Self::Totp => "totp",
            Self::Removed => "removed",
        }
    }

    /// Parses the word; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == word)
    }
}

/// The measures that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Challenges.
    Asked,
    /// Challenges that were approved, by the time to the answer.
    Approved,
    /// Challenges that were denied, by the time to the answer.
    Denied,
    /// Challenges that expired unanswered.
    Unanswered,
    /// Challenges of a group that was answered on another device.
    Elsewhere,
    /// Pushes.
    Pushed,
    /// Pushes that the device has received, by the time to the receipt.
    Delivered,
    /// Pushes that failed, by error code.
    Failed,
    /// Pushes that were not delivered in time.
    TooLate,
    /// Pushes that were no longer needed.
    Cancelled,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Asked,
        Self::Approved,
        Self::Denied,
        Self::Unanswered,
        Self::Elsewhere,
        Self::Pushed,
        Self::Delivered,
        Self::Failed,
        Self::TooLate,
        Self::Cancelled,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Elsewhere => "elsewhere",
            Self::Pushed => "pushed",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::TooLate => "too_late",
            Self::Cancelled => "cancelled",
        }
    }

    /// Parses the word; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == word)
    }
}

/// Upper bounds of the buckets of durations, in milliseconds; one more bucket holds what took longer.
const BOUNDS: [u32; 30] = [
    10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000,
    10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000, 180_000, 300_000, 600_000,
    1_800_000, 3_600_000,
];

/// The bucket of a duration.
pub fn bucket(took: Duration) -> u32 {
    let below = BOUNDS.partition_point(|bound| Duration::from_millis(u64::from(*bound)) < took);
    u32::try_from(below).unwrap_or(u32::MAX)
}

/// The duration within which this share of a histogram's events happened: the upper bound of a bucket. `None` without events, or if
/// it is longer than the last bound.
pub fn within(histogram: &BTreeMap<u32, u64>, percent: u64) -> Option<Duration> {
    let count: u64 = histogram.values().sum();
    let wanted = (count * percent).div_ceil(100);
    let mut passed = 0;
    let found = histogram.iter().find(|(_, count)| {
        passed += **count;
        passed >= wanted && wanted > 0
    });
    let bound = BOUNDS.get(usize::try_from(*found?.0).ok()?)?;
    Some(Duration::from_millis(u64::from(*bound)))
}

/// The state of a challenge, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedState {
    /// It has no answer.
    Unanswered,
    /// It was answered.
    Answered(Verdict, Instant),
    /// Another one of its group was answered.
    Elsewhere(Instant),
}

/// A push, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedPush {
    /// The time of its creation.
    pub created_at: Instant,
    /// The time of its end, if it has ended.
    pub updated_at: Instant,
    /// How it has ended.
    pub ending: Option<(NotificationStatus, Option<ErrorCode>)>,
}

/// A challenge, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedChallenge {
    /// Its account.
    pub account: AccountSid,
    /// Its service.
    pub service: ServiceSid,
    /// The platform of its factor.
    pub platform: CountedPlatform,
    /// The time of its creation.
    pub created_at: Instant,
    /// The time of its expiry.
    pub expires_at: Instant,
    /// Its state.
    pub state: CountedState,
    /// Its pushes.
    pub pushes: Vec<CountedPush>,
}

impl CountedChallenge {
    /// The counts of this challenge in a stage: measures with their buckets.
    fn events(&self, stage: Stage) -> Vec<(Measure, u32)> {
        let age = |at: Instant| at.since(self.created_at);
        let mut events = Vec::new();
        let mut count = |at: Instant, measure: Measure, bucket: u32| {
            if stage.counts(age(at)) {
                events.push((measure, bucket));
            }
        };
        count(self.created_at, Measure::Asked, 0);
        match self.state {
            CountedState::Unanswered => count(self.expires_at, Measure::Unanswered, 0),
            CountedState::Answered(Verdict::Approved, at) => {
                count(at, Measure::Approved, bucket(age(at)));
            }
            CountedState::Answered(Verdict::Denied, at) => {
                count(at, Measure::Denied, bucket(age(at)));
            }
            CountedState::Elsewhere(at) => count(at, Measure::Elsewhere, 0),
        }
        for push in &self.pushes {
            count(push.created_at, Measure::Pushed, 0);
            // A push is over at the last stage: a server that was away has only not written that yet.
            let overdue = stage.is_last().then_some((NotificationStatus::Expired, None));
            let at = if push.ending.is_some() { push.updated_at } else { self.created_at + OVER };
            let Some((status, code)) = push.ending.or(overdue) else { continue };
            match status {
                NotificationStatus::Delivered => {
                    count(at, Measure::Delivered, bucket(at.since(push.created_at)));
                }
                NotificationStatus::Failed => {
                    count(at, Measure::Failed, code.map_or(0, |code| code.0));
                }
                NotificationStatus::Expired => count(at, Measure::TooLate, 0),
                NotificationStatus::Cancelled => count(at, Measure::Cancelled, 0),
                // It may still be delivered, and is counted as pushed.
                NotificationStatus::Queued
                | NotificationStatus::Sending
                | NotificationStatus::Sent => {}
            }
        }
        events
    }
}

/// The group of challenges that a count is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SummaryKey {
    /// The account.
    pub account: AccountSid,
    /// The length of the period.
    pub grain: Grain,
    /// The beginning of the period in which the challenge was created.
    pub begins_at: Instant,
    /// The service.
    pub service: ServiceSid,
    /// The platform.
    pub platform: CountedPlatform,
    /// The measure that is counted.
    pub measure: Measure,
    /// The [`bucket`] of a duration, the error code of a failure, or 0.
    pub bucket: u32,
}

/// Counts, in the order of their keys.
pub type Counts = BTreeMap<SummaryKey, u64>;

/// The counts of these challenges in a stage.
pub fn count(challenges: &[CountedChallenge], stage: Stage) -> Counts {
    let mut counts = Counts::new();
    for challenge in challenges {
        for (measure, bucket) in challenge.events(stage) {
            for grain in Grain::ALL {
                let key = SummaryKey {
                    account: challenge.account,
                    grain,
                    begins_at: grain.begin(challenge.created_at),
                    service: challenge.service,
                    platform: challenge.platform,
                    measure,
                    bucket,
                };
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests;
