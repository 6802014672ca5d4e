//! How many attempts may run at once to one destination, so that a slow one does not slow the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use countersign_domain::address::Platform;
use countersign_domain::delivery::Target;
use countersign_domain::sid::CredentialSid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::Options;

/// Forgotten destinations are looked for when there are this many.
const MANY: usize = 1_024;

type Destination = (Platform, Option<CredentialSid>);

/// The gates of all destinations.
pub(crate) struct Gates {
    stream: Arc<Gate>,
    others: Mutex<HashMap<Destination, Weak<Gate>>>,
    attempts: usize,
    seats: usize,
}

/// One destination's gate, with a waiting room before it.
pub(crate) struct Gate {
    passes: Arc<Semaphore>,
    seats: Semaphore,
}

/// The right to make one attempt. Dropping it lets the next one through.
pub(crate) struct Pass {
    _pass: OwnedSemaphorePermit,
    /// A destination is remembered while somebody is at its gate.
    _gate: Arc<Gate>,
}

/// The waiting room is full.
pub(crate) struct Crowded;

impl Gate {
    fn new(attempts: usize, seats: usize) -> Arc<Self> {
        Arc::new(Self {
            passes: Arc::new(Semaphore::new(attempts.clamp(1, Semaphore::MAX_PERMITS))),
            seats: Semaphore::new(seats.min(Semaphore::MAX_PERMITS)),
        })
    }

    /// A pass, if one is free.
    pub(crate) fn try_pass(self: &Arc<Self>) -> Option<Pass> {
        let pass = Arc::clone(&self.passes).try_acquire_owned().ok()?;
        Some(self.pass(pass))
    }

    /// Waits for a pass, if there is a seat to wait on.
    pub(crate) async fn wait(self: &Arc<Self>) -> Result<Pass, Crowded> {
        let _seat = self.seats.try_acquire().map_err(|_| Crowded)?;
        let pass = Arc::clone(&self.passes).acquire_owned().await;
        // No gate is ever closed.
        pass.map(|pass| self.pass(pass)).map_err(|_| Crowded)
    }

    fn pass(self: &Arc<Self>, pass: OwnedSemaphorePermit) -> Pass {
        Pass {
            _pass: pass,
            _gate: Arc::clone(self),
        }
    }
}

impl Gates {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            stream: Gate::new(options.stream_attempts, options.waiting),
            others: Mutex::default(),
            attempts: options.credential_attempts,
            seats: options.waiting,
        }
    }

    /// The gate before a destination.
    pub(crate) fn to(&self, target: &Target) -> Arc<Gate> {
        let platform = target.address.platform();
        if platform == Platform::Stream {
            return Arc::clone(&self.stream);
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() >= MANY {
            others.retain(|_, gate| gate.strong_count() > 0);
        }
        let known = others.entry((platform, target.credential)).or_default();
        known.upgrade().unwrap_or_else(|| {
            let gate = Gate::new(self.attempts, self.seats);
            *known = Arc::downgrade(&gate);
            gate
        })
    }
}
