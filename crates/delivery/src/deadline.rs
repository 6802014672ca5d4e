//! The instant at which an attempt is given up.

use std::time::Duration;

use countersign_domain::delivery::Lease;
use countersign_domain::time::Instant;

/// An attempt is given up this long before its lease runs out, so that the result is written while the lease holds.
const MARGIN: Duration = Duration::from_secs(2);
/// The one attempt of a `Ttl=0` is given up this long after its deadline: as long as a device may take to acknowledge.
const ONCE_MARGIN: Duration = Duration::from_secs(10);

/// The instant at which an attempt under this lease is given up.
pub(crate) fn give_up_at(lease: &Lease) -> Instant {
    if lease.delivery.once { lease.delivery.deadline + ONCE_MARGIN } else { lease.until - MARGIN }
}
