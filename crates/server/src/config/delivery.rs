//! `[delivery]`, `[stream]`, `[devices]` and `[retention]`.

use std::time::Duration;

use anyhow::ensure;
use countersign_api::socket::admission;
use countersign_delivery::EngineOptions;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[delivery]`: the engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Seconds after which others may take over what a node works on; they look every second, so that a dead node's work is
    /// taken over within 15.
    pub lease_seconds: u64,
    /// Deliveries that may wait in memory for the dispatcher; more wait in the database.
    pub queue_max: usize,
    /// Pushes that may wait for a device's acknowledgement at a time.
    pub in_flight_max: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        let engine = EngineOptions::default();
        Self {
            lease_seconds: engine.lease.as_secs(),
            queue_max: engine.queue_max,
            in_flight_max: engine.stream_attempts_max,
        }
    }
}

impl Delivery {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        // A device has ten seconds for its acknowledgement; a shorter lease would be lost before.
        ensure!(
            (12..=300).contains(&self.lease_seconds),
            "delivery.lease_seconds must be 12 to 300"
        );
        ensure!(self.queue_max >= 1, "delivery.queue_max must be at least 1");
        ensure!(self.in_flight_max >= 1, "delivery.in_flight_max must be at least 1");
        Ok(())
    }

    /// How long a delivery is ours.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

/// `[stream]`: device streams.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// Sockets that have not said yet who they are, in all.
    pub unauthenticated_max: usize,
    /// The same, from one address.
    pub unauthenticated_per_address: usize,
    /// Sockets in all; 0 means no bound.
    pub sockets_max: usize,
}

impl Default for Stream {
    fn default() -> Self {
        let bounds = admission::Bounds::default();
        Self {
            unauthenticated_max: bounds.unauthenticated,
            unauthenticated_per_address: bounds.unauthenticated_per_address,
            sockets_max: bounds.linked,
        }
    }
}

/// `[devices]`: what devices may register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// Refuses push tokens of less than 32 characters, as documented.
    pub strict_push_tokens: bool,
}

impl Default for Devices {
    fn default() -> Self {
        Self { strict_push_tokens: countersign_verify::Settings::default().strict_tokens }
    }
}

/// `[retention]`: how long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that challenges and their notifications are kept, 1 to 36,500.
    pub challenges_days: u32,
}

impl Retention {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.challenges_days != 0,
            "retention.challenges_days is 0, which would delete every challenge as soon as it is over: set 1 to 36500, the \
             days that challenges and their notifications are kept (36500 to keep them)"
        );
        ensure!(self.challenges_days <= 36_500, "retention.challenges_days must be 1 to 36500");
        Ok(())
    }
}

impl Retention {
    /// How long challenges and their notifications are kept.
    pub fn challenges(&self) -> Duration {
        DAY * self.challenges_days
    }
}

impl Default for Retention {
    fn default() -> Self {
        let kept = EngineOptions::default().retention.challenges;
        Self { challenges_days: u32::try_from(kept.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX) }
    }
}
