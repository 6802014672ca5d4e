//! Bad manners, from a seed: a push service that is always kind teaches its callers nothing.

use std::fmt;
use std::time::Duration;

/// Which share of good pushes comes to grief, and how. Calm unless asked otherwise.
///
/// What befalls a push depends on the seed, on its address and on how many pushes that address had before; not on the
/// order in which addresses take turns. So a run repeats itself however its threads fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Where the choices come from. Print it, and the run can be had again.
    pub seed: u64,
    /// Percent that are refused, each with a reason that may pass.
    pub refused: u8,
    /// Percent that are answered late.
    pub delayed: u8,
    /// The longest delay.
    pub delay: Duration,
    /// Percent that end with the connection.
    pub dropped: u8,
    /// Percent that are answered, and after which the connection takes no more.
    pub go_away: u8,
}

/// What befalls one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// It is refused, with one of the reasons that pass; the number chooses which.
    Refuse(u64),
    /// It is answered this much later.
    Delay(Duration),
    /// The connection ends without an answer.
    Drop,
    /// It is answered, and the connection then takes no more.
    GoAway,
}

impl Manners {
    /// Every good push is taken at once.
    pub const fn calm() -> Self {
        let delay = Duration::ZERO;
        Self { seed: 0, refused: 0, delayed: 0, delay, dropped: 0, go_away: 0 }
    }

    /// A tenth refused, a tenth late by up to a fifth of a second, some dropped, some connections ended.
    pub const fn bad(seed: u64) -> Self {
        let delay = Duration::from_millis(200);
        Self { seed, refused: 10, delayed: 10, delay, dropped: 3, go_away: 1 }
    }

    /// Whether nothing ever comes to grief.
    pub const fn is_calm(&self) -> bool {
        self.refused == 0 && self.delayed == 0 && self.dropped == 0 && self.go_away == 0
    }

    /// What befalls the `nth` push to an address, counted from 0.
    pub fn lapse(&self, address: &str, nth: u64) -> Option<Lapse> {
        if self.is_calm() {
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
            Some(Lapse::Refuse(choice))
        } else if is_below(self.delayed) {
            let longest = u64::try_from(self.delay.as_micros()).unwrap_or(u64::MAX);
            Some(Lapse::Delay(Duration::from_micros(choice % longest.max(1))))
        } else if is_below(self.dropped) {
            Some(Lapse::Drop)
        } else if is_below(self.go_away) {
            Some(Lapse::GoAway)
        } else {
            None
        }
    }
}

impl Default for Manners {
    fn default() -> Self {
        Self::calm()
    }
}

/// The sentence that a run begins with.
impl fmt::Display for Manners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_calm() {
            return f.write_str("good manners");
        }
        let Self { seed, refused, delayed, delay, dropped, go_away } = self;
        write!(
            f,
            "bad manners from seed {seed}: {refused}% refused, {delayed}% late by up to {delay:?}, \
             {dropped}% dropped, {go_away}% of connections ended"
        )
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a, because the standard library's hash may change between compilers.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64's last step.
const fn mixed(state: u64) -> u64 {
    let mut word = state.wrapping_add(GOLDEN);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(manners: Manners) -> Vec<Option<Lapse>> {
        (0..10_000).map(|nth| manners.lapse(&format!("token {}", nth % 100), nth / 100)).collect()
    }

    #[test]
    fn calm_is_calm() {
        assert!(fates(Manners::calm()).iter().all(Option::is_none));
        assert_eq!(Manners::calm().to_string(), "good manners");
    }

    #[test]
    fn a_seed_is_a_run() {
        assert_eq!(fates(Manners::bad(7)), fates(Manners::bad(7)));
        assert_ne!(fates(Manners::bad(7)), fates(Manners::bad(8)));
    }

    #[test]
    fn shares_are_kept_roughly() {
        for seed in [1, 2, 42, u64::MAX] {
            let fates = fates(Manners::bad(seed));
            let share = |is_it: fn(&Lapse) -> bool| {
                fates.iter().flatten().filter(|lapse| is_it(lapse)).count()
            };
            assert!((850..1150).contains(&share(|lapse| matches!(lapse, Lapse::Refuse(_)))));
            assert!((850..1150).contains(&share(|lapse| matches!(lapse, Lapse::Delay(_)))));
            assert!((200..400).contains(&share(|lapse| *lapse == Lapse::Drop)));
            assert!((50..150).contains(&share(|lapse| *lapse == Lapse::GoAway)));
        }
    }

    #[test]
    fn no_delay_is_longer_than_the_longest() {
        let late = fates(Manners::bad(3)).into_iter().flatten();
        let longest = Manners::bad(3).delay;
        assert!(late.into_iter().all(|lapse| !matches!(lapse, Lapse::Delay(d) if d > longest)));
    }

    #[test]
    fn the_seed_is_printed() {
        assert_eq!(
            Manners::bad(42).to_string(),
            "bad manners from seed 42: 10% refused, 10% late by up to 200ms, 3% dropped, 1% of connections ended"
        );
    }
}
