//! The clock that tokens are checked by.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Returns the time in Unix seconds. Tests pass a manual clock.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The time of this machine.
pub fn system_time() -> Now {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
        let now = std::time::SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    })
}
