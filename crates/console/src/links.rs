//! Links that sign in once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::AccountSid;

/// Validity of a link.
const VALIDITY: Duration = Duration::from_secs(10 * 60);
/// Largest number of links. A further one replaces the oldest.
const MOST: usize = 16;

/// The unused links, oldest first.
#[derive(Default)]
pub(crate) struct Links(Mutex<Vec<(String, AccountSid, Monotonic)>>);

impl Links {
    pub(crate) fn add(&self, key: String, account: AccountSid, now: Monotonic) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() == MOST {
            links.remove(0);
        }
        links.push((key, account, now + VALIDITY));
    }

    /// Uses a link.
    pub(crate) fn take(&self, key: &str, now: Monotonic) -> Option<AccountSid> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, _, until)| now < *until);
        let at = links.iter().position(|(known, _, _)| known == key)?;
        Some(links.remove(at).1)
    }
}
