//! Failed credentials: how many an address may present in a minute.
//!
//! Past the limit, credentials from that address are refused before they are judged, which would cost a read of the
//! database or a check of a signature. Those that worked from there lately are judged all the same: many callers may share
//! one address behind a proxy, and one of them must not lock out the others.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_domain::device_token::DeviceToken;
use countersign_domain::household::Household;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::FactorKeySid;

use crate::tally::Tally;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Households, and devices in them, whose failures are remembered at a time.
const MOST_KNOWN: u64 = 20_000;
/// For how long credentials that worked are judged although their address is past the limit.
const WORKED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Credentials that are remembered as working, at 8 bytes each.
const WORKING: usize = 1 << 16;

/// Credentials as they are presented.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presented<'a> {
    /// An application's: user and secret, which is hashed and not kept.
    Secret(&'a str, &'a str),
    /// A device's, by the key that it names. Each of its tokens is another one, so the key is what is remembered.
    Key(FactorKeySid),
    /// Text that is no token of a device.
    Nothing,
}

impl<'a> Presented<'a> {
    /// Reads the token of a device.
    pub(crate) fn by_device(token: &str) -> Self {
        DeviceToken::parse(token).map_or(Self::Nothing, |token| Self::Key(token.key))
    }
}

/// Counts failures.
pub(crate) struct Failures {
    /// Per household and minute; 0: no limit.
    most: u32,
    of_household: Tally<Household>,
    of_key: Tally<(Household, FactorKeySid)>,
    /// When the last failure was counted, in seconds after the clock's origin, plus one; 0: never.
    last: AtomicU64,
    worked: Worked,
}

impl Failures {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            of_household: Tally::new(WINDOW, MOST_KNOWN),
            of_key: Tally::new(WINDOW, MOST_KNOWN),
            last: AtomicU64::new(0),
            worked: Worked::new(),
        }
    }

    /// How long credentials from there are not judged; `None` if they are. `presented` is read only past the limit.
    pub(crate) fn refuses<'a>(
        &self,
        from: Household,
        presented: impl FnOnce() -> Presented<'a>,
        now: Monotonic,
    ) -> Option<Duration> {
        if self.most == 0 || self.is_quiet(now) {
            return None;
        }
        let (failed, left) = self.of_household.read(&from, now);
        if failed < self.most {
            return None;
        }
        let is_judged = match presented() {
            Presented::Nothing => false,
            presented @ Presented::Secret(..) => self.worked.knows(from, presented, now),
            presented @ Presented::Key(key) => {
                self.worked.knows(from, presented, now)
                    && self.of_key.read(&(from, key), now).0 < self.most
            }
        };
        (!is_judged).then_some(left)
    }

    /// Notes that these worked.
    pub(crate) fn worked(&self, from: Household, presented: Presented<'_>, now: Monotonic) {
        if self.most != 0 {
            self.worked.note(from, presented, now);
        }
    }

    /// Counts these as failed, and tells whether this failure is the one from which on the address is refused.
    pub(crate) fn failed(&self, from: Household, presented: Presented<'_>, now: Monotonic) -> bool {
        if self.most == 0 {
            return false;
        }
        self.last.store(now.since_origin().as_secs() + 1, Ordering::Relaxed);
        let earlier = self.of_household.add(from, now);
        if let Presented::Key(key) = presented {
            self.of_key.add((from, key), now);
        }
        earlier + 1 == self.most
    }

    /// Whether nobody has failed for longer than a window: then nothing needs to be looked up.
    fn is_quiet(&self, now: Monotonic) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last == 0 || now.since_origin().as_secs() + 1 > last + WINDOW.as_secs()
    }
}

/// Which credentials worked lately. A table of fixed size, in which newer entries take the place of older ones: who loses
/// a place is judged like a stranger while its address is past the limit.
struct Worked {
    /// Each a fingerprint in the upper 44 bits, and the minute after the clock's origin in the lower 20.
    slots: Box<[AtomicU64]>,
    /// Secret, so that nobody chooses whose place to take.
    hasher: RandomState,
}

const MINUTES: u64 = (1 << 20) - 1;

