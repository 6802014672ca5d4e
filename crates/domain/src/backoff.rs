//! Attempts in, delay out.

use std::time::Duration;

/// The delay after the first failed attempt.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay. A push lives five minutes at most, so a longer one would be a last one.
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after `attempts` failed ones (1 or more): doubling from one second to thirty, of which a random
/// half is taken off, so that deliveries which failed together do not come back together. `jitter` is any number.
pub fn delay(attempts: u32, jitter: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST);
    whole - whole.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_and_stops_at_half_a_minute() {
        let secs = |attempts| delay(attempts, 0).as_secs();
        assert_eq!([1, 2, 3, 6, 40].map(secs), [1, 2, 4, 30, 30]);
        assert_eq!(delay(1, u32::MAX), Duration::from_millis(500));
    }
}
