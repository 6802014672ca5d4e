//! Time and randomness, which are passed in.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::monotonic::Monotonic;
use crate::sequence::Sequence;
use crate::time::Instant;

/// A future that completes at a time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that reads the clock that this one follows.
pub type CheckedTime = Pin<Box<dyn Future<Output = Option<Instant>> + Send>>;

/// The clocks of a process. Tests set them.
///
/// [`now`](Self::now) is the time of day: it is stored, shown, and compared with stored deadlines. An operator or a time service can
/// set it forward and back. [`monotonic`](Self::monotonic) only increases, at the pace of real time: it measures durations within one
/// process.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Instant;

    /// The monotonic clock.
    fn monotonic(&self) -> Monotonic;

    /// Waits until the time of day is `at` or later.
    fn sleep_until(&self, at: Instant) -> Sleep;

    /// Waits for `span` on the monotonic clock. Setting the time of day does not change the wait.
    fn sleep(&self, span: Duration) -> Sleep;

    /// Whether the time of day may be wrong: the machine's clock has jumped since it was last compared with the clock that it follows.
    /// Nothing may be decided by a doubtful time; see [`checked`](Self::checked).
    fn is_doubtful(&self) -> bool {
        false
    }

    /// By how many milliseconds the machine's clock is ahead of [`now`](Self::now). Negative if it is behind.
    fn machine_ahead(&self) -> i64 {
        0
    }

    /// The time of day after a comparison with the clock that this one follows, which is the database's; `None` if that cannot be read.
    /// For decisions that are final: it costs a round trip.
    fn checked(&self) -> CheckedTime {
        let now = self.now();
        Box::pin(std::future::ready(Some(now)))
    }
}

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable values.
    fn fill(&self, bytes: &mut [u8]);

    /// The sequence that orders the SIDs made from these bytes, if there is one.
    fn sequence(&self) -> Option<&Sequence> {
        None
    }
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
