//! Counts by key within a window of time, for a limited number of keys.

use std::hash::Hash;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use moka::ops::compute::Op;
use moka::sync::Cache;

/// Counts each key within a window that begins with its first count. Beyond its capacity it forgets the keys that are used
/// least.
pub struct Tally<K> {
    windows: Cache<K, Window>,
    length: Duration,
}

/// The window of one key.
#[derive(Clone, Copy)]
struct Window {
    began: Monotonic,
    count: u32,
}

impl<K: Hash + Eq + Send + Sync + 'static> Tally<K> {
    /// Creates a tally with windows of a length, for at most `capacity` keys.
    pub fn new(length: Duration, capacity: u64) -> Self {
        Self { windows: Cache::new(capacity), length }
    }

    /// Counts a key once more, and returns its count before. Concurrent calls are all counted.
    pub fn add(&self, key: K, now: Monotonic) -> u32 {
        let counted = self.windows.entry(key).and_upsert_with(|entry| {
            let known =
                entry.map(moka::Entry::into_value).filter(|window| self.is_open(*window, now));
            let Window { began, count } = known.unwrap_or(Window { began: now, count: 0 });
            Window { began, count: count.saturating_add(1) }
        });
        counted.into_value().count.saturating_sub(1)
    }

    /// Takes one count of a key back, if its window is still open.
    pub fn take_back(&self, key: K, now: Monotonic) {
        self.windows.entry(key).and_compute_with(|entry| {
            match entry.map(moka::Entry::into_value) {
                Some(window) if self.is_open(window, now) => {
                    Op::Put(Window { count: window.count.saturating_sub(1), ..window })
                }
                _ => Op::Nop,
            }
        });
    }

    /// Returns the count of a key, and how long its window stays open.
    pub fn read(&self, key: &K, now: Monotonic) -> (u32, Duration) {
        match self.windows.get(key).filter(|window| self.is_open(*window, now)) {
            Some(Window { began, count }) => (count, (began + self.length).since(now)),
            None => (0, Duration::ZERO),
        }
    }

    fn is_open(&self, window: Window, now: Monotonic) -> bool {
        now < window.began + self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_window_begins_with_the_first_count_and_all_its_counts_end_with_it() {
        let tally = Tally::new(MINUTE, 10);
        let began = Monotonic::default() + Duration::from_secs(5);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(
            (tally.add("a", at(0)), tally.add("a", at(59)), tally.add("b", at(59))),
            (0, 1, 0)
        );
        assert_eq!(tally.read(&"a", at(59)), (2, Duration::from_secs(1)));
        assert_eq!(tally.read(&"a", at(60)), (0, Duration::ZERO));
        assert_eq!(tally.add("a", at(60)), 0);
    }

    #[test]
    fn a_count_that_is_taken_back_is_not_counted() {
        let (tally, now) = (Tally::new(MINUTE, 10), Monotonic::default());
        tally.take_back("a", now);
        tally.add("a", now);
        tally.add("a", now);
        tally.take_back("a", now);
        assert_eq!(tally.read(&"a", now).0, 1);
        tally.take_back("a", now + MINUTE);
        assert_eq!(tally.read(&"a", now + MINUTE).0, 0);
    }

    #[test]
    fn concurrent_counts_are_all_counted() {
        let (tally, now) = (Tally::new(MINUTE, 10), Monotonic::default());
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..250 {
                        tally.add("a", now);
                    }
                });
            }
        });
        assert_eq!(tally.read(&"a", now).0, 1_000);
    }
}
