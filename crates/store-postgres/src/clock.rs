//! The database's clock, which is one for all nodes: deadlines are judged by it.
//!
//! A node shows the database's time by itself between two readings. Should it be wrong all the same, no command takes its
//! word: each that ends, leases, offers or refuses something by the time carries a condition that the database's clock
//! agrees, and is given up where it does not. The condition travels with the command's first statement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_store::error::StoreResult;
use tokio::sync::Notify;

use crate::PostgresStore;
use crate::cells::Cells;
use crate::statement::one;
use crate::trouble::Trouble;

/// The instant at which a statement arrived, in microseconds.
macro_rules! arrived_at {
    () => {
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
    };
}
pub(crate) use arrived_at;

/// A condition that fails, and its statement with it, unless the statement arrived between two instants.
macro_rules! clocks_agree {
    ($least:literal, $most:literal) => {
        concat!(
            "(CASE WHEN ",
            $crate::clock::arrived_at!(),
            " BETWEEN ",
            $least,
            " AND ",
            $most,
            " THEN 'true' ELSE 'the clocks of this server and of the database differ' END)::boolean"
        )
    };
}
pub(crate) use clocks_agree;

/// What the failure of [`clocks_agree`] says, among other words.
pub(crate) const CLOCKS_DIFFER: &str = "the clocks of this server and of the database differ";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A reading of the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// What it showed, at some instant between the question and the answer.
    pub time: Instant,
    /// When the answer had come.
    pub answered_at: Monotonic,
    /// How long the question took.
    pub round_trip: Duration,
}

/// How far the time that a command was handed may be from the database's when the command arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// The node's clock may be so far ahead.
    pub ahead: Duration,
    /// And so far behind; a command that had to wait for a connection counts as behind.
    pub behind: Duration,
}

impl Tolerance {
    /// Between which instants, in microseconds, a command that was handed times between `first` and `last` may arrive.
    pub(crate) fn bounds(self, (first, last): (Instant, Instant)) -> (i64, i64) {
        ((last - self.ahead).as_micros(), (first + self.behind).as_micros())
    }
}

/// Whether and how commands are compared with the database's clock.
#[derive(Default)]
pub(crate) struct Comparison(OnceLock<(Tolerance, Arc<Notify>)>);

impl Comparison {
    /// Without one, the word of the node is taken.
    pub(crate) fn tolerance(&self) -> Option<Tolerance> {
        self.0.get().map(|(tolerance, _)| *tolerance)
    }

    /// Tells that the clocks were found to differ.
    pub(crate) fn disagreed(&self) {
        if let Some((_, disagreed)) = self.0.get() {
            disagreed.notify_one();
        }
    }
}

/// The statement that opens a transaction fails unless the clocks agree.
pub(crate) fn guard((least, most): (i64, i64)) -> String {
    format!(
        "; SELECT (CASE WHEN {} BETWEEN {least} AND {most} THEN 'true' ELSE '{CLOCKS_DIFFER}' END)::boolean",
        arrived_at!()
    )
}

impl PostgresStore {
    /// Asks the database for the time. The reading says when it was taken by the monotonic hand of `clock`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read_clock(&self, clock: &dyn Clock) -> StoreResult<ClockReading> {
        let db = self.session().await?;
        let asked = clock.monotonic();
        let read = |row: &_| Cells::of(row, "clock_timestamp").make(Instant::from_micros);
        let time: Option<Instant> = one(&db, NOW, &[], read).await?;
        let answered_at = clock.monotonic();
        let time = time.ok_or_else(|| Trouble::Corrupt("clock_timestamp".to_owned()))?;
        Ok(ClockReading { time, answered_at, round_trip: answered_at.since(asked) })
    }

    /// From now on, a command that decides by the time is compared with the database's clock. One that was handed a time
    /// beyond `tolerance` fails as unavailable, writes nothing, and `disagreed` is told. Only the first call counts.
    ///
    /// Without this call commands are judged by the times that they are handed, whatever those are.
    pub fn compare_clocks(&self, tolerance: Tolerance, disagreed: Arc<Notify>) {
        let _ = self.db.comparison.0.set((tolerance, disagreed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_says_what_the_failure_is_known_by() {
        assert!(clocks_agree!("$1", "$2").contains(CLOCKS_DIFFER));
        assert!(guard((1, 2)).contains("BETWEEN 1 AND 2"));
    }
}
