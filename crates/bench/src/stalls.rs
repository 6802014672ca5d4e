//! Commits that had to wait for the disk, counted apart: what they cost is the disk's doing, and no design removes it.

use std::time::Instant;

use anyhow::Result;

use crate::server::Server;
use crate::stats::Histogram;

const COUNT: &str = "countersign_store_stall_seconds_count";
const SUM: &str = "countersign_store_stall_seconds_sum";

/// Counts those of a server from when it was made.
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

    /// How many there were and how long in all, and the p99 of what came at other times: those that came meanwhile are
    /// taken to be the slowest.
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
