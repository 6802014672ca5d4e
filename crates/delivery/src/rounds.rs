//! Requests replays for all devices whose sockets this process holds, in rounds, where other processes park deliveries too.
//!
//! A process that parks a delivery looks for the device, and a process that attaches a socket reads what is parked. Between
//! processes both can miss each other, since messages between them may be lost. The rounds find what both missed: slowly
//! while the link to the other processes is up, quickly while it is down and right after it came back.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::{Bus, Link};
use tokio::sync::watch;

use crate::replay_queue::ReplayQueue;
use crate::signals::Signals;
use crate::tasks::Tasks;
use crate::timing::Timing;

/// How fast a round goes.
struct Pace {
    /// Devices between two pauses.
    devices: usize,
    /// The shortest duration of a round.
    round: Duration,
}

/// The pause between two groups of devices.
const PAUSE: Duration = Duration::from_millis(50);
/// 200 devices a second.
const SLOW: Pace = Pace { devices: 10, round: Duration::from_secs(10) };
/// 1,000 devices a second.
const FAST: Pace = Pace { devices: 50, round: Duration::from_secs(1) };

/// The duty that looks again for parked deliveries.
pub(crate) struct Rounds {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) replays: ReplayQueue,
    pub(crate) tasks: Tasks,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

impl Rounds {
    /// Makes rounds until the engine stops. Returns at once if there are no other processes.
    pub(crate) async fn run(self) {
        let Some(mut link) = self.bus.link() else { return };
        let rounds = async {
            // The first round may be slow: this process holds no sockets yet that others could have parked for.
            let mut is_fast = false;
            loop {
                is_fast |= *link.borrow_and_update() == Link::Down;
                let pace = if is_fast { FAST } else { SLOW };
                is_fast = self.round(&pace, &mut link).await;
            }
        };
        self.tasks.stop().run_until_cancelled(rounds).await;
    }

    /// One round; returns whether a change of the link ended it early.
    async fn round(&self, pace: &Pace, link: &mut watch::Receiver<Link>) -> bool {
        let round = async {
            let next = self.timing.monotonic() + self.timing.with_jitter(pace.round);
            let held = self.bus.held();
            for devices in held.chunks(pace.devices) {
                for &device in devices {
                    self.replays.request(device);
                }
                self.timing.sleep(PAUSE).await;
            }
            self.signals.add(|counts| counts.rounds += 1);
            self.timing.sleep(next.since(self.timing.monotonic())).await;
        };
        tokio::select! {
            biased;
            () = round => false,
            changed = link.changed() => changed.is_ok(),
        }
    }
}
