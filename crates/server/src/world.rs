//! The system's clock and random bytes. Nothing else reads them.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_domain::monotonic::Monotonic;
use countersign_domain::sequence::Sequence;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy, Sleep};

use crate::test_mode::TestMode;

/// The clock and the source of randomness of a server.
#[derive(Clone)]
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The hands of a tester, if the server is in test mode.
    pub test_mode: Option<Arc<TestMode>>,
}

impl World {
    /// The system's clock and random bytes.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy), test_mode: None }
    }

    /// The same world, whose clock a tester moves.
    #[must_use]
    pub fn in_test_mode(self, mode: TestMode) -> Self {
        Self { clock: Arc::new(mode.clock.clone()), test_mode: Some(Arc::new(mode)), ..self }
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep. The clock is read again after it, so that a clock that was set, or a machine that was
/// suspended, delays nothing for long.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The origin of this process's monotonic clock: its first reading.
static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::after_origin(ORIGIN.elapsed())
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Box::pin(async move {
            loop {
                let left = at.since(Self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(SLEEP_MAX)).await;
            }
        })
    }
}

/// The order of this process's SIDs.
static SEQUENCE: Sequence = Sequence::new();

/// The system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the entropy")]
        getrandom::fill(bytes).expect("the system has random bytes");
    }

    fn sequence(&self) -> Option<&Sequence> {
        Some(&SEQUENCE)
    }
}
