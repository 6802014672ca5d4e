//! Statistics: a histogram of latencies, and the median and spread of repeats.

use std::time::Duration;

/// Significant decimal digits: a reading is off by less than 1 %.
const SIGNIFICANT_DIGITS: u8 = 2;
/// The longest latency that is told apart, an hour in nanoseconds. Longer ones count as this long.
const NANOS_MAX: u64 = 3_600_000_000_000;

/// A histogram of latencies. Its size is fixed.
#[derive(Clone)]
pub(crate) struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        let counts = hdrhistogram::Histogram::new_with_max(NANOS_MAX, SIGNIFICANT_DIGITS);
        Self(counts.expect("these bounds are valid"))
    }
}

impl Histogram {
    /// Counts a latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The number of latencies.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that `share` (0 to 1) of all stay within, in milliseconds. `None` without any.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| millis(self.0.value_at_quantile(share)))
    }

    /// The longest of all, in milliseconds.
    pub(crate) fn longest_ms(&self) -> f64 {
        millis(self.0.max())
    }
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// The median and the extremes of some readings.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// The spread of the readings; `None` without any.
    pub(crate) fn of(readings: &[f64]) -> Option<Self> {
        let mut sorted = readings.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { median, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_read_to_less_than_one_percent() {
        for shift in 0..41 {
            for nanos in [1_u64 << shift, (1 << shift) | (1 << shift >> 3), (2 << shift) - 1] {
                let mut latencies = Histogram::default();
                latencies.record(Duration::from_nanos(nanos));
                for read in [latencies.quantile_ms(0.5).unwrap(), latencies.longest_ms()] {
                    let off = (read - millis(nanos)).abs();
                    assert!(off <= millis(nanos) / 100.0, "{nanos} reads {read}");
                }
            }
        }
    }

    #[test]
    fn a_latency_beyond_the_longest_counts_as_the_longest() {
        let mut latencies = Histogram::default();
        latencies.record(Duration::MAX);
        assert_eq!(latencies.count(), 1);
        let hour = millis(NANOS_MAX);
        assert!((latencies.longest_ms() - hour).abs() <= hour / 100.0);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut latencies = Histogram::default();
        assert_eq!(latencies.quantile_ms(0.5), None);
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis));
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let read = latencies.quantile_ms(share).unwrap();
            assert!((read - expected).abs() < expected / 100.0, "{share}: {read}");
        }
        assert_eq!(latencies.count(), 1_000);
        assert!((latencies.longest_ms() - 1_000.0).abs() < 10.0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of(&[]), None);
    }
}
