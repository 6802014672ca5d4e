//! How often a client asks for an answer. Kept in memory: a client that asks several servers may ask each as often.

use std::time::Duration;

use countersign_domain::backchannel::BackchannelId;
use countersign_domain::monotonic::Monotonic;
use moka::sync::Cache;

/// The least seconds from one request for an answer to the next.
pub(super) const INTERVAL_SECONDS: u64 = 5;
/// A client that asks too early must lengthen its interval by this much, for good.
const MORE: Duration = Duration::from_secs(5);
/// The longest interval that is demanded: as long as a request is held, so that a client may ask again at once.
const LONGEST: Duration = Duration::from_secs(20);
/// Requests that are remembered.
const REMEMBERED: u64 = 10_000;

/// When a client asked last, and how long it must wait.
#[derive(Debug, Clone, Copy)]
struct Pace {
    asked_at: Monotonic,
    interval: Duration,
}

/// The paces of clients.
#[derive(Debug)]
pub(super) struct Paces(Cache<BackchannelId, Pace>);

impl Default for Paces {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Paces {
    /// Notes a request for an answer; whether it comes late enough.
    pub(super) fn allow(&self, request: BackchannelId, now: Monotonic) -> bool {
        let last = self.0.get(&request);
        let interval = last.map_or(Duration::from_secs(INTERVAL_SECONDS), |pace| pace.interval);
        let is_early = last.is_some_and(|pace| now < pace.asked_at + pace.interval);
        let interval = if is_early { (interval + MORE).min(LONGEST) } else { interval };
        self.0.insert(request, Pace { asked_at: now, interval });
        !is_early
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::world::Clock as _;
    use countersign_testkit::ManualClock;

    use super::*;

    #[test]
    fn a_client_that_asks_too_early_must_wait_longer_for_good() {
        let (paces, clock) = (Paces::default(), ManualClock::new());
        let ask = |after: u64| {
            clock.advance(Duration::from_secs(after));
            paces.allow(BackchannelId([1; 16]), clock.monotonic())
        };
        assert!(ask(0) && ask(5) && !ask(4));
        assert!(!ask(9) && ask(15) && ask(15));
        for _ in 0..9 {
            ask(0);
        }
        assert!(ask(20), "it is held as long");
        assert!(paces.allow(BackchannelId([2; 16]), clock.monotonic()));
    }
}
