//! Counts notifications in the database.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::ending::{ErrorCode, NotificationStatus};
use countersign_domain::notification::Notification;
use countersign_domain::time::Instant;

/// An ending, and its number of notifications.
pub type End = (NotificationStatus, Option<ErrorCode>, usize);

/// Ends of notifications, counted.
#[derive(Default)]
pub struct Tally {
    ends: BTreeMap<(&'static str, &'static str, u32), End>,
    /// Notifications that have not ended.
    pub open: u64,
    /// Attempts that started at or after the deadline.
    pub started_late: usize,
    /// Attempts that were answered 429.
    pub throttled: usize,
    latencies: Vec<Duration>,
}

impl Tally {
    pub fn count(&mut self, platform: Platform, notification: &Notification, deadline: Instant) {
        let attempts = &notification.attempts;
        self.started_late += attempts.iter().filter(|one| one.started_at() >= deadline).count();
        self.throttled += attempts.iter().filter(|one| one.provider_status == Some(429)).count();
        let Some(ending) = notification.ending else {
            self.open += 1;
            return;
        };
        let code = ending.code.map_or(0, |code| code.0);
        let key = (platform.as_str(), ending.status.as_str(), code);
        self.ends.entry(key).or_insert((ending.status, ending.code, 0)).2 += 1;
        if platform == Platform::Apn
            && let Some(last) = attempts.last()
        {
            let taken = last.started_at() + Duration::from_micros(last.micros);
            self.latencies.push(taken.since(notification.created_at));
        }
    }

    /// How those of a platform ended.
    pub fn of(&self, platform: Platform) -> Vec<End> {
        let ours = self.ends.iter().filter(|((name, _, _), _)| *name == platform.as_str());
        ours.map(|(_, end)| *end).collect()
    }

    /// How many have ended.
    pub fn all(&self) -> usize {
        self.ends.values().map(|(_, _, count)| count).sum()
    }

    /// The median and the 99th percentile of what Apple took, from the notification's making to Apple's answer.
    pub fn healthy_latency(&self) -> (Duration, Duration) {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied();
        (at(50).unwrap_or_default(), at(99).unwrap_or_default())
    }
}
