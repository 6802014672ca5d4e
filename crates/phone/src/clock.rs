//! The device's clock. It is often wrong, so the phone learns the difference from the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::UNIX_EPOCH;

/// Reads the device's own clock, in Unix seconds. Tests pass a clock that they control.
pub type LocalTime = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The time of this machine, in Unix seconds.
pub fn system_time() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one place where the phone asks the system")]
    let now = std::time::SystemTime::now();
    // Before 1970 the clock is wrong anyway, and the first 401 corrects it.
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// A local clock, and the number of seconds by which the server's is ahead.
pub(crate) struct Clock {
    local: LocalTime,
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn new(local: LocalTime, offset: i64) -> Self {
        Self { local, offset: AtomicI64::new(offset) }
    }

    /// The server's time, as far as the device knows it.
    pub(crate) fn now(&self) -> i64 {
        (self.local)().saturating_add(self.offset())
    }

    /// Number of seconds by which the server is ahead.
    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Corrects the difference.
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
