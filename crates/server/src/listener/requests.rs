//! The requests of one connection, and the deadlines that follow from them. Nothing here waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bounds::Bounds;

/// A client must read a response at this rate at least on average, in bytes per second, once `write_within` is over.
const READ_RATE: u64 = 1_024;

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    header: Duration,
    idle: Duration,
    write: Duration,
}

impl Deadlines {
    pub(super) const fn of(bounds: &Bounds) -> Self {
        let Bounds { header_within, idle_within, write_within, .. } = *bounds;
        Self { header: header_within, idle: idle_within, write: write_within }
    }
}

/// The action due for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing until then.
    Until(Instant),
    /// No request has come in time.
    Silent,
    /// No request is open, and none has been for long.
    Idle,
    /// A response is not read fast enough.
    Slow,
}

impl Verdict {
    /// For the metric.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Until(_) => "none",
            Self::Silent => "silent",
            Self::Idle => "idle",
            Self::Slow => "slow",
        }
    }
}

/// How long a connection has been without a request. Sorted by who is closed first: those that never made a request, then those
/// that made the last one longest ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Idle {
    has_asked: bool,
    since: Instant,
}

/// The requests of one connection.
pub(super) struct Requests {
    state: Mutex<State>,
}

struct State {
    /// Requests that have no response yet, responses that are not sent yet, and streams.
    open: usize,
    idle: Idle,
    /// Responses that the client has still to read, each with its number and its deadline.
    sending: Vec<(u64, Instant)>,
    next: u64,
}

impl Requests {
    /// Of a connection that came at that instant.
    pub(super) fn new(now: Instant) -> Self {
        let idle = Idle { has_asked: false, since: now };
        Self { state: Mutex::new(State { open: 0, idle, sending: Vec::new(), next: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that has come; open until the value is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        let mut state = self.state();
        state.open += 1;
        state.idle.has_asked = true;
        Open { requests: Arc::clone(self) }
    }

    /// Since when no request has been open; `None` while one is.
    pub(super) fn idle(&self) -> Option<Idle> {
        let state = self.state();
        (state.open == 0).then_some(state.idle)
    }

    /// The action due at `now`.
    pub(super) fn look(&self, now: Instant, within: &Deadlines) -> Verdict {
        let state = self.state();
        if state.open > 0 {
            let first = state.sending.iter().map(|(_, deadline)| *deadline).min();
            return match first {
                Some(deadline) if deadline <= now => Verdict::Slow,
                // A response may begin meanwhile, which is to be seen in time.
                first => Verdict::Until(first.unwrap_or(now + within.write)),
            };
        }
        let (most, over) = if state.idle.has_asked {
            (within.idle, Verdict::Idle)
        } else {
            (within.header, Verdict::Silent)
        };
        let deadline = state.idle.since + most;
        if deadline <= now { over } else { Verdict::Until(deadline) }
    }
}

/// A request that has come. It keeps its connection from being idle.
pub(super) struct Open {
    requests: Arc<Requests>,
}

impl Open {
    /// Its response is to be sent from now on.
    pub(super) fn send(self, now: Instant, within: Duration) -> Sending {
        let mut state = self.requests.state();
        let number = state.next;
        state.next += 1;
        let deadline = now + within;
        state.sending.push((number, deadline));
        drop(state);
        Sending { open: self, number, within, last: deadline }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.requests.state();
        state.open = state.open.saturating_sub(1);
        state.idle.since = Instant::now();
    }
}

/// A response that is being sent.
pub(super) struct Sending {
    open: Open,
    number: u64,
    /// How long the client may take for each part.
    within: Duration,
    /// The deadline of the whole, as far as it has been sent.
    last: Instant,
}

impl Sending {
    /// The client has taken what came before, and is offered so many bytes more.
    pub(super) fn goes_on(&mut self, now: Instant, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.last += Duration::from_millis(bytes.saturating_mul(1_000) / READ_RATE);
        let mut state = self.open.requests.state();
        let mine = state.sending.iter_mut().find(|(number, _)| *number == self.number);
        if let Some((_, deadline)) = mine {
            *deadline = self.last.min(now + self.within);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.open.requests.state().sending.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WITHIN: Deadlines = Deadlines {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        write: Duration::from_secs(30),
    };

    #[test]
    fn a_connection_without_a_request_is_silent_after_its_time() {
        let began = Instant::now();
        let requests = Requests::new(began);
        assert_eq!(requests.look(began, &WITHIN), Verdict::Until(began + 10 * SECOND));
        assert_eq!(requests.look(began + 10 * SECOND, &WITHIN), Verdict::Silent);
    }

    #[test]
    fn an_open_request_keeps_a_connection_and_after_it_the_idle_time_begins() {
        let began = Instant::now();
        let requests = Arc::new(Requests::new(began));
        let (one, other) = (requests.open(), requests.open());
        let late = Instant::now() + 100_000 * SECOND;
        assert_eq!(requests.look(late, &WITHIN), Verdict::Until(late + 30 * SECOND));
        drop(one);
        assert!(requests.idle().is_none(), "the other is still open");
        drop(other);
        assert!(requests.idle().is_some());
        let now = Instant::now();
        let Verdict::Until(until) = requests.look(now, &WITHIN) else {
            panic!("it is not idle yet")
        };
        assert!(until <= now + 60 * SECOND && until > now + 59 * SECOND);
        assert_eq!(requests.look(until, &WITHIN), Verdict::Idle);
    }

    #[test]
    fn a_response_must_be_read_within_a_time_that_grows_with_what_was_sent() {
        let began = Instant::now();
        let requests = Arc::new(Requests::new(began));
        let mut sending = requests.open().send(began, WITHIN.write);
        let in_time = Verdict::Until(began + 30 * SECOND);
        assert_eq!(requests.look(began + 29 * SECOND, &WITHIN), in_time);
        sending.goes_on(began + 10 * SECOND, 1_024 * 1_024);
        let in_time = Verdict::Until(began + 40 * SECOND);
        assert_eq!(requests.look(began + 39 * SECOND, &WITHIN), in_time);
        let slow = requests.look(began + 40 * SECOND, &WITHIN);
        assert_eq!(slow, Verdict::Slow, "nothing more was taken");
        drop(sending);
        let mut sending = requests.open().send(began, WITHIN.write);
        for part in 1..=3 {
            sending.goes_on(began + part * 25 * SECOND, 16 * 1_024);
        }
        let slow = requests.look(began + 78 * SECOND, &WITHIN);
        assert_eq!(slow, Verdict::Slow, "48 KiB in 78 s");
        let other = requests.open();
        assert_eq!(
            requests.look(began + 78 * SECOND, &WITHIN),
            Verdict::Slow,
            "another changes nothing"
        );
        drop(sending);
        assert!(matches!(requests.look(began + 78 * SECOND, &WITHIN), Verdict::Until(_)));
        drop(other);
    }

    #[test]
    fn those_that_never_asked_are_closed_before_those_that_did() {
        let now = Instant::now();
        let silent = Idle { has_asked: false, since: now + 5 * SECOND };
        let older = Idle { has_asked: true, since: now };
        let newer = Idle { has_asked: true, since: now + SECOND };
        let mut all = [newer, older, silent];
        all.sort();
        assert_eq!(all, [silent, older, newer]);
    }
}
