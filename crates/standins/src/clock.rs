//! What time it is, for whoever checks a token's age.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Tells the time in Unix seconds. Tests hand in a clock whose hands they move.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The time of this machine.
pub fn system_time() -> Now {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
        let now = std::time::SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    })
}
