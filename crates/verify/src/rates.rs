//! Rate limits per second, kept in memory and measured with the monotonic clock.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_domain::limits::Limits;
use countersign_domain::sid::AccountSid;
use countersign_domain::world::Clock;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Adapts the clock to the rate limiter.
#[derive(Clone)]
struct LimiterClock(Arc<dyn Clock>);

impl GovernorClock for LimiterClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let nanos = self.0.monotonic().since_origin().as_nanos();
        Nanos::from(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

type PerAccount =
    RateLimiter<AccountSid, DashMapStateStore<AccountSid>, LimiterClock, NoOpMiddleware<Nanos>>;

/// Idle accounts are forgotten once in this many requests, because that visits every account. In between, each request adds at
/// most one account.
const SWEEP_EVERY: u32 = 4_096;

/// A rate limit that applies to each account.
struct Rate {
    /// `None` without a limit.
    limiter: Option<PerAccount>,
    requests: AtomicU32,
}

impl Rate {
    fn new(per_second: u32, clock: &Arc<dyn Clock>) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|most| {
            let clock = LimiterClock(Arc::clone(clock));
            RateLimiter::new(Quota::per_second(most), DashMapStateStore::default(), clock)
        });
        Self { limiter, requests: AtomicU32::new(0) }
    }

    fn allows(&self, account: AccountSid) -> bool {
        let Some(limiter) = &self.limiter else { return true };
        if self.requests.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_multiple_of(SWEEP_EVERY)
        {
            limiter.retain_recent();
        }
        limiter.check_key(&account).is_ok()
    }
}

/// All rate limits.
pub(crate) struct Rates {
    requests: Rate,
    entities: Rate,
}

impl Rates {
    pub(crate) fn new(limits: &Limits, clock: &Arc<dyn Clock>) -> Self {
        Self {
            requests: Rate::new(limits.requests_per_account_per_second, clock),
            entities: Rate::new(limits.entities_per_account_per_second, clock),
        }
    }

    /// Whether the account may make one more request now.
    pub(crate) fn allow_request(&self, account: AccountSid) -> bool {
        self.requests.allows(account)
    }

    /// Whether the account may create one more entity now.
    pub(crate) fn allow_entity(&self, account: AccountSid) -> bool {
        self.entities.allows(account)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_testkit::ManualClock;

    use super::*;

    fn account(number: u32) -> AccountSid {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        AccountSid::from_bytes(bytes)
    }

    fn known(rate: &Rate) -> usize {
        rate.limiter.as_ref().map_or(0, RateLimiter::len)
    }

    #[test]
    fn idle_accounts_are_forgotten_once_in_many_requests() {
        let clock = ManualClock::new();
        let rate = Rate::new(5, &(Arc::new(clock.clone()) as Arc<dyn Clock>));
        for number in 1..SWEEP_EVERY {
            assert!(rate.allows(account(number)));
        }
        clock.advance(Duration::from_secs(5));
        assert_eq!(known(&rate), 4_095, "no account is forgotten yet");
        assert!(rate.allows(account(0)));
        assert_eq!(known(&rate), 1);
    }

    #[test]
    fn setting_the_time_of_day_changes_no_rate() {
        let clock = ManualClock::new();
        let rate = Rate::new(2, &(Arc::new(clock.clone()) as Arc<dyn Clock>));
        let one = account(1);
        assert_eq!([rate.allows(one), rate.allows(one), rate.allows(one)], [true, true, false]);
        clock.step_wall(clock.now() + Duration::from_secs(3_600));
        assert!(!rate.allows(one), "no time has passed");
        clock.step_wall(clock.now() - Duration::from_secs(7_200));
        clock.advance(Duration::from_secs(1));
        assert!(rate.allows(one), "a second has passed");
    }
}
