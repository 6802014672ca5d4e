//! Cleaning, and the checks of the database itself.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::challenge::MAX_LIFETIME;
use countersign_domain::time::Instant;

use crate::error::StoreResult;

/// How long history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The age at which challenges and their notifications may be removed.
    pub challenges: Duration,
}

impl Retention {
    /// The least age at which a challenge may be removed, whatever the retention: longer than any challenge lives and any
    /// delivery of it lasts, with room for a clock that was behind.
    pub const LEAST: Duration = MAX_LIFETIME.saturating_mul(2);

    /// Challenges created before this instant may be removed.
    pub fn beyond(self, now: Instant) -> Instant {
        now - self.challenges.max(Self::LEAST)
    }
}

/// Cleaning, and the checks of the database itself.
#[async_trait]
pub trait Upkeep {
    /// Removes up to `most` unneeded rows: everything below deleted services and entities, factors that lapsed unverified,
    /// expired access tokens, records of ended sessions that would have expired, and summaries older than
    /// [`Grain::kept`](countersign_domain::summary::Grain::kept), and challenges older than the retention with their notifications
    /// and the taken calls about them.
    ///
    /// Returns how many; fewer than `most` means that nothing is left to do. A store may keep old history until everything
    /// created in the same days is old (a day for each thirty of the retention, or part of them), remove it all at once, and not
    /// count it.
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize>;
    /// Makes room for the rows of the next days, where that is made ahead of time. Rows that are stored before it is made go elsewhere,
    /// and keep it from being made for their days.
    async fn make_room(&self, _now: Instant, _retention: Retention) -> StoreResult<()> {
        Ok(())
    }
    /// Checks that a command can be written now, by a write that changes nothing of note.
    async fn check(&self) -> StoreResult<()>;
    /// Checks that commands are being written, by reading and by the outcome of the last command. Anybody may ask, so nothing is
    /// written. After a failed command a store tries to write every second by itself.
    async fn is_writable(&self) -> StoreResult<()> {
        self.check().await
    }
    /// Stores a value that only the right master key can make, unless one is stored. Returns the stored value.
    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]>;
}
