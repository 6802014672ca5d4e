//! How often somebody may try to sign in: for each user and for each household of addresses, within a while that begins
//! with the first try. One that succeeds does not count.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::household::Household;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_verify::tally::Tally;

/// Failures of one user within [`WHILE`].
const MOST_OF_USER: u32 = 10;
/// Failures from one household, which many may share behind a proxy.
const MOST_FROM_HOUSEHOLD: u32 = 50;
/// How long they are remembered.
const WHILE: Duration = Duration::from_secs(10 * 60);
/// Users and households that are remembered at a time.
const MOST_KNOWN: u64 = 20_000;

/// A user is who the text names, however it is spelt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Account(AccountSid),
    ApiKey(ApiKeySid),
    Household(Household),
}

impl Who {
    const fn most(self) -> u32 {
        match self {
            Self::Account(_) | Self::ApiKey(_) => MOST_OF_USER,
            Self::Household(_) => MOST_FROM_HOUSEHOLD,
        }
    }
}

/// The tries of late.
pub(crate) struct Attempts(Tally<Who>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Tally::new(WHILE, MOST_KNOWN))
    }
}

impl Attempts {
    /// Counts a try before it is looked at, so that many at once are counted too; whether it may be.
    pub(crate) fn begin(&self, user: &str, address: Option<IpAddr>, now: Monotonic) -> bool {
        let mut may = true;
        for who in all(user, address) {
            may &= self.0.add(who, now) < who.most();
        }
        may
    }

    /// It went well.
    pub(crate) fn forgive(&self, user: &str, address: Option<IpAddr>, now: Monotonic) {
        for who in all(user, address) {
            self.0.take_back(who, now);
        }
    }
}

/// What cannot be a user is counted by its household alone.
fn all(user: &str, address: Option<IpAddr>) -> impl Iterator<Item = Who> {
    let account = user.parse().ok().map(Who::Account);
    let user = account.or_else(|| user.parse().ok().map(Who::ApiKey));
    user.into_iter().chain(address.map(|address| Who::Household(Household::of(address))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_user_is_the_same_however_the_sid_is_spelt() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        let spelt = [ACCOUNT.to_owned(), format!("AC{}", ACCOUNT[2..].to_uppercase())];
        for number in 0..MOST_OF_USER {
            let user = &spelt[usize::from(number % 2 == 1)];
            assert!(attempts.begin(user, address(&format!("192.0.2.{number}")), now));
        }
        for user in &spelt {
            assert!(!attempts.begin(user, address("198.51.100.7"), now));
        }
        assert!(attempts.begin(&ACCOUNT.replace("AC", "SK"), address("198.51.100.7"), now));
        assert!(attempts.begin(ACCOUNT, address("198.51.100.7"), now + WHILE));
    }

    #[test]
    fn addresses_of_one_64_are_one_household() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for number in 0..MOST_FROM_HOUSEHOLD {
            let from = address(&format!("2001:db8:0:1:{number:x}::1"));
            assert!(attempts.begin("nobody", from, now));
        }
        assert!(!attempts.begin("nobody", address("2001:db8:0:1::"), now));
        assert!(attempts.begin("nobody", address("2001:db8:0:2::"), now));
    }

    #[test]
    fn a_try_that_went_well_does_not_count() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for _ in 0..2 * MOST_FROM_HOUSEHOLD {
            assert!(attempts.begin(ACCOUNT, address("192.0.2.1"), now));
            attempts.forgive(ACCOUNT, address("192.0.2.1"), now);
        }
    }
}
