//! What has been shown, and what still waits for an answer.

use std::collections::{HashMap, VecDeque};

use countersign_phone::Challenge;

/// The challenges of one phone.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Shown and not answered, oldest first.
    open: VecDeque<Challenge>,
    /// All that were shown and have not expired, with how many pushes came for each.
    shown: HashMap<String, Shown>,
}

#[derive(Debug)]
struct Shown {
    expires_at: i64,
    pushes: u32,
}

/// What a push means to the person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Not shown yet.
    New,
    /// Shown because it was pending when we connected; this is the push of it.
    Known,
    /// Asked again.
    Again,
}

impl Inbox {
    /// A push of a challenge came.
    pub(super) fn pushed(&mut self, sid: &str) -> Arrival {
        match self.shown.get_mut(sid) {
            None => Arrival::New,
            Some(shown) => {
                shown.pushes += 1;
                if shown.pushes == 1 { Arrival::Known } else { Arrival::Again }
            }
        }
    }

    /// Whether it has been shown.
    pub(super) fn has_shown(&self, sid: &str) -> bool {
        self.shown.contains_key(sid)
    }

    /// It has been shown, after so many pushes.
    pub(super) fn show(&mut self, challenge: &Challenge, pushes: u32) {
        let expires_at = challenge.expires_at.as_second();
        self.shown.insert(challenge.sid.clone(), Shown { expires_at, pushes });
    }

    /// It waits for the person. Returns how many wait before it.
    pub(super) fn keep(&mut self, challenge: Challenge) -> usize {
        self.open.push_back(challenge);
        self.open.len() - 1
    }

    /// The one that has waited longest.
    pub(super) fn oldest(&self) -> Option<&Challenge> {
        self.open.front()
    }

    /// Takes the one that has waited longest.
    pub(super) fn take(&mut self) -> Option<Challenge> {
        self.open.pop_front()
    }

    /// Puts back what could not be answered this time.
    pub(super) fn put_back(&mut self, challenge: Challenge) {
        self.open.push_front(challenge);
    }

    /// Forgets that it was shown, so that the next push shows it again.
    pub(super) fn forget(&mut self, sid: &str) {
        self.shown.remove(sid);
    }

    /// Removes what can no longer be answered, and returns what was still open of it.
    pub(super) fn expire(&mut self, now: i64) -> Vec<Challenge> {
        self.shown.retain(|_, shown| shown.expires_at > now);
        let is_over = |challenge: &Challenge| challenge.expires_at.as_second() <= now;
        let over = self.open.iter().filter(|challenge| is_over(challenge)).cloned().collect();
        self.open.retain(|challenge| !is_over(challenge));
        over
    }

    /// When the first of the open ones expires.
    pub(super) fn next_expiry(&self) -> Option<i64> {
        self.open.iter().map(|challenge| challenge.expires_at.as_second()).min()
    }
}
