//! Records received requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The last entries, oldest first, and the number of all.
#[derive(Debug)]
pub struct Ledger<T> {
    kept: Mutex<VecDeque<T>>,
    keep: usize,
    total: watch::Sender<u64>,
}

impl<T: Clone> Ledger<T> {
    /// Keeps the last `keep` entries, which bounds the memory of a stand-in under load.
    pub(crate) fn new(keep: usize) -> Self {
        Self { kept: Mutex::default(), keep, total: watch::Sender::new(0) }
    }

    pub(crate) fn record(&self, entry: T) {
        let mut kept = self.kept();
        if self.keep > 0 {
            if kept.len() == self.keep {
                kept.pop_front();
            }
            kept.push_back(entry);
        }
        // Under the lock, so that a reader of the count also finds the entry.
        self.total.send_modify(|total| *total += 1);
    }

    /// The kept entries.
    pub fn all(&self) -> Vec<T> {
        self.kept().iter().cloned().collect()
    }

    /// The number of all entries, kept or not.
    pub fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// Removes all entries and restarts the count at 0.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.clear();
        self.total.send_replace(0);
    }

    /// Waits until the total exceeds `seen`. Returns the kept entries after those, and the new total.
    pub async fn after(&self, seen: u64) -> (Vec<T>, u64) {
        // Cannot fail: the sender lives as long as `self`.
        let _ = self.total.subscribe().wait_for(|total| *total > seen).await;
        let kept = self.kept();
        let total = *self.total.borrow();
        let new = usize::try_from(total.saturating_sub(seen)).unwrap_or(usize::MAX);
        (kept.iter().skip(kept.len().saturating_sub(new)).cloned().collect(), total)
    }

    /// Waits until the total is `n`; returns the kept entries.
    pub async fn wait_for(&self, n: u64) -> Vec<T> {
        // Cannot fail: the sender lives as long as `self`.
        let _ = self.total.subscribe().wait_for(|total| *total >= n).await;
        self.all()
    }

    /// Waits until `is_it` accepts the kept entries; returns them.
    pub async fn wait_until(&self, is_it: impl Fn(&[T]) -> bool) -> Vec<T> {
        let mut total = self.total.subscribe();
        loop {
            total.mark_unchanged();
            let all = self.all();
            if is_it(&all) || total.changed().await.is_err() {
                return all;
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn waiting_ends_at_the_total() {
        let ledger = Arc::new(Ledger::new(10));
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { (ledger.wait_for(2).await, ledger.wait_until(|all| all.contains(&3)).await) }
        });
        for entry in 1..=3 {
            tokio::task::yield_now().await;
            ledger.record(entry);
        }
        let (two, three) = waiting.await.unwrap();
        assert!(two.starts_with(&[1, 2]));
        assert_eq!(three, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_follower_reads_each_entry_once() {
        let ledger = Ledger::new(2);
        ledger.record(1);
        assert_eq!(ledger.after(0).await, (vec![1], 1));
        (2..=5).for_each(|entry| ledger.record(entry));
        assert_eq!(ledger.after(1).await, (vec![4, 5], 5), "the kept entries");
    }

    #[test]
    fn the_last_entries_are_kept_and_all_are_counted() {
        let ledger = Ledger::new(2);
        (1..=5).for_each(|entry| ledger.record(entry));
        assert_eq!((ledger.all(), ledger.total()), (vec![4, 5], 5));
        ledger.clear();
        assert_eq!((ledger.all(), ledger.total()), (vec![], 0));
    }
}
