//! What an operator may set.

use std::time::Duration;

use countersign_domain::webhook_call::QueueLimits;
use countersign_store::seam::Retention;

/// The engine's settings. Wiring turns the configuration into this.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Deliveries that may wait to be taken by the engine: the places of the [`countersign_bus::HandOver`], which
    /// whoever wires the engine makes with this number. Past it a delivery is born due. 4,096.
    pub places: usize,
    /// Deliveries that may be in hand, from the lease until what became of it is committed. It bounds the engine's
    /// memory, also while the database is down. 16,384.
    pub in_hand: usize,
    /// Attempts that may run at once to devices on our own stream; each may take ten seconds to be acknowledged. A service
    /// may hold as many of these places as are free, so half of them if it is alone. 10,000.
    pub stream_attempts: usize,
    /// Attempts that may run at once with one credential (or, without one, for one service): at the tenth of a second
    /// that a far push service takes, 2,560 a second. 256.
    pub credential_attempts: usize,
    /// Deliveries that may wait in memory for one of these. Past it they wait in the database until their lease runs
    /// out, so that a slow provider does not fill the whole engine; a burst of so many logins waits for no lease. 2,048.
    pub waiting: usize,
    /// How long a delivery is leased; an attempt that takes almost as long is given up. 30 s, and not below 12 s, since
    /// a device has ten seconds to acknowledge.
    pub lease: Duration,
    /// A prompt on the stream that was not acknowledged for so long is marked as sent. 100 ms.
    pub written_after: Duration,
    /// How often to look for due deliveries that nobody told of, those of other nodes. 1 s.
    pub poll: Duration,
    /// How often to look for what is overdue and for leases that have run out. 1 s.
    pub sweep: Duration,
    /// How often to count the calls of webhooks that wait, and to give up what is too much. 10 s.
    pub count: Duration,
    /// How many calls of webhooks may wait. No limit.
    pub queued: QueueLimits,
    /// How often to look for rows that are no longer wanted. 60 s.
    pub clean: Duration,
    /// The most rows that one command of a background duty touches. 500.
    pub batch: usize,
    /// What the cleaner may take. Challenges after 30 days.
    pub retention: Retention,
    /// No other process can be using the database (SQLite, whose data folder is locked): leases of earlier runs are
    /// void at start. Off.
    pub alone: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            places: 4_096,
            in_hand: 16_384,
            stream_attempts: 10_000,
            credential_attempts: 256,
            waiting: 2_048,
            lease: Duration::from_secs(30),
            written_after: Duration::from_millis(100),
            poll: Duration::from_secs(1),
            sweep: Duration::from_secs(1),
            count: Duration::from_secs(10),
            queued: QueueLimits::default(),
            clean: Duration::from_secs(60),
            batch: 500,
            retention: Retention { challenges: Duration::from_secs(30 * 24 * 60 * 60) },
            alone: false,
        }
    }
}
