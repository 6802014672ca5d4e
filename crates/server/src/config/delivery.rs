//! `[delivery]`, `[stream]`, `[devices]` and `[retention]`.

use std::time::Duration;

use anyhow::ensure;
use countersign_api::socket::admission;
use countersign_delivery::EngineOptions;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[delivery]`: the delivery engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySection {
    /// Seconds after which other nodes may take over a delivery; 12 to 300. They check every second, so with the
    /// default the work of a dead node is taken over within 15 s.
    pub lease_seconds: u64,
    /// Deliveries that may wait in memory for the dispatcher; more wait in the database.
    pub queue_max: usize,
    /// Pushes on the stream that may wait for an acknowledgement at a time.
    pub in_flight_max: usize,
}

impl Default for DeliverySection {
    fn default() -> Self {
        let engine = EngineOptions::default();
        Self {
            lease_seconds: engine.lease.as_secs(),
            queue_max: engine.queue_max,
            in_flight_max: engine.stream_attempts_max,
        }
    }
}

impl DeliverySection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        // A device has ten seconds to acknowledge; a shorter lease would run out before.
        ensure!(
            (12..=300).contains(&self.lease_seconds),
            "delivery.lease_seconds must be 12 to 300"
        );
        ensure!(self.queue_max >= 1, "delivery.queue_max must be at least 1");
        ensure!(self.in_flight_max >= 1, "delivery.in_flight_max must be at least 1");
        Ok(())
    }

    /// The duration of a lease.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

/// `[stream]`: device streams.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSection {
    /// Sockets that have not authenticated yet, in all.
    pub unauthenticated_max: usize,
    /// Sockets that have not authenticated yet, from one address.
    pub unauthenticated_per_address: usize,
    /// Authenticated sockets; 0 means no limit.
    pub sockets_max: usize,
}

impl Default for StreamSection {
    fn default() -> Self {
        let bounds = admission::Bounds::default();
        Self {
            unauthenticated_max: bounds.unauthenticated,
            unauthenticated_per_address: bounds.unauthenticated_per_address,
            sockets_max: bounds.linked,
        }
    }
}

/// `[devices]`: rules for registrations of devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevicesSection {
    /// Whether push tokens of less than 32 characters are rejected, as documented by Twilio.
    pub strict_push_tokens: bool,
}

impl Default for DevicesSection {
    fn default() -> Self {
        Self { strict_push_tokens: countersign_verify::Settings::default().strict_tokens }
    }
}

/// `[retention]`: how long rows are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// Days that challenges and their notifications are kept; 1 to 36,500.
    pub challenges_days: u32,
}

impl RetentionSection {
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

impl RetentionSection {
    /// How long challenges and their notifications are kept.
    pub fn challenges(&self) -> Duration {
        DAY * self.challenges_days
    }
}

impl Default for RetentionSection {
    fn default() -> Self {
        let kept = EngineOptions::default().retention.challenges;
        Self { challenges_days: u32::try_from(kept.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX) }
    }
}
