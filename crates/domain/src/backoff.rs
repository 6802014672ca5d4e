//! The delay between attempts.

use std::time::Duration;

/// The delay after the first failed attempt.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest delay. A push is valid for five minutes at most, so a longer delay would often be the last one.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The delay after `attempts` failed attempts (1 or more): 1 s, doubling to 30 s, minus up to half as jitter, so that deliveries
/// that failed together are not retried together. `jitter` is a random number.
pub fn delay(attempts: u32, jitter: u32) -> Duration {
    let whole =
        FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_DELAY);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_30_seconds() {
        let secs = |attempts| delay(attempts, 0).as_secs();
        assert_eq!([1, 2, 3, 6, 40].map(secs), [1, 2, 4, 30, 30]);
        assert_eq!(delay(1, u32::MAX), Duration::from_millis(500));
    }
}
