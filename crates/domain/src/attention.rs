//! Conditions that need an operator's attention, and the bounds of measurements.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ending::ErrorCode;
use crate::sid::{CredentialSid, ServiceSid, WebhookSid};
use crate::summary::{CountedPlatform, Measure};
use crate::time::Instant;

/// The least free space of a disk, in bytes.
const LEAST_FREE: u64 = 512 * 1024 * 1024;
/// The least free space, as a share of the disk: one part of so many.
const LEAST_SHARE: u64 = 20;
/// A write that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// A clock that differs by more is off.
const OFF: Duration = Duration::from_secs(2);
/// A webhook call that waits for longer is a backlog.
const BACKLOG: Duration = Duration::from_secs(60);
/// The fewest pushes that must have failed before their rate means anything.
const FEW: u64 = 5;

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// Its kind.
    pub matter: Matter,
    /// Since when, as far as it is known.
    pub since: Option<Instant>,
}

/// A condition that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// A push service rejects a credential.
    CredentialRefused {
        /// The credential.
        credential: CredentialSid,
        /// Its name.
        name: Option<String>,
        /// The reason that the push service gave.
        reason: Option<String>,
    },
    /// Apple's or Google's push service fails.
    PushServiceFails {
        /// The credential.
        credential: CredentialSid,
        /// Its name.
        name: Option<String>,
        /// The reason of the last failure.
        reason: Option<String>,
    },
    /// A browser's push service fails, or rejects the key of a service.
    BrowserServiceFails {
        /// The service.
        service: ServiceSid,
        /// The origin of the push service.
        origin: String,
        /// The reason of the last failure.
        reason: Option<String>,
    },
    /// Calls of a webhook fail or wait.
    WebhookCalls {
        /// The service.
        service: ServiceSid,
        /// The webhook.
        webhook: WebhookSid,
        /// Its name.
        name: String,
        /// Its calls.
        calls: CallCounts,
        /// The error of a call that failed.
        error: Option<String>,
    },
    /// More pushes fail than the day before.
    PushesFail(FailureRates),
    /// The disk with the data is nearly full.
    DiskNearlyFull(Disk),
    /// The database takes long.
    DatabaseSlow(Duration),
    /// The database cannot be written. Contains the reason.
    DatabaseAway(String),
    /// This node has no connection to the others.
    NodesApart,
    /// The clock of the machine is ahead of the time by which deadlines are judged, or behind it if negative; in milliseconds.
    ClockOff(i64),
}

/// How many calls a webhook has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallCounts {
    /// Calls that wait or are being made.
    pub waiting: u64,
    /// The time of the event of the oldest of them.
    pub oldest: Option<Instant>,
    /// Waiting calls that failed at least once.
    pub failing: u64,
    /// Calls that were given up.
    pub given_up: u64,
}

impl CallCounts {
    /// Whether somebody should look at them.
    pub fn need_attention(&self, now: Instant) -> bool {
        let waits = self.oldest.is_some_and(|oldest| now.since(oldest) >= BACKLOG);
        waits || self.failing > 0 || self.given_up > 0
    }
}

/// The space of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Free for this process.
    pub free: u64,
    /// In all.
    pub total: u64,
}

impl Disk {
    /// Whether it is nearly full.
    pub const fn needs_attention(self) -> bool {
        self.free < LEAST_FREE || self.free < self.total / LEAST_SHARE
    }
}

/// The matter that a write to the database shows, if any: how long it took, or why it failed.
pub fn of_write(result: Result<Duration, String>) -> Option<Matter> {
    match result {
        Ok(took) if took < SLOW => None,
        Ok(took) => Some(Matter::DatabaseSlow(took)),
        Err(why) => Some(Matter::DatabaseAway(why)),
    }
}

/// The matter that a clock shows, if any: by how many milliseconds it is ahead.
pub fn of_clock(ahead: i64) -> Option<Matter> {
    let is_off = u128::from(ahead.unsigned_abs()) > OFF.as_millis();
    is_off.then_some(Matter::ClockOff(ahead))
}

/// Pushes, and how many of them did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushCounts {
    /// Pushes.
    pub pushed: u64,
    /// Those that failed or were too late.
    pub failed: u64,
}

impl PushCounts {
    /// The share that failed, in percent, rounded down.
    pub fn percent(self) -> u64 {
        let failed = self.failed.min(self.pushed);
        (failed * 100).checked_div(self.pushed).unwrap_or(0)
    }
}

/// The failures of a platform, now and on the day before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureRates {
    /// The platform.
    pub platform: CountedPlatform,
    /// In this hour and the one before it.
    pub now: PushCounts,
    /// In the 24 hours before them.
    pub before: PushCounts,
    /// The most frequent error code.
    pub code: Option<ErrorCode>,
    /// The beginning of the first of the two hours with failures.
    pub since: Instant,
}

