//! The requests of one connection and their deadlines. Nothing here waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bounds::Bounds;

/// The average rate in bytes per second at which a client must read a response after `write_within`.
const READ_RATE_MIN: u64 = 1_024;

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

/// The state of a connection's deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timeout {
    /// No deadline passes before this instant.
    Until(Instant),
    /// The first request did not arrive in time.
    Silent,
    /// No request has been open for too long.
    Idle,
    /// A response is read too slowly.
    Slow,
}

impl Timeout {
    /// The label of the metric.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Until(_) => "none",
            Self::Silent => "silent",
            Self::Idle => "idle",
            Self::Slow => "slow",
        }
    }
}

/// How long a connection has been idle, sorted by which is closed first: those without any request, then those whose
/// last request is the oldest.
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
    /// Requests without a response, responses that are not sent yet, and streams.
    open: usize,
    idle: Idle,
    /// Responses that the client has not read yet, each with its number and its deadline.
    sending: Vec<(u64, Instant)>,
    next: u64,
}

impl Requests {
    /// The requests of a connection that arrived at `now`.
    pub(super) fn new(now: Instant) -> Self {
        let idle = Idle { has_asked: false, since: now };
        Self { state: Mutex::new(State { open: 0, idle, sending: Vec::new(), next: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update is a single assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a request, until the value is dropped.
    pub(super) fn open(self: &Arc<Self>) -> OpenRequest {
        let mut state = self.state();
        state.open += 1;
        state.idle.has_asked = true;
        OpenRequest { requests: Arc::clone(self) }
    }

    /// How long no request has been open; `None` while one is.
    pub(super) fn idle(&self) -> Option<Idle> {
        let state = self.state();
        (state.open == 0).then_some(state.idle)
    }

    /// The state of the deadlines at `now`.
    pub(super) fn check_timeouts(&self, now: Instant, within: &Deadlines) -> Timeout {
        let state = self.state();
        if state.open > 0 {
            let first = state.sending.iter().map(|(_, deadline)| *deadline).min();
            return match first {
                Some(deadline) if deadline <= now => Timeout::Slow,
                // A response may begin meanwhile; its deadline must be noticed.
                first => Timeout::Until(first.unwrap_or(now + within.write)),
            };
        }
        let (most, over) = if state.idle.has_asked {
            (within.idle, Timeout::Idle)
        } else {
            (within.header, Timeout::Silent)
        };
        let deadline = state.idle.since + most;
        if deadline <= now { over } else { Timeout::Until(deadline) }
    }
}

/// An open request. It keeps its connection from being idle.
pub(super) struct OpenRequest {
    requests: Arc<Requests>,
}

impl OpenRequest {
    /// Starts to send its response.
    pub(super) fn send(self, now: Instant, within: Duration) -> SendingResponse {
        let mut state = self.requests.state();
        let number = state.next;
        state.next += 1;
        let deadline = now + within;
        state.sending.push((number, deadline));
        drop(state);
        SendingResponse { open: self, number, within, last: deadline, waits_since: None }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.requests.state();
        state.open = state.open.saturating_sub(1);
        state.idle.since = Instant::now();
    }
}

/// The longest wait for the next part of a body. The handler that produces it has its own deadlines.
const MAKING_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A response that is being sent.
pub(super) struct SendingResponse {
    open: OpenRequest,
    number: u64,
    /// The time in which the client must read each part.
    within: Duration,
    /// The deadline of everything that has been sent so far.
    last: Instant,
    /// Since when the client has been waiting for the next part.
    waits_since: Option<Instant>,
}

impl SendingResponse {
    /// The client has taken the previous part, and is offered `bytes` more.
    pub(super) fn advance(&mut self, now: Instant, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(since) = self.waits_since.take() {
            self.last += now.saturating_duration_since(since);
        }
        self.last += Duration::from_millis(bytes.saturating_mul(1_000) / READ_RATE_MIN);
        self.set_deadline(self.last.min(now + self.within));
    }

    /// The client has taken everything, and the next part is not made yet: the client is not slow meanwhile.
    pub(super) fn wait(&mut self, now: Instant) {
        if self.waits_since.is_none() {
            self.waits_since = Some(now);
            self.set_deadline(now + MAKING_MAX);
        }
    }

    fn set_deadline(&self, deadline: Instant) {
        let mut state = self.open.requests.state();
        let mine = state.sending.iter_mut().find(|(number, _)| *number == self.number);
        if let Some((_, of_mine)) = mine {
            *of_mine = deadline;
        }
    }
}

impl Drop for SendingResponse {
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
    fn a_connection_without_a_request_is_silent_after_its_deadline() {
        let began = Instant::now();
        let requests = Requests::new(began);
        assert_eq!(requests.check_timeouts(began, &WITHIN), Timeout::Until(began + 10 * SECOND));
        assert_eq!(requests.check_timeouts(began + 10 * SECOND, &WITHIN), Timeout::Silent);
    }

    #[test]
    fn an_open_request_keeps_a_connection_and_after_it_the_idle_time_begins() {
        let began = Instant::now();
        let requests = Arc::new(Requests::new(began));
        let (one, other) = (requests.open(), requests.open());
        let late = Instant::now() + 100_000 * SECOND;
        assert_eq!(requests.check_timeouts(late, &WITHIN), Timeout::Until(late + 30 * SECOND));
        drop(one);
        assert!(requests.idle().is_none(), "the other is still open");
        drop(other);
        assert!(requests.idle().is_some());
        let now = Instant::now();
        let Timeout::Until(until) = requests.check_timeouts(now, &WITHIN) else {
            panic!("it is not idle yet")
        };
        assert!(until <= now + 60 * SECOND && until > now + 59 * SECOND);
        assert_eq!(requests.check_timeouts(until, &WITHIN), Timeout::Idle);
    }

    #[test]
    fn the_time_to_read_a_response_grows_with_its_length() {
        let began = Instant::now();
        let requests = Arc::new(Requests::new(began));
        let mut sending = requests.open().send(began, WITHIN.write);
        let in_time = Timeout::Until(began + 30 * SECOND);
        assert_eq!(requests.check_timeouts(began + 29 * SECOND, &WITHIN), in_time);
        sending.advance(began + 10 * SECOND, 1_024 * 1_024);
        let in_time = Timeout::Until(began + 40 * SECOND);
        assert_eq!(requests.check_timeouts(began + 39 * SECOND, &WITHIN), in_time);
        let slow = requests.check_timeouts(began + 40 * SECOND, &WITHIN);
        assert_eq!(slow, Timeout::Slow, "nothing more was taken");
        drop(sending);
        let mut sending = requests.open().send(began, WITHIN.write);
        for part in 1..=3 {
            sending.advance(began + part * 25 * SECOND, 16 * 1_024);
        }
        let slow = requests.check_timeouts(began + 78 * SECOND, &WITHIN);
        assert_eq!(slow, Timeout::Slow, "48 KiB in 78 s");
        let other = requests.open();
        assert_eq!(
            requests.check_timeouts(began + 78 * SECOND, &WITHIN),
            Timeout::Slow,
            "another changes nothing"
        );
        drop(sending);
        assert!(matches!(requests.check_timeouts(began + 78 * SECOND, &WITHIN), Timeout::Until(_)));
        drop(other);
    }

    /// As with a stream of events, which sends little and rarely.
    #[test]
    fn a_client_is_not_slow_while_the_response_is_being_made() {
        let began = Instant::now();
        let requests = Arc::new(Requests::new(began));
        let mut sending = requests.open().send(began, WITHIN.write);
        for minute in 0..10 {
            let now = began + minute * 60 * SECOND;
            sending.advance(now, 10);
            let slow = requests.check_timeouts(now + 31 * SECOND, &WITHIN);
            assert_eq!(slow, Timeout::Slow, "it does not take these bytes");
            sending.wait(now + SECOND);
            sending.wait(now + 2 * SECOND);
            let fine = requests.check_timeouts(now + 60 * SECOND, &WITHIN);
            assert!(matches!(fine, Timeout::Until(_)), "{minute}");
        }
    }

    #[test]
    fn connections_without_a_request_are_closed_first() {
        let now = Instant::now();
        let silent = Idle { has_asked: false, since: now + 5 * SECOND };
        let older = Idle { has_asked: true, since: now };
        let newer = Idle { has_asked: true, since: now + SECOND };
        let mut all = [newer, older, silent];
        all.sort();
        assert_eq!(all, [silent, older, newer]);
    }
}
