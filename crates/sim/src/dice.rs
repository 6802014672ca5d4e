//! Randomness from one seed.

use std::time::Duration;

use countersign_testkit::SeededEntropy;

/// A sequence of draws. Each part of the simulation has its own, so that one more draw in one part does not change the others.
#[derive(Debug, Clone)]
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    /// The sequence of a part, by the seed of the run.
    pub(crate) fn of(seed: u64, part: u64) -> Self {
        let mixed = SeededEntropy::new(seed).next() ^ SeededEntropy::new(!part).next();
        Self(SeededEntropy::new(mixed))
    }

    /// The source of random bytes of a part.
    pub(crate) fn entropy(seed: u64, part: u64) -> SeededEntropy {
        Self::of(seed, part).0.ordered()
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.next() % bound.max(1)
    }

    /// A number of the range, the last one included.
    pub(crate) fn between(&self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True in that many of 1,000 draws.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A time between two numbers of milliseconds.
    pub(crate) fn millis(&self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.between(first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_draw_apart_and_seeds_repeat_their_draws() {
        let draws = |seed, part| {
            let dice = Dice::of(seed, part);
            [dice.below(1_000), dice.between(1_000, 2_000), dice.below(1_000_000)]
        };
        assert_eq!(draws(1, 2), draws(1, 2));
        assert_ne!(draws(1, 2), draws(1, 3));
        assert_ne!(draws(1, 2), draws(2, 2));
        let dice = Dice::of(1, 1);
        assert!((0..100).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert!((0..100).all(|_| !dice.chance(0) && dice.chance(1_000)));
    }
}
