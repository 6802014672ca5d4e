//! The present, by both clocks.

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;

/// Both clocks, read at the same time: the monotonic one measures, the time of day is told to devices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For waits and lifetimes.
    pub(super) at: Monotonic,
    /// The time of day, for messages to devices and the expiry of prompts.
    pub(super) day: Instant,
}

impl Now {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self { at: clock.monotonic(), day: clock.now() }
    }
}
