//! Judges a history. Pure: it knows nothing of how the history came about.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::{NotificationStatus, StatusReason};
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;

use super::entry::{Entry, Known, Listed, Reply};

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// What was answered 201 is there.
    NothingIsLost,
    /// One answer counts, somebody sent it, and none is refused before it.
    FirstAnswerWins,
    /// A challenge that is not pending keeps its status.
    AnAnswerStays,
    /// A notification that has ended keeps its status, but that `sent` may become `delivered`.
    AnEndStays,
    /// No device shows a prompt after its deadline.
    NothingAfterTheDeadline,
    /// A challenge has only so many notifications.
    LimitsAreKept,
    /// Every notification ends as it must: nothing pending stays.
    EverythingEnds,
}

/// How strictly a history is judged.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A prompt that was on its way at its deadline may be read this much later.
    pub on_its_way: Duration,
    /// Notifications that an application may add to a challenge.
    pub notifications: usize,
}

/// A rule that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What breaks it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Judges a history whose entries are in the order in which they were told. Of each challenge the last list must show how its
/// notifications ended. Returns every rule that is broken.
pub fn judge(entries: &[Entry], bounds: Bounds) -> Vec<Violation> {
    let mut found = Found::default();
    let mut challenges: BTreeMap<ChallengeSid, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        match &entry.known {
            Known::Opened(challenge)
            | Known::Notified(challenge, _)
            | Known::Answer(challenge, ..)
            | Known::Read(challenge, _)
            | Known::Listed(challenge, _) => challenges.entry(*challenge).or_default().push(entry),
            Known::Shown(notification, deadline) => {
                if entry.told > *deadline + bounds.on_its_way {
                    let late = entry.told.since(*deadline);
                    let what = format!("{notification} was shown {late:?} late");
                    found.add(Rule::NothingAfterTheDeadline, what);
                }
            }
        }
    }
    for (challenge, entries) in &challenges {
        judge_presence(&mut found, *challenge, entries);
        judge_answers(&mut found, *challenge, entries);
        judge_lists(&mut found, *challenge, entries, bounds);
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, rule: Rule, what: String) {
        self.0.push(Violation { rule, what });
    }
}

/// What was answered 201 is seen by everybody who asks later.
fn judge_presence(found: &mut Found, challenge: ChallengeSid, entries: &[&Entry]) {
    let later = |since: Instant| entries.iter().filter(move |entry| entry.asked >= since);
    for entry in entries {
        let (sid, is_there): (String, &dyn Fn(&Known) -> bool) = match &entry.known {
            Known::Opened(_) => (challenge.to_string(), &|known: &Known| {
                !matches!(known, Known::Read(_, None) | Known::Listed(_, None))
            }),
            Known::Notified(_, sid) => (sid.to_string(), &move |known: &Known| match known {
                Known::Listed(_, Some(list)) => list.iter().any(|listed| listed.sid == *sid),
                _ => true,
            }),
            _ => continue,
        };
        if later(entry.told).any(|entry| !is_there(&entry.known)) {
            found.add(Rule::NothingIsLost, format!("{sid} was answered 201 and is not there"));
        }
    }
}

fn status_of(verdict: Verdict) -> ChallengeStatus {
    match verdict {
        Verdict::Approved => ChallengeStatus::Approved,
        Verdict::Denied => ChallengeStatus::Denied,
    }
}

/// The status that an entry proves, if it is not pending.
fn decided(known: &Known) -> Option<ChallengeStatus> {
    match known {
        Known::Answer(_, verdict, Reply::Taken) => Some(status_of(*verdict)),
        Known::Read(_, status) => status.filter(|status| *status != ChallengeStatus::Pending),
        _ => None,
    }
}

