//! Acts on the domain's decision after an attempt: schedules a retry, or looks for the device once more.

use std::sync::Arc;

use countersign_bus::Bus;
use countersign_domain::backoff;
use countersign_domain::delivery::Delivery;
use countersign_domain::outcome::{AfterAttempt, Outcome};

use crate::alarm::Alarm;
use crate::reconnects::InFlight;
use crate::replay_queue::ReplayQueue;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// The first attempts of a delivery that found no device are repeated at once if the device is present after all. Later
/// ones wait: a socket that is slow to end must not be asked in a tight loop.
const IMMEDIATE_REPLAYS: u32 = 3;

/// The work that follows an attempt whose result is committed.
pub(crate) struct FollowUp {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) replays: ReplayQueue,
    pub(crate) tasks: Tasks,
    pub(crate) timing: Timing,
}

impl FollowUp {
    /// Follows up an attempt. `in_flight`: the prompt's entry, if it went to a stream.
    pub(crate) async fn after(
        &self,
        delivery: &Delivery,
        outcome: Outcome,
        after: AfterAttempt,
        in_flight: Option<&InFlight<'_>>,
    ) {
        match after {
            AfterAttempt::Done(_) => {}
            AfterAttempt::Retry { at } => self.alarm.earlier(self.timing.clock(), at),
            AfterAttempt::Park => {
                // A device that does not acknowledge is asked again only after it has reconnected.
                let may_be_present = match outcome {
                    Outcome::Unacknowledged => in_flight.is_some_and(InFlight::has_reconnected),
                    _ => true,
                };
                if may_be_present {
                    self.look_once_more(delivery).await;
                }
            }
        }
    }

    /// Looks for the device after its delivery was parked. The device may have connected before that commit and found
    /// nothing parked.
    async fn look_once_more(&self, delivery: &Delivery) {
        if !self.bus.is_attached(delivery.factor).await {
            return;
        }
        if delivery.attempts >= IMMEDIATE_REPLAYS {
            let delay = backoff::delay(delivery.attempts, self.timing.jitter());
            let delay = self.timing.sleep(delay);
            if self.tasks.stop().run_until_cancelled(delay).await.is_none() {
                return;
            }
        }
        self.replays.request(delivery.factor);
    }
}
