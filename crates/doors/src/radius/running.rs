//! How many requests of one client are worked on at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_domain::sid::IntegrationSid;

/// The most of one client. A client that has more gets no answer, and repeats its requests.
const MOST: usize = 256;

/// The number of each client's requests that are worked on.
#[derive(Debug, Default, Clone)]
pub(super) struct Running(Arc<Mutex<HashMap<IntegrationSid, usize>>>);

/// A request that is worked on, until it is dropped.
#[derive(Debug)]
pub(super) struct Run {
    all: Running,
    client: IntegrationSid,
}

impl Running {
    /// Begins a request; `None` if the client has too many.
    pub(super) fn begin(&self, client: IntegrationSid) -> Option<Run> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = all.entry(client).or_insert(0);
        if *number >= MOST {
            return None;
        }
        *number += 1;
        Some(Run { all: self.clone(), client })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = all.get_mut(&self.client) {
            *number -= 1;
            if *number == 0 {
                all.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_only_so_many_and_hinders_no_other() {
        let running = Running::default();
        let (one, other) =
            (IntegrationSid::from_bytes([1; 16]), IntegrationSid::from_bytes([2; 16]));
        let mut all: Vec<_> = (0..MOST).map(|_| running.begin(one).unwrap()).collect();
        assert!(running.begin(one).is_none());
        let _other = running.begin(other).unwrap();
        all.pop();
        let _one = running.begin(one).unwrap();
        drop(all);
        assert_eq!(running.0.lock().unwrap()[&one], 1);
    }
}
