//! Which devices have connected while a prompt to them was in flight.
//!
//! Such a prompt went to the older socket. When that socket ends, the prompt is parked, but the newer socket has read its
//! parked prompts already and would not be offered this one until the device connects again. The attempt that parks it
//! therefore looks here, and starts another replay.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_domain::sid::FactorSid;

/// For each device with prompts in flight: their number, and how often the device has connected meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Reconnects(Mutex<HashMap<FactorSid, Device>>);

#[derive(Debug, Default)]
struct Device {
    in_flight: usize,
    connects: u64,
}

/// One prompt in flight to a device.
pub(crate) struct InFlight<'a> {
    reconnects: &'a Reconnects,
    factor: FactorSid,
    connects_before: u64,
}

impl Reconnects {
    /// Counts a prompt as in flight until the returned value is dropped.
    pub(crate) fn begin(&self, factor: FactorSid) -> InFlight<'_> {
        let mut devices = self.lock();
        let device = devices.entry(factor).or_default();
        device.in_flight += 1;
        InFlight { reconnects: self, factor, connects_before: device.connects }
    }

    /// Notes that a device has connected. Call it before its parked deliveries are read.
    pub(crate) fn connected(&self, factor: FactorSid) {
        if let Some(device) = self.lock().get_mut(&factor) {
            device.connects += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FactorSid, Device>> {
        // A panic while holding the lock cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight<'_> {
    /// Whether the device has connected since the prompt was sent.
    pub(crate) fn has_reconnected(&self) -> bool {
        let devices = self.reconnects.lock();
        devices.get(&self.factor).is_some_and(|device| device.connects > self.connects_before)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut devices = self.reconnects.lock();
        if let Some(device) = devices.get_mut(&self.factor) {
            device.in_flight -= 1;
            if device.in_flight == 0 {
                devices.remove(&self.factor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);

    #[test]
    fn only_a_connect_after_the_send_counts() {
        let reconnects = Reconnects::default();
        reconnects.connected(PHONE);
        let first = reconnects.begin(PHONE);
        assert!(!first.has_reconnected());
        reconnects.connected(PHONE);
        let second = reconnects.begin(PHONE);
        assert!(first.has_reconnected() && !second.has_reconnected());
        drop(first);
        reconnects.connected(PHONE);
        assert!(second.has_reconnected());
        drop(second);
        assert!(reconnects.lock().is_empty());
    }
}
