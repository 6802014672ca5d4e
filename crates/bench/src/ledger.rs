//! Accounts for every notification: those accepted with 201, and those that devices received.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::load::Observer;
use crate::stats::Histogram;

/// The 32 digits of a notification's SID.
pub(crate) type Sid = u128;

/// An accepted notification.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    pub(crate) sid: Sid,
    /// The number of its request.
    pub(crate) request: u64,
    /// The scheduled start of its request.
    pub(crate) start: Instant,
}

/// Collects accepted notifications while a load runs.
#[derive(Clone, Default)]
pub(crate) struct AcceptedLog {
    made: Arc<Mutex<Vec<Accepted>>>,
}

impl AcceptedLog {
    pub(crate) fn observer(&self) -> Observer {
        let made = Arc::clone(&self.made);
        Arc::new(move |request, start, answer| {
            if let Some(sid) = sid_after(answer.body, br#""sid":"NT"#) {
                let accepted = Accepted { sid, request, start };
                made.lock().unwrap_or_else(PoisonError::into_inner).push(accepted);
            }
        })
    }

    pub(crate) fn take(&self) -> Vec<Accepted> {
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Accepted notifications compared with received ones.
#[derive(Default)]
pub(crate) struct Reconciliation {
    /// Accepted and never received.
    pub(crate) missing: Vec<Accepted>,
    /// Received again, in all.
    pub(crate) duplicated: u64,
    /// Received after the TTL.
    pub(crate) late: u64,
    /// Received and never accepted: the response was lost, or was not 201.
    pub(crate) unknown: u64,
    /// From the start of the request to the first frame.
    pub(crate) latency: Histogram,
    /// First frames between the two instants.
    pub(crate) within: u64,
}

impl Reconciliation {
    /// Compares accepted notifications and frames. `window` is the time of [`within`](Self::within), and latencies
    /// are those of requests that began in it.
    pub(crate) fn of(
        accepted: &[Accepted],
        frames: &[(Sid, Instant)],
        ttl: Duration,
        window: (Instant, Instant),
    ) -> Self {
        let mut reconciliation = Self::default();
        let mut first: HashMap<Sid, (Instant, bool)> = HashMap::with_capacity(frames.len());
        for (sid, at) in frames {
            match first.entry(*sid) {
                std::collections::hash_map::Entry::Occupied(_) => reconciliation.duplicated += 1,
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert((*at, false));
                    reconciliation.within += u64::from(*at >= window.0 && *at < window.1);
                }
            }
        }
        for notification in accepted {
            let Some((at, is_known)) = first.get_mut(&notification.sid) else {
                reconciliation.missing.push(*notification);
                continue;
            };
            *is_known = true;
            let took = at.saturating_duration_since(notification.start);
            reconciliation.late += u64::from(took >= ttl);
            if notification.start >= window.0 {
                reconciliation.latency.record(took);
            }
        }
        reconciliation.unknown = first.values().filter(|(_, is_known)| !is_known).count() as u64;
        reconciliation
    }
}

/// The SID whose digits follow `mark`.
pub(crate) fn sid_after(text: &[u8], mark: &[u8]) -> Option<Sid> {
    let at = text.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits = str::from_utf8(text.get(at..at + 32)?).ok()?;
    Sid::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_notification_is_accounted_for() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let accepted = |sid, start| Accepted { sid, request: 0, start: at(start) };
        let accepted = [accepted(1, 0), accepted(2, 10), accepted(3, 20), accepted(4, 30)];
        // 1 comes twice, 2 never, 3 too late, 9 was not promised
        let frames = [(1, at(5)), (1, at(6)), (3, at(2_000)), (4, at(31)), (9, at(40))];
        let reconciliation =
            Reconciliation::of(&accepted, &frames, Duration::from_secs(1), (at(0), at(100)));
        let missing: Vec<_> = reconciliation.missing.iter().map(|accepted| accepted.sid).collect();
        assert_eq!(missing, [2]);
        assert_eq!(
            (reconciliation.duplicated, reconciliation.late, reconciliation.unknown),
            (1, 1, 1)
        );
        assert_eq!((reconciliation.within, reconciliation.latency.count()), (3, 3));
    }

    #[test]
    fn a_sid_is_found_by_its_prefix() {
        let text = br#"{"sid":"NT000000000000000000000000000000ff","x":1}"#;
        assert_eq!(sid_after(text, br#""sid":"NT"#), Some(255));
        assert_eq!(sid_after(&text[..30], br#""sid":"NT"#), None);
        assert_eq!(sid_after(b"", br#""sid":"NT"#), None);
    }
}
