//! Limits how many wrong credentials an address may present in a minute.
//!
//! Past the limit, credentials from that address are refused before they cost a read of the database or the check of a
//! signature. Credentials that worked from there lately are still judged: many callers may share one address behind a proxy,
//! and one of them must not lock out the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::FactorKeySid;

use crate::known_credentials::{KnownCredentials, Presented};
use crate::tally::Tally;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Networks, and devices in them, whose failures are counted at a time.
const MAX_COUNTED: u64 = 20_000;

/// Counts failed credentials.
pub(crate) struct Failures {
    /// Failures per network and minute. 0 means no limit.
    most: u32,
    of_network: Tally<ClientNetwork>,
    of_key: Tally<(ClientNetwork, FactorKeySid)>,
    /// When the last failure was counted, in seconds since the clock's origin, plus one. 0 means never.
    last: AtomicU64,
    worked: KnownCredentials,
}

impl Failures {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            of_network: Tally::new(WINDOW, MAX_COUNTED),
            of_key: Tally::new(WINDOW, MAX_COUNTED),
            last: AtomicU64::new(0),
            worked: KnownCredentials::new(),
        }
    }

    /// How long credentials from a network are not judged; `None` if they are judged now. Calls `presented` only past the limit.
    pub(crate) fn refuses<'a>(
        &self,
        from: ClientNetwork,
        presented: impl FnOnce() -> Presented<'a>,
        now: Monotonic,
    ) -> Option<Duration> {
        if self.most == 0 || self.is_quiet(now) {
            return None;
        }
        let (failed, left) = self.of_network.read(&from, now);
        if failed < self.most {
            return None;
        }
        let is_judged = match presented() {
            Presented::Unreadable => false,
            presented @ Presented::Secret(..) => self.worked.knows(from, presented, now),
            presented @ Presented::Key(key) => {
                self.worked.knows(from, presented, now)
                    && self.of_key.read(&(from, key), now).0 < self.most
            }
        };
        (!is_judged).then_some(left)
    }

    /// Remembers that credentials worked.
    pub(crate) fn worked(&self, from: ClientNetwork, presented: Presented<'_>, now: Monotonic) {
        if self.most != 0 {
            self.worked.note(from, presented, now);
        }
    }

    /// Counts credentials that failed. Returns whether the network has reached the limit with this failure.
    pub(crate) fn failed(
        &self,
        from: ClientNetwork,
        presented: Presented<'_>,
        now: Monotonic,
    ) -> bool {
        if self.most == 0 {
            return false;
        }
        self.last.store(now.since_origin().as_secs() + 1, Ordering::Relaxed);
        let earlier = self.of_network.add(from, now);
        if let Presented::Key(key) = presented {
            self.of_key.add((from, key), now);
        }
        earlier + 1 == self.most
    }

    /// Whether no credentials have failed within the window, so that no count has to be read.
    fn is_quiet(&self, now: Monotonic) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last == 0 || now.since_origin().as_secs() + 1 > last + WINDOW.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_credentials::WORKED_FOR;

    fn network(last: u8) -> ClientNetwork {
        ClientNetwork::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn key(byte: u8) -> Presented<'static> {
        Presented::Key(FactorKeySid::from_bytes([byte; 16]))
    }

    fn start() -> Monotonic {
        Monotonic::default() + Duration::from_secs(7)
    }

    #[test]
    fn past_the_limit_an_address_is_refused_for_the_rest_of_the_minute_and_another_is_not() {
        let (failures, now) = (Failures::new(3), start());
        let right = Presented::Secret("AC1", "right");
        for _ in 0..3 {
            assert_eq!(failures.refuses(network(1), || right, now), None);
            failures.failed(network(1), Presented::Secret("AC1", "wrong"), now);
        }
        let later = now + Duration::from_secs(20);
        let left = Some(Duration::from_secs(40));
        assert_eq!(failures.refuses(network(1), || right, later), left);
        assert_eq!(failures.refuses(network(1), || Presented::Unreadable, later), left);
        assert_eq!(failures.refuses(network(2), || right, later), None);
        assert_eq!(failures.refuses(network(1), || right, now + WINDOW), None);
    }

    #[test]
    fn past_the_limit_credentials_that_worked_from_the_address_are_judged_and_guesses_are_not() {
        let (failures, now) = (Failures::new(3), start());
        let right = Presented::Secret("AC1", "right");
        failures.worked(network(1), right, now);
        failures.worked(network(1), key(1), now);
        (0..3).for_each(|_| {
            failures.failed(network(1), Presented::Unreadable, now);
        });
        (0..3).for_each(|_| {
            failures.failed(network(2), Presented::Unreadable, now);
        });
        assert_eq!(failures.refuses(network(1), || right, now), None);
        assert_eq!(failures.refuses(network(1), || key(1), now), None);
        for guess in [Presented::Secret("AC1", "guess"), Presented::Secret("AC2", "right"), key(2)]
        {
            assert!(failures.refuses(network(1), || guess, now).is_some(), "{guess:?}");
        }
        assert!(
            failures.refuses(network(2), || right, now).is_some(),
            "they worked from another network"
        );
    }

    #[test]
    fn a_key_that_worked_has_the_limit_of_an_address() {
        let (failures, now) = (Failures::new(3), start());
        failures.worked(network(1), key(1), now);
        for _ in 0..3 {
            assert_eq!(failures.refuses(network(1), || key(1), now), None);
            failures.failed(network(1), key(1), now);
        }
        assert!(failures.refuses(network(1), || key(1), now).is_some());
    }

    #[test]
    fn credentials_that_worked_more_than_a_day_ago_are_forgotten() {
        let (failures, now) = (Failures::new(1), start());
        failures.worked(network(1), key(1), now);
        let refuses = |at| {
            failures.failed(network(1), Presented::Unreadable, at);
            failures.refuses(network(1), || key(1), at).is_some()
        };
        assert!(!refuses(now + WORKED_FOR));
        assert!(refuses(now + WORKED_FOR + 2 * WINDOW));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let (failures, now) = (Failures::new(0), start());
        (0..1_000).for_each(|_| {
            failures.failed(network(1), Presented::Unreadable, now);
        });
        assert_eq!(failures.refuses(network(1), || Presented::Unreadable, now), None);
    }

    #[test]
    fn the_failure_that_reaches_the_limit_is_reported_once() {
        let (failures, now) = (Failures::new(3), start());
        let reported = [(); 5].map(|()| failures.failed(network(1), Presented::Unreadable, now));
        assert_eq!(reported, [false, false, true, false, false]);
        assert!(!failures.failed(network(2), Presented::Unreadable, now));
    }
}
