//! Bounds how many log lines of one kind are written, and counts those that are left out.
//!
//! A fault that every request meets, such as a full disk, would otherwise fill a disk with its own lines, and so would
//! strangers with wrong credentials. The kind of a line is the place in the code that writes it; in the security log it is
//! the event, its outcome and the caller's address.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::world::Clock;
use countersign_verify::security::TARGET;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of the lines that tell how many were left out.
pub(super) const LEFT_OUT: &str = "countersign::left_out";

/// How many lines there may be of one kind in how much time.
#[derive(Debug, Clone, Copy)]
struct Rule {
    most: u32,
    within: Duration,
}

/// Warnings and errors.
const TROUBLE: Rule = Rule { most: 5, within: Duration::from_secs(10) };
/// Refusals in the security log, by event and address.
const REFUSED: Rule = Rule { most: 10, within: Duration::from_secs(60) };
/// What callers with good credentials did, by event and address.
const DONE: Rule = Rule { most: 1_000, within: Duration::from_secs(60) };
/// Refusals by one event, from all addresses together.
const REFUSED_BY_ALL: Rule = Rule { most: 300, within: Duration::from_secs(60) };

/// Kinds that are told apart at a time. Beyond that, those of the security log are told apart by their event only.
const MOST_KINDS: usize = 10_000;
/// Kinds whose left-out lines are counted one by one in a report; those of the rest are summed up.
const MOST_REPORTED: usize = 20;

/// What lines are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Place(Identifier),
    Security {
        event: String,
        failed: bool,
        from: Option<ClientNetwork>,
    },
    /// The same from every address.
    All {
        event: String,
    },
}

#[derive(Debug)]
struct Window {
    began: Monotonic,
    within: Duration,
    shown: u32,
    left_out: u64,
    /// What a report calls the kind.
    words: String,
}

/// Lines that were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    /// What they were about.
    pub(super) words: String,
    pub(super) lines: u64,
}

/// The counters. Cheap to clone.
#[derive(Clone)]
pub(super) struct Limit {
    windows: Arc<Mutex<HashMap<Kind, Window>>>,
    clock: Arc<dyn Clock>,
}

impl Limit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { windows: Arc::default(), clock }
    }

    /// Whether a line may be written; counts it.
    fn allows(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let is_trouble = *metadata.level() <= Level::WARN;
        if metadata.target() == TARGET {
            let mut line = SecurityLine::default();
            event.record(&mut line);
            return self.allows_security(line, is_trouble);
        }
        if !is_trouble || metadata.target() == LEFT_OUT {
            return true;
        }
        let kind = Kind::Place(metadata.callsite());
        let mut words = Message::default();
        self.count(kind, TROUBLE, || {
            event.record(&mut words);
            format!("{}: {}", metadata.target(), words.0)
        })
    }

    fn allows_security(&self, line: SecurityLine, failed: bool) -> bool {
        let SecurityLine { event, address } = line;
        let from = address.map(ClientNetwork::of).filter(|_| self.windows().len() < MOST_KINDS);
        let at = address.map_or_else(String::new, |address| format!(" address={address}"));
        let words = format!("{TARGET}: {event}{at}");
        let kind = Kind::Security { event: event.clone(), failed, from };
        let rule = if failed { REFUSED } else { DONE };
        let total = format!("{TARGET}: {event} from all addresses");
        self.count(kind, rule, || words)
            && (!failed || self.count(Kind::All { event }, REFUSED_BY_ALL, || total))
    }

    fn count(&self, kind: Kind, rule: Rule, words: impl FnOnce() -> String) -> bool {
        let now = self.clock.monotonic();
        let mut windows = self.windows();
        let window = windows.entry(kind).or_insert_with(|| Window {
            began: now,
            within: rule.within,
            shown: 0,
            left_out: 0,
            words: words(),
        });
        // A window with left-out lines ends with the report of them.
        if window.left_out == 0 && now >= window.began + rule.within {
            window.began = now;
            window.shown = 0;
        }
        if window.shown < rule.most {
            window.shown += 1;
            true
        } else {
            window.left_out += 1;
            false
        }
    }

    /// Ends the windows that are over, or all of them, and returns what was left out in them.
    pub(super) fn gaps(&self, all: bool) -> Vec<Gap> {
        let now = self.clock.monotonic();
        let mut gaps = Vec::new();
        self.windows().retain(|_, window| {
            let is_over = all || now >= window.began + window.within;
            if is_over && window.left_out > 0 {
                let words = std::mem::take(&mut window.words);
                gaps.push(Gap { words, lines: window.left_out });
            }
            !is_over
        });
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.lines));
        let rest = gaps.split_off(gaps.len().min(MOST_REPORTED));
        if !rest.is_empty() {
            let words = format!("{} other kinds", rest.len());
            gaps.push(Gap { words, lines: rest.iter().map(|gap| gap.lines).sum() });
        }
        gaps
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Kind, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer whose lines are bounded. It is no filter, since the filters of `tracing` decide before there is a line to count.
pub(super) struct Bounded<L> {
    pub(super) lines: L,
    pub(super) limit: Limit,
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Bounded<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.limit.allows(event) {
            self.lines.on_event(event, context);
        }
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.lines.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.lines.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.lines.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.lines.on_close(id, context);
    }
}

/// The fields of a security line that it is counted by.
#[derive(Default)]
struct SecurityLine {
    event: String,
    address: Option<IpAddr>,
}

impl Visit for SecurityLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            value.clone_into(&mut self.event);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "address" {
            self.address = format!("{value:?}").parse().ok();
        }
    }
}

/// The sentence of a line, without its fields. It is one of ours or of a library, and may hold what it is about.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more lines were left out: {}", self.lines, self.words)
    }
}

#[cfg(test)]
mod tests;
