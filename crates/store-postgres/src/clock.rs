//! What time the database has: deadlines are judged by its clock, since it is one for all nodes.

use std::time::Duration;

use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_store::seam::Answer;

use crate::PostgresStore;
use crate::cells::Cells;
use crate::statement::one;
use crate::trouble::Trouble;

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A comparison of a node's clock with the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// How many microseconds the database is ahead; negative if it is behind. Right to half of the round trip.
    pub ahead_micros: i64,
    /// How long the question took.
    pub round_trip: Duration,
}

impl PostgresStore {
    /// Asks the database for the time and compares it with `clock`. The answer is taken to have been made half way.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read_clock(&self, clock: &dyn Clock) -> Answer<ClockReading> {
        let db = self.session().await?;
        let asked = clock.now();
        let read = |row: &_| Cells::of(row, "clock_timestamp").take();
        let told: Option<i64> = one(&db, NOW, &[], read).await?;
        let answered = clock.now();
        let told = told.ok_or_else(|| Trouble::Corrupt("clock_timestamp".to_owned()))?;
        let half_way = i64::midpoint(asked.as_micros(), answered.as_micros());
        Ok(ClockReading {
            ahead_micros: told - half_way,
            round_trip: Instant::since(answered, asked),
        })
    }
}
