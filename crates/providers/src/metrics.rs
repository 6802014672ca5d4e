//! What an operator can measure of push services. No label names a tenant.

use metrics::{Gauge, counter, gauge};

/// The series of a platform's circuits are there from the start, at zero.
pub(crate) fn circuits(platform: &'static str) {
    open(platform).increment(0.0);
    counter!("countersign_push_circuit_openings_total", "platform" => platform).increment(0);
}

fn open(platform: &'static str) -> Gauge {
    gauge!("countersign_push_circuits_open", "platform" => platform)
}

/// A circuit that is not closed. Counted from when it opens until it closes, or is forgotten with its ward.
pub(crate) struct OpenCircuit(Gauge);

impl OpenCircuit {
    /// One opens.
    pub(crate) fn new(platform: &'static str) -> Self {
        counter!("countersign_push_circuit_openings_total", "platform" => platform).increment(1);
        let gauge = open(platform);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for OpenCircuit {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
