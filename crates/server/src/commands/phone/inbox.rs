//! The challenges that have been shown, and those that wait for an answer.

use std::collections::{HashMap, VecDeque};

use countersign_phone::Challenge;

/// The challenges of one phone.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Shown and not answered, oldest first.
    open: VecDeque<Challenge>,
    /// Challenges that were shown and have not expired, with the number of pushes of each.
    shown: HashMap<String, Shown>,
}

#[derive(Debug)]
struct Shown {
    message: String,
    expires_at: i64,
    pushes: u32,
}

/// The meaning of a push for the person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The challenge has not been shown.
    New,
    /// The challenge was shown when the phone connected; this is its push.
    Known,
    /// The challenge was pushed before.
    Again,
}

impl Inbox {
    /// Records a push of a challenge.
    pub(super) fn pushed(&mut self, sid: &str) -> Arrival {
        match self.shown.get_mut(sid) {
            None => Arrival::New,
            Some(shown) => {
                shown.pushes += 1;
                if shown.pushes == 1 { Arrival::Known } else { Arrival::Again }
            }
        }
    }

    /// Whether a challenge has been shown.
    pub(super) fn has_shown(&self, sid: &str) -> bool {
        self.shown.contains_key(sid)
    }

    /// Records that a challenge was shown after this many pushes.
    pub(super) fn show(&mut self, challenge: &Challenge, pushes: u32) {
        let expires_at = challenge.expires_at.as_second();
        let message = challenge.message.clone();
        self.shown.insert(challenge.sid.clone(), Shown { message, expires_at, pushes });
    }

    /// Queues a challenge for an answer. Returns how many wait before it.
    pub(super) fn keep(&mut self, challenge: Challenge) -> usize {
        self.open.push_back(challenge);
        self.open.len() - 1
    }

    /// The challenge that has waited longest.
    pub(super) fn oldest(&self) -> Option<&Challenge> {
        self.open.front()
    }

    /// Takes the challenge that has waited longest.
    pub(super) fn take(&mut self) -> Option<Challenge> {
        self.open.pop_front()
    }

    /// Puts back a challenge that could not be answered.
    pub(super) fn put_back(&mut self, challenge: Challenge) {
        self.open.push_front(challenge);
    }

    /// Takes note that a challenge is over; returns its message if it was shown.
    pub(super) fn end(&mut self, sid: &str) -> Option<&str> {
        self.open.retain(|challenge| challenge.sid != sid);
        self.shown.get(sid).map(|shown| shown.message.as_str())
    }

    /// Forgets that a challenge was shown, so that the next push shows it again.
    pub(super) fn forget(&mut self, sid: &str) {
        self.shown.remove(sid);
    }

    /// Removes expired challenges; returns those that were open.
    pub(super) fn expire(&mut self, now: i64) -> Vec<Challenge> {
        self.shown.retain(|_, shown| shown.expires_at > now);
        let is_over = |challenge: &Challenge| challenge.expires_at.as_second() <= now;
        let over = self.open.iter().filter(|challenge| is_over(challenge)).cloned().collect();
        self.open.retain(|challenge| !is_over(challenge));
        over
    }

    /// When the next open challenge expires.
    pub(super) fn next_expiry(&self) -> Option<i64> {
        self.open.iter().map(|challenge| challenge.expires_at.as_second()).min()
    }
}
