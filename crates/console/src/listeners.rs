//! How many live streams there are, in all and of each session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Streams of one session. A browser holds at most six connections to one server over HTTP/1.1.
const MOST_OF_SESSION: usize = 4;
/// Streams in all.
const MOST: usize = 64;

/// The streams of each session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<HashMap<String, usize>>>);

/// A stream. Dropping it ends its count.
#[derive(Debug)]
pub(crate) struct Listener {
    all: Listeners,
    session: String,
}

impl Listeners {
    /// Adds a stream; `None` if there are too many.
    pub(crate) fn join(&self, session: &str) -> Option<Listener> {
        let mut counts = self.counts();
        if counts.values().sum::<usize>() >= MOST {
            return None;
        }
        let count = counts.entry(session.to_owned()).or_default();
        if *count >= MOST_OF_SESSION {
            return None;
        }
        *count += 1;
        Some(Listener { all: self.clone(), session: session.to_owned() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_limited_by_session_and_in_all() {
        let listeners = Listeners::default();
        let mine: Vec<_> = (0..MOST_OF_SESSION).map(|_| listeners.join("mine").unwrap()).collect();
        assert!(listeners.join("mine").is_none());
        let others: Vec<_> = (MOST_OF_SESSION..MOST)
            .map(|number| listeners.join(&number.to_string()).unwrap())
            .collect();
        assert!(listeners.join("another").is_none());
        drop(mine);
        assert!(listeners.join("mine").is_some());
        drop(others);
        assert!(listeners.counts().is_empty());
    }
}