/// A count of an hour: its beginning, the platform, what is counted, and the bucket.
pub type HourCount = (Instant, CountedPlatform, Measure, u32, u64);

/// The platforms on which more pushes fail in the hours from `recent` on than before: at least a tenth, and at least twice the rate.
pub fn failing_platforms(counts: &[HourCount], recent: Instant) -> Vec<FailureRates> {
    let mut platforms: BTreeMap<CountedPlatform, Failures> = BTreeMap::new();
    for (at, platform, measure, bucket, count) in counts.iter().copied() {
        let of = platforms.entry(platform).or_default();
        let side = if at >= recent { &mut of.now } else { &mut of.before };
        match measure {
            Measure::Pushed => side.pushed += count,
            Measure::Failed | Measure::TooLate => {
                side.failed += count;
                if at >= recent {
                    of.since = Some(of.since.map_or(at, |since| since.min(at)));
                    let code = if measure == Measure::Failed { bucket } else { 0 };
                    *of.codes.entry(code).or_default() += count;
                }
            }
            _ => {}
        }
    }
    platforms.into_iter().filter_map(|(platform, failures)| failures.rates(platform)).collect()
}

#[derive(Default)]
struct Failures {
    now: PushCounts,
    before: PushCounts,
    since: Option<Instant>,
    codes: BTreeMap<u32, u64>,
}

impl Failures {
    fn rates(self, platform: CountedPlatform) -> Option<FailureRates> {
        let Self { now, before, since, codes } = self;
        let is_worse = now.percent() >= 10 && now.percent() >= 2 * before.percent();
        if now.failed < FEW || !is_worse {
            return None;
        }
        let most = codes.into_iter().max_by_key(|(_, count)| *count).map(|(code, _)| code);
        let code = most.filter(|code| *code != 0).map(ErrorCode);
        Some(FailureRates { platform, now, before, code, since: since? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Platform;

    const FCM: CountedPlatform = CountedPlatform::Device(Platform::Fcm);

    fn at(hour: i64) -> Instant {
        Instant::from_seconds(1_700_000_000 / 3_600 * 3_600 + hour * 3_600)
    }

    #[test]
    fn a_platform_needs_attention_if_clearly_more_pushes_fail_than_before() {
        let rates = |pushed, failed, before_pushed, before_failed| {
            let counts = [
                (at(-5), FCM, Measure::Pushed, 0, before_pushed),
                (at(-5), FCM, Measure::TooLate, 0, before_failed),
                (at(-1), FCM, Measure::Pushed, 0, pushed),
                (at(0), FCM, Measure::Failed, 52_101, failed),
                (at(0), FCM, Measure::Delivered, 3, pushed - failed),
            ];
            failing_platforms(&counts, at(-1))
        };
        let found = rates(100, 20, 1_000, 50);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].now.percent(), found[0].before.percent()), (20, 5));
        assert_eq!((found[0].since, found[0].code), (at(0), Some(ErrorCode(52_101))));
        assert_eq!(rates(100, 20, 1_000, 200), [], "the same as the day before");
        assert_eq!(rates(100, 9, 1_000, 0), [], "too few of them");
        assert_eq!(rates(6, 4, 0, 0), [], "too few at all");
        assert_eq!(rates(6, 5, 0, 0).len(), 1, "no rows of the day before");
    }

    #[test]
    fn bounds_decide_about_disks_writes_and_clocks() {
        const GB: u64 = 1_000_000_000;
        assert!(!Disk { free: 50 * GB, total: 900 * GB }.needs_attention());
        assert!(Disk { free: 40 * GB, total: 900 * GB }.needs_attention());
        assert!(Disk { free: GB / 3, total: GB }.needs_attention());
        assert_eq!(of_write(Ok(Duration::from_millis(900))), None);
        let slow = Duration::from_secs(2);
        assert_eq!(of_write(Ok(slow)), Some(Matter::DatabaseSlow(slow)));
        assert_eq!(of_write(Err("full".to_owned())), Some(Matter::DatabaseAway("full".to_owned())));
        assert_eq!((of_clock(1_999), of_clock(-2_001)), (None, Some(Matter::ClockOff(-2_001))));
    }

    #[test]
    fn calls_that_wait_fail_or_were_given_up_need_attention() {
        let now = at(0);
        let waits = |seconds| CallCounts {
            waiting: 1,
            oldest: Some(now - Duration::from_secs(seconds)),
            ..CallCounts::default()
        };
        assert!(!waits(59).need_attention(now) && waits(60).need_attention(now));
        assert!(CallCounts { failing: 1, ..waits(1) }.need_attention(now));
        assert!(CallCounts { given_up: 1, ..CallCounts::default() }.need_attention(now));
        assert!(!CallCounts::default().need_attention(now));
    }
}
