//! Judges a history. Pure: it knows nothing of how the history came about.
//!
//! Safety: what must never happen. Liveness: what must have happened once faults have ended for long enough.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::NotificationStatus;
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::{ChallengeSid, FactorSid, NotificationSid};

use crate::history::{Attempt, Event, History, KeptChallenge, NodeRun};

/// Notifications that an application may add to a challenge.
const MOST_NOTIFICATIONS: usize = 3;
/// By how much clocks of nodes may differ: a database's clock, which they follow, is read with such an error at worst.
const CLOCKS_APART: i64 = 1_000_000;
/// An offer ends this long after the node of its device: the other nodes ask after it, and get no reply.
const LOST_WITHIN: u64 = 4_000_000;
/// A push that was taken is not sent again within this time: its node writes that down, again and again until it succeeds, as long
/// as its lease lasts.
const NOT_AGAIN_WITHIN: u64 = 10_000_000;

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// No attempt starts at or after the deadline.
    NoAttemptAfterTheDeadline,
    /// No attempt starts while another node makes one of the same notification.
    OneLeaseHolder,
    /// A notification with `Ttl=0` has one attempt.
    OnceIsOnce,
    /// A push that was taken is not sent again while its node can still write that down.
    TakenIsNotSentAgain,
    /// An offer to a device ends soon after the node that holds the device.
    OffersEnd,
    /// Every acknowledged write is kept.
    NothingIsLost,
    /// The first answer counts, and no other was told that it counts.
    FirstAnswerWins,
    /// A status never changes once it is not `pending`.
    AnAnswerStays,
    /// A challenge has only so many notifications.
    LimitsAreKept,
    /// After faults have ended, nothing is pending that can be delivered.
    EverythingEnds,
}

/// A rule that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// When, in microseconds since the run began; `None`: at the end.
    pub at: Option<u64>,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => {
                let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
                write!(f, "{:?} at {seconds}.{micros:06} s: ", self.rule)?;
            }
            None => write!(f, "{:?} at the end: ", self.rule)?,
        }
        f.write_str(&self.what)
    }
}

/// Judges a history: every rule that it breaks, in the order of the rules.
pub fn judge(history: &History) -> Vec<Violation> {
    let mut found = Found::default();
    let nodes = Nodes::of(history);
    let attempts = attempts(history);
    let holders = Holders::of(history);
    for attempts in attempts.values() {
        judge_deadlines(&mut found, attempts);
        judge_holders(&mut found, attempts, &nodes);
        judge_repeats(&mut found, attempts, &nodes);
        judge_offers(&mut found, attempts, &nodes, &holders);
    }
    judge_answers(&mut found, history);
    judge_kept(&mut found, history);
    found.0.sort_by_key(|violation| (violation.rule, violation.at));
    found.0
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, rule: Rule, at: Option<u64>, what: String) {
        self.0.push(Violation { rule, at, what });
    }
}

/// When nodes did not run as they should: stretches of microseconds, by node.
struct Nodes {
    disturbed: Stretches,
    cut_off: Stretches,
    ended: BTreeMap<NodeRun, u64>,
}

impl Nodes {
    fn of(history: &History) -> Self {
        let mut nodes =
            Self { disturbed: BTreeMap::new(), cut_off: BTreeMap::new(), ended: BTreeMap::new() };
        for (at, event) in &history.events {
            match event {
                Event::Paused(node) => {
                    nodes.disturbed.entry(*node).or_default().push(*at..u64::MAX);
                }
                Event::Resumed(node) => end_last(&mut nodes.disturbed, *node, *at),
                Event::Link(node, false) => {
                    nodes.cut_off.entry(*node).or_default().push(*at..u64::MAX);
                }
                Event::Link(node, true) => end_last(&mut nodes.cut_off, *node, *at),
                Event::Ended(node) => {
                    nodes.ended.insert(*node, *at);
                }
                _ => {}
            }
        }
        nodes
    }

    /// Whether a node was held, or ended, within a stretch.
    fn is_disturbed(&self, node: NodeRun, within: &Range<u64>) -> bool {
        meets(&self.disturbed, node, within)
            || self.ended.get(&node).is_some_and(|ended| *ended <= within.end)
    }

    /// Whether a node had no bus within a stretch.
    fn is_cut_off(&self, node: NodeRun, within: &Range<u64>) -> bool {
        meets(&self.cut_off, node, within)
    }

    fn end(&self, node: NodeRun) -> u64 {
        self.ended.get(&node).copied().unwrap_or(u64::MAX)
    }
}

type Stretches = BTreeMap<NodeRun, Vec<Range<u64>>>;

