//! Connection after connection, as a phone does all day: prompts come, networks go.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::close::Closed;
use crate::error::Error;
use crate::frame::{Linked, Prompt};
use crate::phone::Phone;
use crate::stream::Stream;

/// How long to wait before connecting again. Every wait is drawn at random, so that the phones of a
/// server that restarts do not return all at once.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure; doubled after each further one.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
    /// At most this when the server asked to come back.
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

/// What a [`Listener`] has to tell.
#[derive(Debug)]
pub enum Event {
    /// Connected; prompts may follow.
    Linked(Linked),
    /// A prompt.
    Prompt(Prompt),
    /// Not connected any more, or not yet.
    Lost {
        /// Why.
        error: Error,
        /// When the next attempt comes.
        again_in: Duration,
    },
}

/// A phone that stays connected.
#[derive(Debug)]
pub struct Listener {
    phone: Phone,
    backoff: Backoff,
    automatic_ack: bool,
    /// Failures since the last time it was linked.
    failures: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Connected(Box<Stream>),
}

/// What an error means for the next attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    ComeBack,
    Retry,
    Slowly,
    GiveUp,
}

impl Phone {
    /// Listens to the device stream, connecting again whenever that can help.
    pub fn listen(&self) -> Listener {
        self.listen_with(Backoff::default())
    }

    /// Listens with other waits; a test waits not at all.
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
    /// An error means that connecting again cannot help: refused twice, the factor is gone, or a
    /// newer connection took over. Dropping the future loses no prompt; an attempt to connect that
    /// is under way is begun anew.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let heard = match &mut self.state {
            State::Connected(stream) => stream.next_prompt().await.map(Event::Prompt),
            State::Waiting { until } => {
                sleep_until(*until).await;
                let connected = Box::pin(self.phone.connect()).await;
                connected.map(|stream| self.connected(stream))
            }
        };
        heard.or_else(|error| self.lost(error))
    }

    /// Whether each prompt is acknowledged as it is read; see [`Stream::set_automatic_ack`].
    pub fn set_automatic_ack(&mut self, automatic: bool) {
        self.automatic_ack = automatic;
        if let State::Connected(stream) = &mut self.state {
            stream.set_automatic_ack(automatic);
        }
    }

    /// Acknowledges a prompt by hand. Without a connection nothing is sent: the server offers the
    /// prompt again after the next one.
    pub async fn ack(&mut self, prompt: &Prompt) -> Result<(), Error> {
        match &mut self.state {
            State::Connected(stream) => stream.ack(prompt).await,
            State::Waiting { .. } => Ok(()),
        }
    }

    /// Closes the connection, if there is one.
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

    fn lost(&mut self, error: Error) -> Result<Event, Error> {
        let fraction = random_fraction();
        let again_in = match after(&error) {
            Next::ComeBack => self.backoff.come_back.mul_f64(fraction),
            Next::Retry => self.backoff.pause(self.failures, fraction),
            Next::Slowly => self.backoff.most,
            Next::GiveUp => {
                // a caller who asks again all the same starts over
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
    /// The wait after so many failures in a row; `fraction` (0 to 1) places it in the upper half.
    fn pause(&self, failures: u32, fraction: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(16));
        doubled.min(self.most).mul_f64(0.5 + fraction / 2.0)
    }
}

fn after(error: &Error) -> Next {
    match error {
        Error::Closed(closed) => match closed.code {
            1001 => Next::ComeBack,
            // we sent something that is no frame: a bug here, not to be repeated in a hurry
            1002 | 1003 | 1007 | 1009 => Next::Slowly,
            Closed::REFUSED | Closed::GONE | Closed::REPLACED => Next::GiveUp,
            _ => Next::Retry,
        },
        Error::Unreachable(_) | Error::Socket(_) | Error::Silent => Next::Retry,
        // an overloaded server, or the proxy in front of one that restarts
        Error::Api(crate::ApiError { status, .. }) | Error::NotTheApi { status } => match status {
            408 | 429 | 500.. => Next::Retry,
            _ => Next::GiveUp,
        },
        _ => Next::GiveUp,
    }
}

/// A number from 0 to 1. If the system has no randomness, the longest wait will do.
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
    fn what_follows_an_error() {
        let closed = |code| Error::Closed(Closed { code, reason: String::new() });
        let http = |status| Error::NotTheApi { status };
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
            (Error::Silent, Next::Retry),
            (Error::NotSignable, Next::GiveUp),
        ] {
            assert_eq!(after(&error), next, "{error}");
        }
    }
}
