//! Providers: a push service that misbehaves, and a recorder of attempts before every provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use countersign_providers::Provider;
use tokio::sync::mpsc;

use crate::clock::{NodeClock, Time};
use crate::dice::Dice;
use crate::gate::Gate;
use crate::history::{self, Event, NodeRun, Recorder};
use crate::weather::Weather;

/// Numbers the attempts of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<AtomicUsize>);

/// Records the attempts that a node makes with a provider.
pub(crate) struct Recorded<P> {
    /// The provider.
    pub(crate) inner: P,
    /// The node.
    pub(crate) node: NodeRun,
    /// Whether it is the stream.
    pub(crate) is_stream: bool,
    /// The clock of the node.
    pub(crate) clock: NodeClock,
    /// The true time.
    pub(crate) time: Time,
    /// Numbers the attempts.
    pub(crate) numbers: Numbers,
    /// The history.
    pub(crate) recorder: Recorder,
    /// The gate of the node.
    pub(crate) gate: Gate,
}

/// Notes that an attempt was given up, unless its outcome came first.
struct Unfinished<'a> {
    number: usize,
    recorder: Option<&'a Recorder>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder {
            recorder.note(Event::GivenUp(self.number));
        }
    }
}

/// The microseconds from `now` to `then`; negative if that is past.
fn left(then: Instant, now: Instant) -> i64 {
    then.as_micros().saturating_sub(now.as_micros())
}

#[async_trait]
impl<P: Provider> Provider for Recorded<P> {
    async fn send(&self, push: &Push) -> Attempt {
        let number = self.numbers.0.fetch_add(1, Ordering::SeqCst);
        self.recorder.note(Event::Attempt(history::Attempt {
            number,
            node: self.node,
            is_stream: self.is_stream,
            notification: push.notification,
            factor: push.factor,
            once: push.once,
            left: left(push.expires_at, self.clock.now()),
            truly_left: left(push.expires_at, self.time.now()),
        }));
        let mut unfinished = Unfinished { number, recorder: Some(&self.recorder) };
        let attempt = self.inner.send(push).await;
        self.gate.pass().await;
        unfinished.recorder = None;
        self.recorder.note(Event::Outcome(number, attempt.outcome));
        attempt
    }
}

/// A push service. What it takes arrives on the device sooner or later.
pub(crate) struct PushService {
    /// The weather.
    pub(crate) weather: Weather,
    /// Its own draws.
    pub(crate) dice: Dice,
    /// Where taken pushes go.
    pub(crate) taken: mpsc::UnboundedSender<(FactorSid, ChallengeSid)>,
}

#[async_trait]
impl Provider for PushService {
    async fn send(&self, push: &Push) -> Attempt {
        let later = || {
            let outcome = Outcome::Later { not_before: None };
            Attempt::plain(outcome, Some(ErrorCode::INTERNAL))
        };
        tokio::time::sleep(self.dice.millis(5, 60)).await;
        if !self.weather.strikes(self.weather.plan.bad_pushes) {
            let _ = self.taken.send((push.factor, push.challenge));
            return Attempt::plain(Outcome::Accepted, None);
        }
        match self.dice.below(4) {
            // 500, 503, 429
            0 => later(),
            // It answers when nobody waits any more.
            1 => {
                tokio::time::sleep(self.dice.millis(1_000, 20_000)).await;
                let _ = self.taken.send((push.factor, push.challenge));
                Attempt::plain(Outcome::Accepted, None)
            }
            // The connection broke after the request.
            2 => {
                let _ = self.taken.send((push.factor, push.challenge));
                later()
            }
            // It never answers.
            _ => std::future::pending().await,
        }
    }
}
