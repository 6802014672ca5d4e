//! The checksum of SQLite's file format (<https://sqlite.org/fileformat2.html#checksum_algorithm>): two sums of 32 bits over pairs of
//! words. Every change of a single word changes it.

/// The order of bytes in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// The two sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum(pub(crate) u32, pub(crate) u32);

impl Sum {
    /// Both as one number.
    pub(crate) fn joined(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.1)
    }

    /// The sum with a further pair of words.
    fn with(self, words: (u32, u32)) -> Self {
        let first = self.0.wrapping_add(words.0).wrapping_add(self.1);
        Self(first, self.1.wrapping_add(words.1).wrapping_add(first))
    }
}

impl Order {
    fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn pair(self, bytes: &[u8; 8]) -> (u32, u32) {
        let [a, b, c, d, e, f, g, h] = *bytes;
        (self.word([a, b, c, d]), self.word([e, f, g, h]))
    }

    /// Continues a checksum over more bytes, whose number is a multiple of eight.
    pub(crate) fn add(self, sum: Sum, bytes: &[u8]) -> Sum {
        bytes.as_chunks().0.iter().fold(sum, |sum, pair| sum.with(self.pair(pair)))
    }
}

/// Whether one other bit in the bytes would turn a checksum into the wanted one. The effect of a bit depends on its place alone, so no
/// checksum is made again.
pub(crate) fn repairing_bit(order: Order, parts: [&[u8]; 2], have: Sum, want: Sum) -> bool {
    let wanted = Sum(want.0.wrapping_sub(have.0), want.1.wrapping_sub(have.1));
    // The change of the checksum for 1 more in either word of the last pair.
    let (mut first, mut second) = (Sum(1, 1), Sum(0, 1));
    for part in parts.iter().rev() {
        for pair in part.as_chunks().0.iter().rev() {
            let (one, other) = order.pair(pair);
            if has_bit(one, first, wanted) || has_bit(other, second, wanted) {
                return true;
            }
            (first, second) = (first.with((0, 0)), second.with((0, 0)));
        }
    }
    false
}

/// Whether another bit in a word adds what is wanted, where 1 adds `one`.
fn has_bit(word: u32, one: Sum, wanted: Sum) -> bool {
    (0..32).map(|bit| 1_u32 << bit).any(|bit| {
        let change = if word & bit == 0 { bit } else { bit.wrapping_neg() };
        Sum(one.0.wrapping_mul(change), one.1.wrapping_mul(change)) == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_sqlite() {
        // The header of a log that SQLite wrote.
        let head = [
            0x37, 0x7f, 0x06, 0x82, 0x00, 0x2d, 0xe2, 0x18, 0x00, 0x00, 0x10, 0x00, 0, 0, 0, 0, 1,
            2, 3, 4, 5, 6, 7, 8,
        ];
        let by_hand = |words: [u32; 6]| {
            let (mut s1, mut s2) = (0_u32, 0_u32);
            for pair in words.chunks(2) {
                s1 = s1.wrapping_add(pair[0]).wrapping_add(s2);
                s2 = s2.wrapping_add(pair[1]).wrapping_add(s1);
            }
            Sum(s1, s2)
        };
        let words = [0x377f_0682, 0x002d_e218, 4_096, 0, 0x0102_0304, 0x0506_0708];
        assert_eq!(Order::Big.add(Sum::default(), &head), by_hand(words));
        let little = words.map(u32::swap_bytes);
        assert_eq!(Order::Little.add(Sum::default(), &head), by_hand(little));
    }

    #[test]
    fn one_wrong_bit_is_found_wherever_it_is_and_many_are_not_one() {
        let bytes: Vec<u8> = (0..256_u32).map(|at| (at * 37 % 251) as u8).collect();
        let sum = |bytes: &[u8]| Order::Big.add(Sum(7, 9), bytes);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let parts = [&wrong[..64], &wrong[64..]];
            assert!(repairing_bit(Order::Big, parts, sum(&wrong), sum(&bytes)), "bit {bit}");
            wrong[100..164].fill(0x5a);
            let parts = [&wrong[..64], &wrong[64..]];
            assert!(!repairing_bit(Order::Big, parts, sum(&wrong), sum(&bytes)), "bit {bit}");
        }
    }
}
