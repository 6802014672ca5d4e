//! Predictable bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_domain::sequence::Sequence;
use countersign_domain::world::Entropy;

/// Equal seeds give equal bytes (SplitMix64). Clones continue one sequence.
#[derive(Debug, Clone)]
pub struct SeededEntropy {
    state: Arc<AtomicU64>,
    sequence: Option<Arc<Sequence>>,
}

impl SeededEntropy {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(AtomicU64::new(seed)), sequence: None }
    }

    /// The same, with SIDs that grow within a millisecond, as those of a server do.
    #[must_use]
    pub fn ordered(self) -> Self {
        Self { sequence: Some(Arc::default()), ..self }
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut word = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    fn sequence(&self) -> Option<&Sequence> {
        self.sequence.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_domain::world::random;

    #[test]
    fn equal_seeds_give_equal_bytes() {
        let (one, same) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(random::<20>(&one), random::<20>(&same));
        assert_ne!(random::<20>(&one), random::<20>(&SeededEntropy::new(8)));
    }
}
