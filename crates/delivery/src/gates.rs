//! How many attempts may run at once to one destination, so that a slow one does not slow the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use countersign_domain::address::Platform;
use countersign_domain::delivery::Target;
use countersign_domain::sid::{CredentialSid, ServiceSid};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::Options;

/// Forgotten destinations are looked for when there are this many.
const MANY: usize = 1_024;

/// Whose pushes share a gate: those with one credential or, where none is needed, those of one service, so that no tenant
/// stands in another's way.
#[derive(PartialEq, Eq, Hash)]
enum Destination {
    Credential(Platform, CredentialSid),
    Service(Platform, ServiceSid),
}

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
        Pass { _pass: pass, _gate: Arc::clone(self) }
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
        let destination = match target.credential {
            Some(credential) => Destination::Credential(platform, credential),
            None => Destination::Service(platform, target.service),
        };
        let known = others.entry(destination).or_default();
        known.upgrade().unwrap_or_else(|| {
            let gate = Gate::new(self.attempts, self.seats);
            *known = Arc::downgrade(&gate);
            gate
        })
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::address::Address;
    use countersign_domain::sid::AccountSid;
    use countersign_domain::text::AppId;

    use super::*;

    fn target(platform: Platform, credential: u8) -> Target {
        Target {
            account: AccountSid::from_bytes([1; 16]),
            service: ServiceSid::from_bytes([2; 16]),
            address: Address::from_stored(platform, None),
            app_id: AppId::parse("com.example.app").expect("an app id"),
            credential: Some(CredentialSid::from_bytes([credential; 16])),
        }
    }

    fn gates() -> Gates {
        Gates::new(&Options {
            stream_attempts: 1,
            credential_attempts: 2,
            waiting: 1,
            ..Options::default()
        })
    }

    #[tokio::test]
    async fn one_credential_does_not_take_another_ones_turn() {
        let gates = gates();
        let busy = gates.to(&target(Platform::Fcm, 3));
        let (one, _two) = (busy.try_pass().expect("free"), busy.try_pass().expect("free"));
        assert!(gates.to(&target(Platform::Fcm, 3)).try_pass().is_none());
        assert!(gates.to(&target(Platform::Fcm, 4)).try_pass().is_some());
        assert!(gates.to(&target(Platform::Apn, 3)).try_pass().is_some());
        drop(one);
        assert!(gates.to(&target(Platform::Fcm, 3)).try_pass().is_some());

        let of = |service| Target {
            service: ServiceSid::from_bytes([service; 16]),
            credential: None,
            ..target(Platform::WebPush, 0)
        };
        let busy = (gates.to(&of(1)).try_pass(), gates.to(&of(1)).try_pass());
        assert!(busy.1.is_some() && gates.to(&of(1)).try_pass().is_none());
        assert!(gates.to(&of(2)).try_pass().is_some());
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let gate = gates().to(&target(Platform::Stream, 3));
        let pass = gate.try_pass().expect("free");
        let waits = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.wait().await.is_ok() }
        });
        while gate.seats.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(gate.wait().await.is_err());
        drop(pass);
        assert!(waits.await.expect("no panic"));
    }

    #[tokio::test]
    async fn destinations_nobody_goes_to_are_forgotten() {
        let gates = gates();
        for n in 0..u16::try_from(MANY * 2).expect("small") {
            let [high, low] = n.to_be_bytes();
            let mut target = target(Platform::Fcm, 0);
            let mut sid = [0; 16];
            (sid[0], sid[1]) = (high, low);
            target.credential = Some(CredentialSid::from_bytes(sid));
            assert!(gates.to(&target).try_pass().is_some());
        }
        assert!(gates.others.lock().expect("no panic").len() <= MANY);
    }
}