impl Worked {
    fn new() -> Self {
        let slots = (0..WORKING).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: RandomState::new() }
    }

    fn note(&self, from: Household, presented: Presented<'_>, now: Monotonic) {
        let Some((slot, print)) = self.place(from, presented) else { return };
        let entry = print | minute(now);
        // Most requests find what they would write, and leave the memory unchanged for the other processors.
        if slot.load(Ordering::Relaxed) != entry {
            slot.store(entry, Ordering::Relaxed);
        }
    }

    fn knows(&self, from: Household, presented: Presented<'_>, now: Monotonic) -> bool {
        let Some((slot, print)) = self.place(from, presented) else { return false };
        let entry = slot.load(Ordering::Relaxed);
        let age = minute(now).wrapping_sub(entry) & MINUTES;
        entry & !MINUTES == print && age <= WORKED_FOR.as_secs() / 60
    }

    fn place(&self, from: Household, presented: Presented<'_>) -> Option<(&AtomicU64, u64)> {
        let hash = match presented {
            Presented::Secret(user, secret) => self.hash((from, user, secret)),
            Presented::Key(key) => self.hash((from, key)),
            Presented::Nothing => return None,
        };
        let slot = usize::try_from(hash & MINUTES).ok()? % WORKING;
        Some((self.slots.get(slot)?, hash & !MINUTES))
    }

    fn hash(&self, of: impl Hash) -> u64 {
        // never 0, which is an empty place
        self.hasher.hash_one(of) | 1 << 63
    }
}

const fn minute(now: Monotonic) -> u64 {
    (now.since_origin().as_secs() / 60) & MINUTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn household(last: u8) -> Household {
        Household::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn key(byte: u8) -> Presented<'static> {
        Presented::Key(FactorKeySid::from_bytes([byte; 16]))
    }

    fn start() -> Monotonic {
        Monotonic::default() + Duration::from_secs(7)
    }

    #[test]
    fn past_the_limit_an_address_waits_for_the_rest_of_a_minute_and_another_does_not() {
        let (failures, now) = (Failures::new(3), start());
        let right = Presented::Secret("AC1", "right");
        for _ in 0..3 {
            assert_eq!(failures.refuses(household(1), || right, now), None);
            failures.failed(household(1), Presented::Secret("AC1", "wrong"), now);
        }
        let later = now + Duration::from_secs(20);
        let left = Some(Duration::from_secs(40));
        assert_eq!(failures.refuses(household(1), || right, later), left);
        assert_eq!(failures.refuses(household(1), || Presented::Nothing, later), left);
        assert_eq!(failures.refuses(household(2), || right, later), None);
        assert_eq!(failures.refuses(household(1), || right, now + WINDOW), None);
    }

    #[test]
    fn what_worked_from_there_is_judged_all_the_same_and_a_guess_is_not() {
        let (failures, now) = (Failures::new(3), start());
        let right = Presented::Secret("AC1", "right");
        failures.worked(household(1), right, now);
        failures.worked(household(1), key(1), now);
        (0..3).for_each(|_| {
            failures.failed(household(1), Presented::Nothing, now);
        });
        (0..3).for_each(|_| {
            failures.failed(household(2), Presented::Nothing, now);
        });
        assert_eq!(failures.refuses(household(1), || right, now), None);
        assert_eq!(failures.refuses(household(1), || key(1), now), None);
        for guess in [Presented::Secret("AC1", "guess"), Presented::Secret("AC2", "right"), key(2)]
        {
            assert!(failures.refuses(household(1), || guess, now).is_some(), "{guess:?}");
        }
        assert!(failures.refuses(household(2), || right, now).is_some(), "not from there");
    }

    #[test]
    fn a_key_that_worked_may_fail_as_often_as_an_address() {
        let (failures, now) = (Failures::new(3), start());
        failures.worked(household(1), key(1), now);
        for _ in 0..3 {
            assert_eq!(failures.refuses(household(1), || key(1), now), None);
            failures.failed(household(1), key(1), now);
        }
        assert!(failures.refuses(household(1), || key(1), now).is_some());
    }

    #[test]
    fn what_worked_more_than_a_day_ago_is_forgotten() {
        let (failures, now) = (Failures::new(1), start());
        failures.worked(household(1), key(1), now);
        let refuses = |at| {
            failures.failed(household(1), Presented::Nothing, at);
            failures.refuses(household(1), || key(1), at).is_some()
        };
        assert!(!refuses(now + WORKED_FOR));
        assert!(refuses(now + WORKED_FOR + 2 * WINDOW));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let (failures, now) = (Failures::new(0), start());
        (0..1_000).for_each(|_| {
            failures.failed(household(1), Presented::Nothing, now);
        });
        assert_eq!(failures.refuses(household(1), || Presented::Nothing, now), None);
    }

    #[test]
    fn the_failure_that_reaches_the_limit_is_told_once() {
        let (failures, now) = (Failures::new(3), start());
        let told = [(); 5].map(|()| failures.failed(household(1), Presented::Nothing, now));
        assert_eq!(told, [false, false, true, false, false]);
        assert!(!failures.failed(household(2), Presented::Nothing, now));
    }
}
