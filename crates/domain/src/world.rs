//! All we ask of the world: what time it is, to be woken at a time, and bytes nobody can guess.

use std::future::Future;
use std::pin::Pin;

use crate::time::Instant;

/// A wait that ends when the clock reaches an instant.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time. Everybody else is handed an [`Instant`] or a clock; a test moves its hands.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Instant;

    /// A wait until `at`; over at once if that has passed.
    fn sleep_until(&self, at: Instant) -> Sleep;
}

/// A source of bytes that a stranger cannot predict.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` fresh random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
