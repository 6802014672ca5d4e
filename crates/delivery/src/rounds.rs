//! Looks again for what is parked for the devices whose sockets are here, where other processes park too.
//!
//! Whoever parks a delivery looks for the device, and whoever attaches a socket looks for what is parked; between
//! processes both can miss each other, since what they say to each other may be lost. So every socket's parked
//! deliveries are looked for again: at leisure while the link to the others is up, in haste while it is down and right
//! after it came back.

use std::sync::Arc;
use std::time::Duration;

use countersign_bus::Link;
use tokio::sync::watch;

use crate::replay;
use crate::shared::Shared;

/// How much of a round is begun at a time, and how long it may take at least.
struct Pace {
    /// Devices that are looked for before each breath.
    devices: usize,
    /// The shortest round.
    round: Duration,
}

/// Between two handfuls of devices.
const BREATH: Duration = Duration::from_millis(50);
/// 200 devices a second.
const LEISURE: Pace = Pace { devices: 10, round: Duration::from_secs(10) };
/// 1,000 devices a second.
const HASTE: Pace = Pace { devices: 50, round: Duration::from_secs(1) };

/// Goes round until the engine stops; at once over where there are no others.
pub(crate) async fn run(shared: Arc<Shared>) {
    let Some(mut link) = shared.bus.link() else { return };
    let rounds = async {
        // Nothing was parked by others for sockets that this process has not had yet.
        let mut in_haste = false;
        loop {
            in_haste |= *link.borrow_and_update() == Link::Down;
            let pace = if in_haste { HASTE } else { LEISURE };
            in_haste = go(&shared, &pace, &mut link).await;
        }
    };
    shared.stop.run_until_cancelled(rounds).await;
}

/// One round; whether it was broken off because the link changed.
async fn go(shared: &Arc<Shared>, pace: &Pace, link: &mut watch::Receiver<Link>) -> bool {
    let round = async {
        let next = shared.clock.monotonic() + shared.about(pace.round);
        let held = shared.bus.held();
        for devices in held.chunks(pace.devices) {
            for &device in devices {
                replay::want(shared, device);
            }
            shared.clock.sleep(BREATH).await;
        }
        shared.signals.add(|counts| counts.rounds += 1);
        shared.clock.sleep(next.since(shared.clock.monotonic())).await;
    };
    tokio::select! {
        () = round => false,
        changed = link.changed() => changed.is_ok(),
    }
}
