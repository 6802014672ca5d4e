//! The metrics of push services. No label names a tenant.

use metrics::{Gauge, counter, gauge};

/// Creates the series of a platform's circuits, at zero.
pub(crate) fn init_circuits(platform: &'static str) {
    open(platform).increment(0.0);
    counter!("countersign_push_circuit_openings_total", "platform" => platform).increment(0);
}

fn open(platform: &'static str) -> Gauge {
    gauge!("countersign_push_circuits_open", "platform" => platform)
}

/// Counts a circuit from when it opens until it closes or its destination is removed.
pub(crate) struct OpenCircuit(Gauge);

impl OpenCircuit {
    /// Counts an opening.
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
