//! Keeps the SIDs of one process in the order of their creation.

use std::sync::{Mutex, PoisonError};

/// How far the clock may be behind the last SID, in milliseconds. A clock that is further behind was set back: it begins a new order.
const MAX_BEHIND: u128 = 1_000;
/// The bits after the milliseconds.
const RANDOM_BITS: u32 = 64;

/// Makes each SID greater than the one before. Lists are ordered by SID: a cursor would otherwise skip a SID that was created later in
/// the same millisecond and sorts before it.
#[derive(Debug, Default)]
pub struct Sequence(Mutex<u128>);

impl Sequence {
    /// A sequence without SIDs.
    pub const fn new() -> Self {
        Self(Mutex::new(0))
    }

    /// Raises the leading bytes of a SID, 48 bits of milliseconds and 64 random bits, above those of the last SID if need be, by a random
    /// step of at most 32 bits.
    pub(crate) fn raise(&self, leading: &mut [u8; 14]) {
        let mut drawn = [0; 16];
        drawn[2..].copy_from_slice(leading);
        let drawn = u128::from_be_bytes(drawn);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = (*last >> RANDOM_BITS).saturating_sub(drawn >> RANDOM_BITS);
        let next = if drawn > *last || behind > MAX_BEHIND {
            drawn
        } else {
            *last + 1 + (drawn & u128::from(u32::MAX))
        };
        *last = next;
        leading.copy_from_slice(&next.to_be_bytes()[2..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(sequence: &Sequence, millis: u64, random: u64) -> (u64, u64) {
        let mut leading = [0; 14];
        leading[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        leading[6..].copy_from_slice(&random.to_be_bytes());
        sequence.raise(&mut leading);
        let (millis, random) = leading.split_at(6);
        let read = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        (read(millis), read(random))
    }

    #[test]
    fn a_later_sid_of_the_same_millisecond_is_greater() {
        let sequence = Sequence::default();
        assert_eq!(raised(&sequence, 7, 500), (7, 500));
        assert_eq!(raised(&sequence, 7, 20), (7, 521), "greater by the low bits and one");
        assert_eq!(raised(&sequence, 7, 900), (7, 900));
        assert_eq!(raised(&sequence, 8, 3), (8, 3), "a later millisecond");
        assert_eq!(raised(&sequence, 7, 0), (8, 4), "the clock of another thread was read earlier");
    }

    #[test]
    fn a_full_millisecond_continues_in_the_next() {
        let sequence = Sequence::default();
        assert_eq!(raised(&sequence, 7, u64::MAX), (7, u64::MAX));
        assert_eq!(raised(&sequence, 7, 0), (8, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_a_new_order() {
        let sequence = Sequence::default();
        raised(&sequence, 5_000, 9);
        assert_eq!(raised(&sequence, 4_000, 1), (5_000, 11));
        assert_eq!(raised(&sequence, 3_999, 1), (3_999, 1));
    }
}
