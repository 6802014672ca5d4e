//! A device stream that reconnects.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::close::Closed;
use crate::error::{ApiError, PhoneError};
use crate::frame::{Ended, Linked, Prompt};
use crate::phone::Phone;
use crate::stream::{Stream, Told};

/// Delays before reconnecting. Every delay is random, so that the phones of a restarted server do not reconnect at the same
/// time.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Delay after the first failure. Doubles after each further one.
    pub first: Duration,
    /// Largest delay.
    pub most: Duration,
    /// Largest delay after the server asked to reconnect.
    pub come_back: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(30),
            come_back: Duration::from_secs(1),
        }
    }
}

/// An event of a [`Listener`].
#[derive(Debug)]
pub enum Event {
    /// Connected.
    Linked(Linked),
    /// A prompt.
    Prompt(Prompt),
    /// The prompt of a challenge is over.
    Ended(Ended),
    /// Not connected.
    Lost {
        /// The reason.
        error: PhoneError,
        /// Delay before the next attempt.
        again_in: Duration,
    },
}

/// A phone that stays connected.
#[derive(Debug)]
pub struct Listener {
    phone: Phone,
    backoff: Backoff,
    automatic_ack: bool,
    /// Number of failures since the last connection.
    failures: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Connected(Box<Stream>),
}

/// The consequence of an error for the next attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    ComeBack,
    Retry,
    Slowly,
    GiveUp,
}

impl Phone {
    /// Listens to the device stream and reconnects where that can help.
    pub fn listen(&self) -> Listener {
        self.listen_with(Backoff::default())
    }

    /// Listens with other delays, for example none in tests.
    pub fn listen_with(&self, backoff: Backoff) -> Listener {
        Listener {
            phone: self.clone(),
            backoff,
            automatic_ack: true,
            failures: 0,
            state: State::Waiting { until: Instant::now() },
        }
    }
}

impl Listener {
    /// Waits for the next event.
    ///
    /// An error means that reconnecting cannot help: the device was rejected twice, the factor is deleted, or a newer
    /// connection replaced this one. Dropping the future loses no prompt; an attempt to connect starts again.
    pub async fn next(&mut self) -> Result<Event, PhoneError> {
        let received = match &mut self.state {
            State::Connected(stream) => stream.next().await.map(|told| match told {
                Told::Prompt(prompt) => Event::Prompt(prompt),
                Told::Ended(ended) => Event::Ended(ended),
            }),
            State::Waiting { until } => {
                sleep_until(*until).await;
                let connected = Box::pin(self.phone.connect()).await;
                connected.map(|stream| self.connected(stream))
            }
        };
        received.or_else(|error| self.lost(error))
    }

    /// Whether prompts are acknowledged as they are read; see [`Stream::set_automatic_ack`].
    pub fn set_automatic_ack(&mut self, automatic: bool) {
        self.automatic_ack = automatic;
        if let State::Connected(stream) = &mut self.state {
            stream.set_automatic_ack(automatic);
        }
    }

    /// Acknowledges a prompt. Without a connection nothing is sent: the server offers the prompt again on the next one.
    pub async fn ack(&mut self, prompt: &Prompt) -> Result<(), PhoneError> {
        match &mut self.state {
            State::Connected(stream) => stream.ack(prompt).await,
            State::Waiting { .. } => Ok(()),
        }
    }

    /// Closes the connection, if any.
    pub async fn close(self) {
        if let State::Connected(stream) = self.state {
            stream.close().await;
        }
    }

    fn connected(&mut self, mut stream: Stream) -> Event {
        stream.set_automatic_ack(self.automatic_ack);
        let linked = stream.linked().clone();
        self.failures = 0;
        self.state = State::Connected(Box::new(stream));
        Event::Linked(linked)
    }

    fn lost(&mut self, error: PhoneError) -> Result<Event, PhoneError> {
        let fraction = random_fraction();
        let again_in = match after(&error) {
            Next::ComeBack => self.backoff.come_back.mul_f64(fraction),
            Next::Retry => self.backoff.pause(self.failures, fraction),
            Next::Slowly => self.backoff.most,
            Next::GiveUp => {
                // A caller that continues anyway starts again.
                self.state = State::Waiting { until: Instant::now() };
                return Err(error);
            }
        };
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: Instant::now() + again_in };
        Ok(Event::Lost { error, again_in })
    }
}

impl Backoff {
    /// The delay after this number of failures. `fraction` (0 to 1) selects a value in the upper half.
    fn pause(&self, failures: u32, fraction: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(16));
        doubled.min(self.most).mul_f64(0.5 + fraction / 2.0)
    }
}

fn after(error: &PhoneError) -> Next {
    match error {
        PhoneError::Closed(closed) => match closed.code {
            1001 => Next::ComeBack,
            // The phone sent an invalid frame: a bug, which must not be repeated quickly.
            1002 | 1003 | 1007 | 1009 => Next::Slowly,
            Closed::REFUSED | Closed::GONE | Closed::REPLACED => Next::GiveUp,
            _ => Next::Retry,
        },
        PhoneError::Unreachable(_) | PhoneError::Socket(_) | PhoneError::Silent => Next::Retry,
        // An overloaded server, or the proxy of a server that restarts.
        PhoneError::Api(ApiError { status, .. }) | PhoneError::NotTheApi { status } => match status
        {
            408 | 429 | 500.. => Next::Retry,
            _ => Next::GiveUp,
        },
        _ => Next::GiveUp,
    }
}

/// A random number from 0 to 1. Without randomness, the longest delay is used.
fn random_fraction() -> f64 {
    let mut bytes = [0; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let backoff = Backoff::default();
        let longest: Vec<_> = (0..8).map(|n| backoff.pause(n, 1.0).as_millis()).collect();
        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.pause(0, 0.0).as_millis(), 250);
        assert_eq!(backoff.pause(u32::MAX, 1.0), backoff.most);
        assert!((0.0..=1.0).contains(&random_fraction()));
    }

    #[test]
    fn each_error_has_its_reconnect_action() {
        let closed = |code| PhoneError::Closed(Closed { code, reason: String::new() });
        let http = |status| PhoneError::NotTheApi { status };
        for (error, next) in [
            (closed(1001), Next::ComeBack),
            (closed(1006), Next::Retry),
            (closed(1011), Next::Retry),
            (closed(1009), Next::Slowly),
            (closed(4401), Next::GiveUp),
            (closed(4404), Next::GiveUp),
            (closed(4409), Next::GiveUp),
            (http(502), Next::Retry),
            (http(429), Next::Retry),
            (http(404), Next::GiveUp),
            (PhoneError::Silent, Next::Retry),
            (PhoneError::NotSignable, Next::GiveUp),
        ] {
            assert_eq!(after(&error), next, "{error}");
        }
    }
}
