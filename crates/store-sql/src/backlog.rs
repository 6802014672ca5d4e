//! The calls that wait, and how many of them are too many.

use countersign_domain::call_queue::CallQueue;
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::KEPT;
use countersign_store::seam::Backlog;

/// The most calls of one webhook that one command gives up or removes.
pub const BATCH: usize = 1_000;

/// The number of calls of one webhook.
#[derive(Debug, Clone, Copy)]
pub struct CallCount {
    /// The calls that wait.
    pub queue: CallQueue,
    /// The calls that were given up and are kept.
    pub failed: u64,
    /// The time of the event of the oldest waiting call.
    pub oldest: Option<Instant>,
}

/// The waiting calls of all webhooks.
pub fn total(counts: &[CallCount]) -> Backlog {
    Backlog {
        queued: counts.iter().map(|count| count.queue.waiting).sum(),
        oldest: counts.iter().filter_map(|count| count.oldest).min(),
        ..Backlog::default()
    }
}

/// The number of calls that the next command takes of an excess.
pub fn batch_of(excess: u64) -> usize {
    usize::try_from(excess).unwrap_or(BATCH).min(BATCH)
}

/// Counts calls of an excess that were given up.
pub const fn count_given_up(backlog: &mut Backlog, excess: u64, given_up: usize) {
    backlog.given_up += given_up;
    backlog.queued = backlog.queued.saturating_sub(given_up as u64);
    backlog.more |= excess > given_up as u64 && given_up > 0;
}

/// The given-up calls of a webhook that exceed what is kept.
pub const fn forgettable(count: &CallCount) -> u64 {
    count.failed.saturating_sub(KEPT as u64)
}

/// Counts calls of an excess that were removed.
pub const fn count_removed(backlog: &mut Backlog, excess: u64, removed: usize) {
    backlog.more |= excess > removed as u64 && removed > 0;
}
