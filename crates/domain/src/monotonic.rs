//! The monotonic clock, which measures durations and is not changed by setting the time of day.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A reading of the monotonic clock. Comparable with other readings in the same process.
///
/// Rates, pauses, circuits and ages of cached values are measured with this. Stored deadlines are compared with
/// [`Instant`](crate::time::Instant).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The reading at `span` after the clock's origin.
    pub const fn after_origin(span: Duration) -> Self {
        Self(span)
    }

    /// The time since the clock's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// Saturates at the origin.
impl Sub<Duration> for Monotonic {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_measure_the_time_between_them() {
        let first = Monotonic::after_origin(Duration::from_secs(5));
        let second = first + Duration::from_secs(2);
        assert!(first < second);
        assert_eq!(second.since(first), Duration::from_secs(2));
        assert_eq!(first.since(second), Duration::ZERO);
        assert_eq!(second - Duration::from_secs(2), first);
        assert_eq!(first - Duration::from_secs(9), Monotonic::default());
        assert_eq!((first + Duration::MAX).since_origin(), Duration::MAX);
    }
}
