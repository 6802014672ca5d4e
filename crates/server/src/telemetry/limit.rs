//! Limits the log lines of one kind, and counts those that are suppressed.
//!
//! A fault that affects every request, such as a full disk, would otherwise fill a disk with log lines, and so would
//! attackers with wrong credentials. The kind of a line is the place in the code that writes it; in the security log
//! it is the event, its outcome and the caller's address.

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

/// The target of the lines that report suppressed lines.
pub(super) const SUPPRESSED_TARGET: &str = "countersign::left_out";

/// The most lines of one kind within a time.
#[derive(Debug, Clone, Copy)]
struct Rule {
    most: u32,
    within: Duration,
}

/// Warnings and errors.
const PROBLEMS: Rule = Rule { most: 5, within: Duration::from_secs(10) };
/// Refusals in the security log, by event and address.
const REFUSED: Rule = Rule { most: 10, within: Duration::from_secs(60) };
/// Actions of callers with good credentials, by event and address.
const DONE: Rule = Rule { most: 1_000, within: Duration::from_secs(60) };
/// Refusals of one event from all addresses together.
const REFUSED_BY_ALL: Rule = Rule { most: 300, within: Duration::from_secs(60) };

/// Kinds that are counted separately. Above it the security log is counted by event only.
const KINDS_MAX: usize = 10_000;
/// Kinds that a report lists one by one; the rest is summed up.
const REPORTED_MAX: usize = 20;

/// The kind of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Place(Identifier),
    Security {
        event: String,
        failed: bool,
        from: Option<ClientNetwork>,
    },
    /// An event from all addresses.
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
    /// The kind in words, for a report.
    words: String,
}

/// Suppressed lines of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suppressed {
    /// The kind in words.
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

    /// Counts a line; returns whether it may be written.
    fn allows(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let is_problem = *metadata.level() <= Level::WARN;
        if metadata.target() == TARGET {
            let mut line = SecurityLine::default();
            event.record(&mut line);
            return self.allows_security(line, is_problem);
        }
        if !is_problem || metadata.target() == SUPPRESSED_TARGET {
            return true;
        }
        let kind = Kind::Place(metadata.callsite());
        let mut words = Message::default();
        self.count(kind, PROBLEMS, || {
            event.record(&mut words);
            format!("{}: {}", metadata.target(), words.0)
        })
    }

    fn allows_security(&self, line: SecurityLine, failed: bool) -> bool {
        let SecurityLine { event, address } = line;
        let from = address.map(ClientNetwork::of).filter(|_| self.windows().len() < KINDS_MAX);
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
        // A window with suppressed lines ends with their report.
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

    /// Ends the windows that are over, or all, and returns their suppressed lines.
    pub(super) fn take_suppressed(&self, all: bool) -> Vec<Suppressed> {
        let now = self.clock.monotonic();
        let mut suppressed = Vec::new();
        self.windows().retain(|_, window| {
            let is_over = all || now >= window.began + window.within;
            if is_over && window.left_out > 0 {
                let words = std::mem::take(&mut window.words);
                suppressed.push(Suppressed { words, lines: window.left_out });
            }
            !is_over
        });
        suppressed.sort_by_key(|gap| std::cmp::Reverse(gap.lines));
        let rest = suppressed.split_off(suppressed.len().min(REPORTED_MAX));
        if !rest.is_empty() {
            let words = format!("{} other kinds", rest.len());
            suppressed.push(Suppressed { words, lines: rest.iter().map(|gap| gap.lines).sum() });
        }
        suppressed
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Kind, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer with a limit of lines. It is no filter, since the filters of `tracing` decide before there is a line to
/// count.
pub(super) struct LimitedLayer<L> {
    pub(super) lines: L,
    pub(super) limit: Limit,
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for LimitedLayer<L> {
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

/// The fields of a security line that identify its kind.
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

/// The message of a line without its fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more lines were suppressed: {}", self.lines, self.words)
    }
}

#[cfg(test)]
mod tests;
