//! Limits per second, kept in memory and counted by our own clock.

use std::num::NonZeroU32;
use std::sync::Arc;

use countersign_domain::limits::Limits;
use countersign_domain::sid::AccountSid;
use countersign_domain::world::Clock;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Our clock, as the limiter wants it.
#[derive(Clone)]
struct Hands(Arc<dyn Clock>);

impl GovernorClock for Hands {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(
            u64::try_from(self.0.now().as_micros()).unwrap_or_default().saturating_mul(1_000),
        )
    }
}

type PerAccount =
    RateLimiter<AccountSid, DashMapStateStore<AccountSid>, Hands, NoOpMiddleware<Nanos>>;

/// Accounts that are idle are forgotten when more than this many are known.
const MOST_KNOWN: usize = 10_000;

/// One limit for each account alike; `None` where there is no limit.
struct Rate(Option<PerAccount>);

impl Rate {
    fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        Self(NonZeroU32::new(per_second).map(|most| {
            RateLimiter::new(Quota::per_second(most), DashMapStateStore::default(), Hands(clock))
        }))
    }

    fn allows(&self, account: AccountSid) -> bool {
        let Some(limiter) = &self.0 else { return true };
        if limiter.len() > MOST_KNOWN {
            limiter.retain_recent();
        }
        limiter.check_key(&account).is_ok()
    }
}

/// All limits per second.
pub(crate) struct Rates {
    requests: Rate,
    entities: Rate,
}

impl Rates {
    pub(crate) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            requests: Rate::new(limits.requests_per_account_per_second, Arc::clone(&clock)),
            entities: Rate::new(limits.entities_per_account_per_second, clock),
        }
    }

    /// Whether the account may make one more request now.
    pub(crate) fn allow_request(&self, account: AccountSid) -> bool {
        self.requests.allows(account)
    }

    /// Whether the account may make one more entity now.
    pub(crate) fn allow_entity(&self, account: AccountSid) -> bool {
        self.entities.allows(account)
    }
}
