//! The clock of device streams in test mode.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Sleep};

use super::clock::TestClock;

/// Tells devices the tester's time, and measures the life of their connections by real time: a real device cannot answer a ping within
/// a minute that passes at once.
pub(crate) struct StreamClock(pub(crate) TestClock);

impl StreamClock {
    fn real(&self) -> &Arc<dyn Clock> {
        self.0.followed()
    }
}

impl Clock for StreamClock {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn monotonic(&self) -> Monotonic {
        self.real().monotonic()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.0.sleep_until(at)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.real().sleep(span)
    }
}
