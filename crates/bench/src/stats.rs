//! Numbers about many numbers: a histogram of latencies, and the median and spread of repeats.

use std::time::Duration;

/// Buckets per power of two, as a power of two: a reading is off by less than 1 %.
const FINENESS: u32 = 7;
const PER_OCTAVE: u64 = 1 << FINENESS;
/// From a nanosecond to the end of `u64`.
const BUCKETS: usize = (64 - FINENESS as usize + 1) << FINENESS;

/// How often each latency was seen. Its size is fixed, whatever is recorded.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one more.
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanos);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The latency that `share` (0 to 1) of all stay within, in milliseconds. `None` without any.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let wanted = share * self.total as f64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return Some(millis(upper_end(bucket).min(self.longest)));
            }
        }
        Some(millis(self.longest))
    }

    /// The longest of all, in milliseconds.
    pub(crate) fn longest_ms(&self) -> f64 {
        millis(self.longest)
    }
}

fn bucket(nanos: u64) -> usize {
    let octave = (63 - nanos.max(1).leading_zeros()).saturating_sub(FINENESS);
    let within = (nanos >> octave) + u64::from(octave) * PER_OCTAVE;
    usize::try_from(within).unwrap_or(BUCKETS - 1)
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * PER_OCTAVE {
        return bucket;
    }
    let octave = bucket / PER_OCTAVE - 1;
    let first = (bucket - octave * PER_OCTAVE) << octave;
    first + ((1 << octave) - 1)
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// The middle of some readings and their extremes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one reading.
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
    fn every_latency_has_a_bucket_that_is_off_by_less_than_one_percent() {
        for shift in 0..64 {
            for nanos in [1_u64 << shift, (1 << shift) | (1 << shift >> 3), !0 >> shift] {
                let bucket = bucket(nanos);
                assert!(bucket < BUCKETS, "{nanos}");
                let end = upper_end(bucket);
                assert!(end >= nanos, "{nanos} is beyond {end}");
                assert!((end - nanos) as f64 <= nanos as f64 / 100.0, "{nanos} reads {end}");
            }
        }
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
        assert_eq!((latencies.count(), latencies.longest_ms()), (1_000, 1_000.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of(&[]), None);
    }
}
