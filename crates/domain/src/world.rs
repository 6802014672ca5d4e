//! All we ask of the world: what time it is, to be woken at a time, and bytes nobody can guess.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::monotonic::Monotonic;
use crate::sequence::Sequence;
use crate::time::Instant;

/// A wait for the clock.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A look at the clock that this one follows.
pub type Look = Pin<Box<dyn Future<Output = Option<Instant>> + Send>>;

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

    /// Whether the time of day may be wrong: the machine's clock has jumped since this clock was last compared with the one
    /// that it follows. Nothing may be begun, ended or refused by a doubtful time; see [`checked`](Self::checked).
    fn is_doubtful(&self) -> bool {
        false
    }

    /// The time of day, compared with the clock that this one follows (the database's) at this moment; `None` if that
    /// cannot be asked. For decisions that cannot be taken back: it costs a round trip where [`now`](Self::now) costs none.
    fn checked(&self) -> Look {
        let now = self.now();
        Box::pin(std::future::ready(Some(now)))
    }
}

/// A source of bytes that a stranger cannot predict.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// The order of the SIDs that are minted with these bytes, if one is kept.
    fn sequence(&self) -> Option<&Sequence> {
        None
    }
}

/// `N` fresh random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
