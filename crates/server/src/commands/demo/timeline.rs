//! Events with their times, printed in order.

use std::time::{Duration, Instant};

use crate::commands::phone::screen::Paint;

/// Events since the start.
pub(super) struct Timeline {
    zero: Instant,
    paint: Paint,
    events: Vec<(Instant, String)>,
}

impl Timeline {
    pub(super) fn starting(zero: Instant, paint: Paint) -> Self {
        Self { zero, paint, events: Vec::new() }
    }

    /// Records an event; it need not be the latest.
    pub(super) fn note(&mut self, at: Instant, what: impl Into<String>) {
        self.events.push((at, what.into()));
    }

    /// Restarts the timeline: offsets count from `zero` from now on.
    pub(super) fn restart(&mut self, zero: Instant) {
        self.zero = zero;
    }

    /// Records an event that happened just now.
    pub(super) fn note_now(&mut self, what: impl Into<String>) {
        self.note(Instant::now(), what);
    }

    /// Prints the events that have not been printed.
    pub(super) fn print(&mut self) {
        self.events.sort_by_key(|(at, _)| *at);
        for (at, what) in self.events.drain(..) {
            let offset = millis(at.saturating_duration_since(self.zero));
            println!("  {}  {what}", self.paint.dim(format_args!("{offset:>10}")));
        }
    }
}

/// Also prints the events of a chapter that failed.
impl Drop for Timeline {
    fn drop(&mut self) {
        // printing may be what panicked
        if !std::thread::panicking() {
            self.print();
        }
    }
}

/// A duration in milliseconds: `12.3 ms`.
pub(super) fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1_000.0)
}

/// A shortened SID, for recognition.
pub(super) fn short(sid: &str) -> String {
    match (sid.get(..2), sid.get(sid.len().saturating_sub(6)..)) {
        (Some(kind), Some(end)) if sid.len() > 8 => format!("{kind}…{end}"),
        _ => sid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_and_spans_are_short() {
        assert_eq!(short("NT0123456789abcdef0123456789abcdef"), "NT…abcdef");
        assert_eq!(short("NT1"), "NT1");
        assert_eq!(millis(Duration::from_micros(1_250)), "1.2 ms");
    }
}
