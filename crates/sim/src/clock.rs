//! The clock of one process: the simulated time, by how much its time of day is off, and its gate.

use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};

use crate::gate::Gate;

/// 2026-01-01T12:00:00Z, in microseconds.
const NOON: i64 = 1_767_268_800_000_000;

/// The simulated time since the run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(tokio::time::Instant);

impl Time {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// The time since the run began.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The true time of day.
    pub(crate) fn now(self) -> Instant {
        let micros = i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX);
        Instant::from_micros(NOON.saturating_add(micros))
    }
}

/// The clock of one process.
#[derive(Debug, Clone)]
pub(crate) struct NodeClock {
    time: Time,
    ahead_micros: i64,
    gate: Gate,
}

impl NodeClock {
    /// A clock that is `ahead_micros` ahead of the true time of day.
    pub(crate) fn new(time: Time, ahead_micros: i64, gate: Gate) -> Self {
        Self { time, ahead_micros, gate }
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.time.now().as_micros().saturating_add(self.ahead_micros))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::after_origin(self.time.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let left = at.since(clock.now());
                if left.is_zero() {
                    return clock.gate.pass().await;
                }
                tokio::time::sleep(left).await;
            }
        })
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let gate = self.gate.clone();
        Box::pin(async move {
            tokio::time::sleep(span).await;
            gate.pass().await;
        })
    }
}
