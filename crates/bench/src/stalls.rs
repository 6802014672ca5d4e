//! Commits that waited for the disk, counted separately: no design removes their cost.

use std::time::Instant;

use anyhow::Result;

use crate::server::Server;
use crate::stats::Histogram;

const COUNT: &str = "countersign_store_stall_seconds_count";
const SUM: &str = "countersign_store_stall_seconds_sum";

/// Counts the stalls of a server since it was created.
pub(crate) struct Stalls<'a> {
    server: &'a Server,
    begin: Instant,
    before: (f64, f64),
}

impl<'a> Stalls<'a> {
    pub(crate) async fn watch(server: &'a Server) -> Result<Self> {
        let metrics = server.metrics().await?;
        let before = (metrics.of(COUNT), metrics.of(SUM));
        Ok(Self { server, begin: Instant::now(), before })
    }

    /// The number and the total duration of stalls, and the p99 latency at other times, assuming that the slowest
    /// requests were stalled.
    pub(crate) async fn readings(self, latency: &Histogram) -> Result<Vec<(&'static str, f64)>> {
        let elapsed = self.begin.elapsed().as_secs_f64().max(1e-9);
        let metrics = self.server.metrics().await?;
        let (count, seconds) = (metrics.of(COUNT) - self.before.0, metrics.of(SUM) - self.before.1);
        let rest = (1.0 - seconds / elapsed).max(0.0);
        let mut readings = vec![("stalls", count), ("stalled ms", seconds * 1e3)];
        readings.extend(latency.quantile_ms(0.99 * rest).map(|ms| ("p99 apart ms", ms)));
        Ok(readings)
    }
}
