//! Random faults from a seed.

use std::fmt;
use std::time::Duration;

/// The rates of faults among valid requests.
///
/// The fault of a request depends on the seed, on its address and on the number of earlier requests to that address, but not on
/// the order between addresses. So a run is reproducible with any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// The seed of all choices. With it a run can be repeated.
    pub seed: u64,
    /// Percentage that is refused, with a transient reason.
    pub refused: u8,
    /// Percentage whose response is delayed.
    pub delayed: u8,
    /// The longest delay.
    pub delay: Duration,
    /// Percentage whose connection is cut.
    pub dropped: u8,
    /// Percentage that gets a response and then a `GOAWAY`.
    pub go_away: u8,
}

/// The fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, with the transient reason that this number chooses.
    Refuse(u64),
    /// Its response is delayed by this much.
    Delay(Duration),
    /// Its connection is cut without a response.
    Drop,
    /// It gets a response, and the connection then accepts no more requests.
    GoAway,
}

impl Faults {
    /// No faults.
    pub const fn none() -> Self {
        let delay = Duration::ZERO;
        Self { seed: 0, refused: 0, delayed: 0, delay, dropped: 0, go_away: 0 }
    }

    /// 10% refused, 10% delayed by up to 200 ms, 3% dropped, 1% followed by a `GOAWAY`.
    pub const fn from_seed(seed: u64) -> Self {
        let delay = Duration::from_millis(200);
        Self { seed, refused: 10, delayed: 10, delay, dropped: 3, go_away: 1 }
    }

    /// Whether there are no faults.
    pub const fn is_none(&self) -> bool {
        self.refused == 0 && self.delayed == 0 && self.dropped == 0 && self.go_away == 0
    }

    /// The fault of the `nth` request to an address, counted from 0.
    pub fn fault(&self, address: &str, nth: u64) -> Option<Fault> {
        if self.is_none() {
            return None;
        }
        let start = self.seed ^ fnv(address) ^ nth.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let (dice, choice) = (mixed(start), mixed(start.wrapping_add(GOLDEN)));
        let percent = dice % 100;
        let mut bound = 0;
        let mut is_below = |share: u8| {
            bound += u64::from(share);
            percent < bound
        };
        if is_below(self.refused) {
            Some(Fault::Refuse(choice))
        } else if is_below(self.delayed) {
            let longest = u64::try_from(self.delay.as_micros()).unwrap_or(u64::MAX);
            Some(Fault::Delay(Duration::from_micros(choice % longest.max(1))))
        } else if is_below(self.dropped) {
            Some(Fault::Drop)
        } else if is_below(self.go_away) {
            Some(Fault::GoAway)
        } else {
            None
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

/// The description that a run prints.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("no faults");
        }
        let Self { seed, refused, delayed, delay, dropped, go_away } = self;
        write!(
            f,
            "faults from seed {seed}: {refused}% refused, {delayed}% delayed by up to {delay:?}, \
             {dropped}% dropped, {go_away}% followed by GOAWAY"
        )
    }
}

/// SplitMix64's increment.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a: the standard library's hash may change between compilers.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64's output function.
const fn mixed(state: u64) -> u64 {
    let mut word = state.wrapping_add(GOLDEN);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(faults: Faults) -> Vec<Option<Fault>> {
        (0..10_000).map(|nth| faults.fault(&format!("token {}", nth % 100), nth / 100)).collect()
    }

    #[test]
    fn no_faults_means_no_fault_at_any_request() {
        assert!(faults_of(Faults::none()).iter().all(Option::is_none));
        assert_eq!(Faults::none().to_string(), "no faults");
    }

    #[test]
    fn a_seed_determines_a_run() {
        assert_eq!(faults_of(Faults::from_seed(7)), faults_of(Faults::from_seed(7)));
        assert_ne!(faults_of(Faults::from_seed(7)), faults_of(Faults::from_seed(8)));
    }

    #[test]
    fn rates_are_roughly_kept() {
        for seed in [1, 2, 42, u64::MAX] {
            let all = faults_of(Faults::from_seed(seed));
            let share = |is_it: fn(&Fault) -> bool| {
                all.iter().flatten().filter(|fault| is_it(fault)).count()
            };
            assert!((850..1150).contains(&share(|fault| matches!(fault, Fault::Refuse(_)))));
            assert!((850..1150).contains(&share(|fault| matches!(fault, Fault::Delay(_)))));
            assert!((200..400).contains(&share(|fault| *fault == Fault::Drop)));
            assert!((50..150).contains(&share(|fault| *fault == Fault::GoAway)));
        }
    }

    #[test]
    fn no_delay_exceeds_the_longest() {
        let late = faults_of(Faults::from_seed(3)).into_iter().flatten();
        let longest = Faults::from_seed(3).delay;
        assert!(late.into_iter().all(|fault| !matches!(fault, Fault::Delay(d) if d > longest)));
    }

    #[test]
    fn the_seed_is_printed() {
        assert_eq!(
            Faults::from_seed(42).to_string(),
            "faults from seed 42: 10% refused, 10% delayed by up to 200ms, 3% dropped, 1% followed by GOAWAY"
        );
    }
}
