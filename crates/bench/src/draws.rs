//! Random numbers that depend on a seed and a name only: the same seed gives the same run.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};

/// The numbers of one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws {
    seed: u64,
}

impl Draws {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// At least 0 and less than 1, uniform.
    pub(crate) fn share(self, name: impl Hash) -> f64 {
        let bits = BuildHasherDefault::<DefaultHasher>::default().hash_one((self.seed, name));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with the mean 1.
    pub(crate) fn exponential(self, name: impl Hash) -> f64 {
        -(1.0 - self.share(name)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_spread_and_depend_on_seed_and_name() {
        let shares: Vec<_> = (0..10_000).map(|name| Draws::new(1).share(name)).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        let mean = shares.iter().sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
        assert_eq!(Draws::new(1).share(5), shares[5]);
        assert_ne!(Draws::new(2).share(5), shares[5]);
    }
}
