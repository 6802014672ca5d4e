//! Which devices have connected while a prompt to them was on its way.
//!
//! Such a prompt went to the older socket. When that ends, the prompt is parked, after the newer socket had its parked
//! prompts read: nobody would offer it until the device connects once more. So whoever parks it looks here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::FactorSid;

/// Prompts on their way, by device, and how often the device has connected meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Visits(Mutex<HashMap<FactorSid, Seen>>);

#[derive(Debug, Default)]
struct Seen {
    on_their_way: usize,
    connects: u64,
}

/// One prompt on its way to a device.
pub(crate) struct Visit<'a> {
    visits: &'a Visits,
    factor: FactorSid,
    before: u64,
}

impl Visits {
    /// A prompt sets out.
    pub(crate) fn begin(&self, factor: FactorSid) -> Visit<'_> {
        let mut all = self.lock();
        let seen = all.entry(factor).or_default();
        seen.on_their_way += 1;
        Visit { visits: self, factor, before: seen.connects }
    }

    /// A device has connected. To be told before its parked deliveries are read.
    pub(crate) fn connected(&self, factor: FactorSid) {
        if let Some(seen) = self.lock().get_mut(&factor) {
            seen.connects += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FactorSid, Seen>> {
        // A panic while holding the lock cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit<'_> {
    /// Whether the device has connected since the prompt set out.
    pub(crate) fn was_met(&self) -> bool {
        let all = self.visits.lock();
        all.get(&self.factor).is_some_and(|seen| seen.connects > self.before)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut all = self.visits.lock();
        if let Some(seen) = all.get_mut(&self.factor) {
            seen.on_their_way -= 1;
            if seen.on_their_way == 0 {
                all.remove(&self.factor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);

    #[test]
    fn only_those_on_their_way_are_met() {
        let visits = Visits::default();
        visits.connected(PHONE);
        let first = visits.begin(PHONE);
        assert!(!first.was_met());
        visits.connected(PHONE);
        let second = visits.begin(PHONE);
        assert!(first.was_met() && !second.was_met());
        drop(first);
        visits.connected(PHONE);
        assert!(second.was_met());
        drop(second);
        assert!(visits.lock().is_empty());
    }
}
