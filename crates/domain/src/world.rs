//! All we ask of the world: what time it is, to be woken at a time, and bytes nobody can guess.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::monotonic::Monotonic;
use crate::time::Instant;

/// A wait for the clock.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time. All other code is handed a reading or a clock; tests move its hands.
///
/// There are two hands. [`now`](Self::now) is the time of day, which is stored, shown, and compared with stored deadlines;
/// an operator or a time service can set it forward and back. [`monotonic`](Self::monotonic) only goes forward, at the pace
/// of real time; everything that measures a duration within one process uses it.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Instant;

    /// The reading of the monotonic hand.
    fn monotonic(&self) -> Monotonic;

    /// A wait until the time of day is `at` or later; over at once if it is already.
    fn sleep_until(&self, at: Instant) -> Sleep;

    /// A wait of `span` on the monotonic hand; setting the time of day neither shortens nor prolongs it.
    fn sleep(&self, span: Duration) -> Sleep;
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
