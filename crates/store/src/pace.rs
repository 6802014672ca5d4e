//! How far apart batches of writes begin.

use std::time::Duration;

/// Every commit costs a sync of the disk and a handful of wake-ups, however little is in it. So a store that is busy keeps
/// its next batch waiting, that more gathers in it. What comes alone goes alone: a commit takes longer than one command has
/// the next one wait.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What each command of a batch adds.
    pub each: Duration,
    /// And no more than this in all.
    pub most: Duration,
}

impl Pace {
    /// How long after the beginning of a batch of so many commands the next one begins at the earliest.
    #[must_use]
    pub fn after(&self, commands: usize) -> Duration {
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.each.saturating_mul(commands).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_batch_keeps_the_next_one_waiting_but_not_for_long() {
        let pace = Pace { each: Duration::from_micros(100), most: Duration::from_millis(2) };
        assert_eq!(pace.after(0), Duration::ZERO);
        assert_eq!(pace.after(3), Duration::from_micros(300));
        assert_eq!(pace.after(500), pace.most);
        assert_eq!(pace.after(usize::MAX), pace.most);
    }
}
