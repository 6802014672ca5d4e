//! Reads the database's clock.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_store::error::StoreResult;
use tokio::sync::Notify;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::clock::Tolerance;
use crate::error::DatabaseError;
use crate::statement::one;
use crate::store::PostgresStore;

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A reading of the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time, at some instant during the round trip.
    pub time: Instant,
    /// The end of the round trip.
    pub answered_at: Monotonic,
    /// The duration of the round trip.
    pub round_trip: Duration,
}

impl PostgresStore {
    /// Reads the database's clock. The reading refers to the monotonic time of `clock`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read_clock(&self, clock: &dyn Clock) -> StoreResult<ClockReading> {
        let db = self.session().await?;
        let asked = clock.monotonic();
        let read = |row: &Row| cells_of(row, "clock_timestamp").map(Instant::from_micros);
        let time: Option<Instant> = one(&db, NOW, &[], read).await?;
        let answered_at = clock.monotonic();
        let time = time.ok_or_else(|| DatabaseError::Corrupt("clock_timestamp".to_owned()))?;
        Ok(ClockReading { time, answered_at, round_trip: answered_at.since(asked) })
    }

    /// From now on compares each command that decides by the time with the database's clock. A command that was given a time outside
    /// of `tolerance` fails as unavailable and writes nothing, and `disagreed` is notified. Only the first call has an effect.
    ///
    /// Without this call commands decide by the times that they are given.
    pub fn compare_clocks(&self, tolerance: Tolerance, disagreed: Arc<Notify>) {
        let _ = self.db.comparison.0.set((tolerance, disagreed));
    }
}
