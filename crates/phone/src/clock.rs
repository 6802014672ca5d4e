//! The device's own time. Phones are often wrong about it, so a phone learns from the server by how much.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::UNIX_EPOCH;

/// Reads the device's own clock, in Unix seconds. Tests hand in one whose hands they move.
pub type LocalTime = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The time of this machine, in Unix seconds.
pub fn system_time() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one place where the phone asks the system")]
    let now = std::time::SystemTime::now();
    // before 1970 the clock is wrong anyway, and the first 401 corrects it
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// A local clock and how far the server's is ahead of it.
pub(crate) struct Clock {
    local: LocalTime,
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn new(local: LocalTime, offset: i64) -> Self {
        Self { local, offset: AtomicI64::new(offset) }
    }

    /// What time the server has, as far as the device knows.
    pub(crate) fn now(&self) -> i64 {
        (self.local)().saturating_add(self.offset())
    }

    /// Seconds by which the server is ahead of the device.
    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Learns the server's time.
    pub(crate) fn correct(&self, server_now: i64) {
        let offset = server_now.saturating_sub((self.local)());
        self.offset.store(offset, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_clock_agrees_with_the_server() {
        let clock = Clock::new(Arc::new(|| 1_000), 0);
        assert_eq!(clock.now(), 1_000);
        clock.correct(1_700_000_000);
        assert_eq!(clock.now(), 1_700_000_000);
        clock.correct(900);
        assert_eq!((clock.now(), clock.offset()), (900, -100));
    }
}
