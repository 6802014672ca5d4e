//! Webhook calls that wait for another one to overtake them.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The calls that wait. At most as many as there are calls while none is made.
#[derive(Default)]
pub(crate) struct HeldCalls(Mutex<Vec<oneshot::Sender<()>>>);

impl HeldCalls {
    /// Holds a call until the receiver resolves.
    pub(crate) fn hold(&self) -> oneshot::Receiver<()> {
        let (release, released) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(release);
        released
    }

    /// Releases all calls.
    pub(crate) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