fn end_last(stretches: &mut Stretches, node: NodeRun, at: u64) {
    if let Some(last) = stretches.get_mut(&node).and_then(|all| all.last_mut()) {
        last.end = at;
    }
}

fn meets(stretches: &Stretches, node: NodeRun, within: &Range<u64>) -> bool {
    let all = stretches.get(&node).map_or(&[][..], Vec::as_slice);
    all.iter().any(|it| it.start < within.end && within.start < it.end)
}

/// An attempt, when it began and ended, and its outcome if it had one.
struct Made {
    attempt: Attempt,
    began: u64,
    ended: Option<(u64, Option<Outcome>)>,
}

fn attempts(history: &History) -> BTreeMap<NotificationSid, Vec<Made>> {
    let mut outcomes = BTreeMap::new();
    for (at, event) in &history.events {
        match event {
            Event::Outcome(number, outcome) => outcomes.insert(*number, (*at, Some(*outcome))),
            Event::GivenUp(number) => outcomes.insert(*number, (*at, None)),
            _ => None,
        };
    }
    let mut attempts: BTreeMap<_, Vec<Made>> = BTreeMap::new();
    for (at, event) in &history.events {
        if let Event::Attempt(attempt) = event {
            let ended = outcomes.get(&attempt.number).copied();
            let made = Made { attempt: *attempt, began: *at, ended };
            attempts.entry(attempt.notification).or_default().push(made);
        }
    }
    attempts
}

fn judge_deadlines(found: &mut Found, attempts: &[Made]) {
    for made in attempts {
        let Attempt { node, notification, left, truly_left, .. } = made.attempt;
        if left <= 0 || truly_left <= -CLOCKS_APART {
            let late = (-left).max(-truly_left);
            let what = format!("node {node} attempts {notification} {late} us after its deadline");
            found.add(Rule::NoAttemptAfterTheDeadline, Some(made.began), what);
        }
    }
}

fn judge_holders(found: &mut Found, attempts: &[Made], nodes: &Nodes) {
    for (index, later) in attempts.iter().enumerate() {
        for earlier in &attempts[..index] {
            let (one, other) = (earlier.attempt.node, later.attempt.node);
            let ends = earlier.ended.map_or(u64::MAX, |(at, _)| at).min(nodes.end(one));
            let is_open = ends > later.began && one != other;
            if is_open && !nodes.is_disturbed(one, &(earlier.began..later.began)) {
                let what = format!(
                    "node {other} attempts {} while node {one} does",
                    later.attempt.notification
                );
                found.add(Rule::OneLeaseHolder, Some(later.began), what);
            }
        }
    }
}

fn judge_repeats(found: &mut Found, attempts: &[Made], nodes: &Nodes) {
    for pair in attempts.windows(2) {
        let [earlier, later] = pair else { continue };
        let notification = later.attempt.notification;
        if later.attempt.once {
            let what = format!("{notification} has Ttl=0 and is attempted again");
            found.add(Rule::OnceIsOnce, Some(later.began), what);
        }
        let Some((at, Some(outcome))) = earlier.ended else { continue };
        if !matches!(outcome, Outcome::Accepted | Outcome::Acknowledged) {
            continue;
        }
        let again = earlier.began..later.began;
        let is_soon = again.end - again.start < NOT_AGAIN_WITHIN && at < later.began;
        if is_soon && !nodes.is_disturbed(earlier.attempt.node, &again) {
            let what = format!("{notification} was taken and is attempted again");
            found.add(Rule::TakenIsNotSentAgain, Some(later.began), what);
        }
    }
}

/// The nodes that devices connected to, and since when.
struct Holders(BTreeMap<FactorSid, Vec<(u64, NodeRun)>>);

impl Holders {
    fn of(history: &History) -> Self {
        let mut holders: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, event) in &history.events {
            if let Event::Connected(factor, node) = event {
                holders.entry(*factor).or_default().push((*at, *node));
            }
        }
        Self(holders)
    }

    /// The node that a device connected to last, before that time.
    fn at(&self, factor: FactorSid, time: u64) -> Option<NodeRun> {
        let all = self.0.get(&factor)?;
        all.iter().rev().find(|(at, _)| *at < time).map(|(_, node)| *node)
    }
}

fn judge_offers(found: &mut Found, attempts: &[Made], nodes: &Nodes, holders: &Holders) {
    for made in attempts.iter().filter(|made| made.attempt.is_stream) {
        let Attempt { node, notification, factor, .. } = made.attempt;
        let Some((ended, _)) = made.ended else { continue };
        let Some(holder) = holders.at(factor, made.began).filter(|it| *it != node) else {
            continue;
        };
        let (died, during) = (nodes.end(holder), made.began..ended);
        let is_late = during.contains(&died) && ended - died > LOST_WITHIN;
        if is_late && !nodes.is_disturbed(node, &during) && !nodes.is_cut_off(node, &during) {
            let took = ended - died;
            let what = format!("the offer of {notification} ended {took} us after node {holder}");
            found.add(Rule::OffersEnd, Some(ended), what);
        }
    }
}

