//! The settings of the engine, and their defaults.

use std::time::Duration;

use countersign_domain::call_queue::QueueLimits;
use countersign_domain::delivery::LEASE;
use countersign_store::seam::Retention;

/// The engine's settings. The wiring makes them of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Deliveries that may wait to be taken by the engine: the capacity of the [`countersign_bus::HandOver`]. Above it a
    /// delivery is born due. Default 10,000.
    pub queue_max: usize,
    /// Deliveries that may be in hand, from the lease until the result is committed. It bounds the engine's memory, also
    /// while the database is down. Default 16,384.
    pub in_hand_max: usize,
    /// Attempts that may run at once to devices on the stream; each may wait ten seconds for its acknowledgement. One
    /// service may hold as many of these permits as are free, so half of them if it is alone. Default 10,000.
    pub stream_attempts_max: usize,
    /// Attempts that may run at once with one credential, or, where no credential is needed, for one service. A push service
    /// that responds within 100 ms takes 2,560 a second then. Default 256.
    pub credential_attempts_max: usize,
    /// Deliveries that may wait in memory for a permit of one destination. Above it they wait in the database until their
    /// lease runs out, so that a slow provider does not fill the engine. Default 2,048.
    pub waiting_max: usize,
    /// The duration of a lease; an attempt that takes almost as long is given up. At least 12 s, since a device has ten
    /// seconds to acknowledge. Default 14 s.
    pub lease: Duration,
    /// A prompt on the stream that is not acknowledged for this long is marked as sent. Default 100 ms.
    pub written_after: Duration,
    /// How often to poll for due deliveries and calls that nothing announced, such as those of other nodes. Default 1 s.
    pub poll_interval: Duration,
    /// How often to look for overdue deliveries and for leases that have run out. Default 1 s.
    pub sweep_interval: Duration,
    /// How often to count the queued webhook calls and to give up those above the limits. Default 10 s.
    pub backlog_interval: Duration,
    /// How many webhook calls may be queued. Default: no limit.
    pub call_queue: QueueLimits,
    /// How often to look for rows whose retention has ended. Default 60 s.
    pub clean_interval: Duration,
    /// How often to count challenges and pushes. Default 5 s.
    pub summary_interval: Duration,
    /// The shortest time between two checkpoints of the transparency log. Default 1 s.
    pub log_interval: Duration,
    /// Rows that one command of a background duty touches at most. Default 500.
    pub batch_max: usize,
    /// How long rows are kept. Default: challenges for 30 days.
    pub retention: Retention,
    /// Whether no other process can be using the database (SQLite, whose data folder is locked). Leases of earlier runs are
    /// void at start then. Default: no.
    pub is_only_process: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            queue_max: 10_000,
            in_hand_max: 16_384,
            stream_attempts_max: 10_000,
            credential_attempts_max: 256,
            waiting_max: 2_048,
            lease: LEASE,
            written_after: Duration::from_millis(100),
            poll_interval: Duration::from_secs(1),
            sweep_interval: Duration::from_secs(1),
            backlog_interval: Duration::from_secs(10),
            call_queue: QueueLimits::default(),
            clean_interval: Duration::from_secs(60),
            summary_interval: Duration::from_secs(5),
            log_interval: Duration::from_secs(1),
            batch_max: 500,
            retention: Retention { challenges: Duration::from_secs(30 * 24 * 60 * 60) },
            is_only_process: false,
        }
    }
}