fn judge_answers(found: &mut Found, challenge: ChallengeSid, entries: &[&Entry]) {
    // An answer may count although its sender was told nothing.
    let is_sent = |verdict: Verdict, before: Instant| {
        entries.iter().filter(|entry| entry.asked <= before).any(|entry| {
            matches!(entry.known, Known::Answer(_, sent, Reply::Taken | Reply::Unknown) if sent == verdict)
        })
    };
    let any_sent = |before| is_sent(Verdict::Approved, before) || is_sent(Verdict::Denied, before);
    let expires =
        entries.iter().any(|entry| decided(&entry.known) == Some(ChallengeStatus::Expired));
    let mut first: Option<(ChallengeStatus, Instant)> = None;
    for entry in entries {
        match &entry.known {
            Known::Answer(_, _, Reply::Refused) if !expires && !any_sent(entry.told) => {
                let what = format!("{challenge}: an answer was refused, and nobody had answered");
                found.add(Rule::FirstAnswerWins, what);
            }
            Known::Read(
                _,
                Some(status @ (ChallengeStatus::Approved | ChallengeStatus::Denied)),
            ) => {
                let verdict = match status {
                    ChallengeStatus::Approved => Verdict::Approved,
                    _ => Verdict::Denied,
                };
                if !is_sent(verdict, entry.told) {
                    let what = format!("{challenge} is {}, which nobody answered", status.as_str());
                    found.add(Rule::FirstAnswerWins, what);
                }
            }
            _ => {}
        }
        let status = match (&entry.known, decided(&entry.known)) {
            (_, Some(status)) => status,
            (Known::Read(_, Some(status)), None) => *status,
            _ => continue,
        };
        match first {
            // A request from before the answer was known may be told that there was none.
            Some((before, known)) if before != status => {
                let is_pending = status == ChallengeStatus::Pending;
                if !is_pending || entry.asked >= known {
                    let rule = match entry.known {
                        Known::Answer(..) => Rule::FirstAnswerWins,
                        _ => Rule::AnAnswerStays,
                    };
                    let (before, status) = (before.as_str(), status.as_str());
                    found.add(rule, format!("{challenge} was {before} and is {status}"));
                }
            }
            None if status != ChallengeStatus::Pending => first = Some((status, entry.told)),
            Some(_) | None => {}
        }
    }
}

fn judge_lists(found: &mut Found, challenge: ChallengeSid, entries: &[&Entry], bounds: Bounds) {
    let mut ended: BTreeMap<NotificationSid, (NotificationStatus, Instant)> = BTreeMap::new();
    let mut lists = entries.iter().filter_map(|entry| match &entry.known {
        Known::Listed(_, Some(list)) => Some((entry, list)),
        _ => None,
    });
    for (entry, list) in lists.clone() {
        let added = list.iter().filter(|listed| !listed.automatic).count();
        if added > bounds.notifications {
            found.add(Rule::LimitsAreKept, format!("{challenge} has {added} notifications"));
        }
        for listed in list {
            let (sid, status) = (listed.sid, listed.status);
            match ended.get(&sid) {
                Some((before, known)) if *before != status && entry.asked >= *known => {
                    let (before, status) = (before.as_str(), status.as_str());
                    found.add(Rule::AnEndStays, format!("{sid} was {before} and is {status}"));
                }
                None if is_final(status) => {
                    ended.insert(sid, (status, entry.told));
                }
                Some(_) | None => {}
            }
        }
    }
    let is_answered = entries
        .iter()
        .any(|entry| matches!(entry.known, Known::Answer(_, _, Reply::Taken | Reply::Unknown)));
    if let Some((_, list)) = lists.next_back() {
        for (place, listed) in list.iter().enumerate() {
            if !ends_well(listed, &list[place + 1..], is_answered) {
                found.add(Rule::EverythingEnds, format!("{challenge}: {listed:?}"));
            }
        }
    }
}

fn is_final(status: NotificationStatus) -> bool {
    use NotificationStatus::{Cancelled, Delivered, Expired, Failed, Queued, Sending, Sent};
    match status {
        Delivered | Failed | Expired | Cancelled => true,
        Queued | Sending | Sent => false,
    }
}

/// Whether a notification for a device that comes back has ended as it must. `newer`: those of the same challenge.
fn ends_well(listed: &Listed, newer: &[Listed], is_answered: bool) -> bool {
    match (listed.status, listed.reason) {
        (NotificationStatus::Delivered, None) => true,
        // An answer can overtake the acknowledgement.
        (NotificationStatus::Sent, _) => is_answered,
        (NotificationStatus::Cancelled, Some(StatusReason::Answered)) => is_answered,
        (NotificationStatus::Cancelled, Some(StatusReason::Superseded)) => {
            let is_shown = |one: &Listed| one.status == NotificationStatus::Delivered;
            newer.iter().any(|one| is_shown(one) || is_answered)
        }
        (
            NotificationStatus::Expired,
            None | Some(StatusReason::DeviceOffline | StatusReason::NotAttempted),
        ) => {
            // An attempt that fails within the last second is the last.
            listed.updated_at + Duration::from_secs(1) >= listed.deadline
        }
        _ => false,
    }
}