fn status_of(verdict: Verdict) -> ChallengeStatus {
    match verdict {
        Verdict::Approved => ChallengeStatus::Approved,
        Verdict::Denied => ChallengeStatus::Denied,
    }
}

/// An answer that was sent, or a status that somebody was told.
enum Told {
    /// A device sent this answer.
    Sent(Verdict),
    /// The challenge has this status, as somebody was told who asked at the instant.
    Status(ChallengeStatus, u64, Rule),
}

/// Everything that was told of challenges, in order; what is kept comes last.
fn told(history: &History) -> impl Iterator<Item = (Option<u64>, ChallengeSid, Told)> {
    let told = history.events.iter().filter_map(|(at, event)| {
        let (challenge, told) = match event {
            Event::AnswerSent(challenge, verdict) => (challenge, Told::Sent(*verdict)),
            Event::AnswerTaken(challenge, verdict) => {
                let status = status_of(*verdict);
                (challenge, Told::Status(status, *at, Rule::FirstAnswerWins))
            }
            Event::Read { challenge, status, began } => {
                (challenge, Told::Status(*status, *began, Rule::AnAnswerStays))
            }
            _ => return None,
        };
        Some((Some(*at), *challenge, told))
    });
    let kept = history
        .kept
        .iter()
        .map(|kept| (None, kept.sid, Told::Status(kept.status, u64::MAX, Rule::AnAnswerStays)));
    told.chain(kept)
}

/// Answers that were taken, and statuses that were read: once anybody knows of an answer it is the only one.
fn judge_answers(found: &mut Found, history: &History) {
    let mut first: BTreeMap<ChallengeSid, (ChallengeStatus, u64)> = BTreeMap::new();
    let mut sent: BTreeMap<ChallengeSid, Vec<ChallengeStatus>> = BTreeMap::new();
    for (at, challenge, told) in told(history) {
        let (status, began, rule) = match told {
            Told::Sent(verdict) => {
                sent.entry(challenge).or_default().push(status_of(verdict));
                continue;
            }
            Told::Status(status, began, rule) => (status, began, rule),
        };
        let is_answer = matches!(status, ChallengeStatus::Approved | ChallengeStatus::Denied);
        if is_answer && !sent.get(&challenge).is_some_and(|sent| sent.contains(&status)) {
            let what = format!("{challenge} is {}, which nobody answered", status.as_str());
            found.add(Rule::FirstAnswerWins, at, what);
        }
        match first.get(&challenge) {
            // Who asked before the answer was known may be told later that there was none.
            Some((before, known)) if *before != status && (is_answer || began > *known) => {
                let (before, status) = (before.as_str(), status.as_str());
                let what = format!("{challenge} was {before} and is {status}");
                found.add(rule, at, what);
            }
            None if is_answer => {
                first.insert(challenge, (status, at.unwrap_or(u64::MAX)));
            }
            Some(_) | None => {}
        }
    }
}

fn judge_kept(found: &mut Found, history: &History) {
    let kept: BTreeMap<ChallengeSid, &KeptChallenge> =
        history.kept.iter().map(|kept| (kept.sid, kept)).collect();
    for (at, event) in &history.events {
        match event {
            Event::Opened(challenge) if !kept.contains_key(challenge) => {
                found.add(Rule::NothingIsLost, Some(*at), format!("{challenge} is gone"));
            }
            Event::Notified(challenge, sid) => {
                let notifications = kept.get(challenge).map_or(&[][..], |kept| &kept.notifications);
                if !notifications.iter().any(|kept| kept.sid == *sid) {
                    found.add(Rule::NothingIsLost, Some(*at), format!("{sid} is gone"));
                }
            }
            _ => {}
        }
    }
    for challenge in &history.kept {
        let added = challenge.notifications.iter().filter(|kept| !kept.automatic).count();
        if added > MOST_NOTIFICATIONS {
            let what = format!("{} has {added} notifications", challenge.sid);
            found.add(Rule::LimitsAreKept, None, what);
        }
        for kept in &challenge.notifications {
            let is_open = kept.ending.is_none_or(|ending| {
                matches!(ending.status, NotificationStatus::Queued | NotificationStatus::Sending)
            });
            if is_open {
                let what = format!("{} of {} is {}", kept.sid, challenge.sid, kept.delivery);
                found.add(Rule::EverythingEnds, None, what);
            }
        }
    }
}

#[cfg(test)]
mod tests;
