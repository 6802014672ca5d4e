//! Limits on failed sign-ins. The window begins with the first failure.
//!
//! Failures are limited for one user from one network, and for one network in all. For one user from everywhere there is no
//! limit, or strangers could lock the operator out: beyond a number of failures, each network must only pause between attempts.
//! A successful attempt does not count.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::operator::OperatorName;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_verify::tally::Tally;

/// Failures of one user from one network within [`WINDOW`].
const MAX_OF_USER_IN_NETWORK: u32 = 10;
/// Failures from one network, which many users may share behind a proxy.
const MAX_OF_NETWORK: u32 = 50;
/// Failures of one user from everywhere, beyond which attempts must be [`MIN_INTERVAL`] apart.
const MANY_OF_USER: u32 = 100;
/// Time after which failures are forgotten.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Pause between attempts, while they are slowed down.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Largest number of users, networks, and users in networks that are remembered.
const MAX_REMEMBERED: u64 = 20_000;

/// The user that a text names, independent of the spelling of its SID or name.
#[derive(Clone, PartialEq, Eq, Hash)]
enum User {
    Account(AccountSid),
    ApiKey(ApiKeySid),
    Operator(OperatorName),
    /// A text with which nobody can sign in, or a link.
    Nobody,
}

impl User {
    fn read(text: &str) -> Self {
        let account = text.parse().ok().map(Self::Account);
        let sid = account.or_else(|| text.parse().ok().map(Self::ApiKey));
        let name = || OperatorName::parse(text).ok().map(Self::Operator);
        sid.or_else(name).unwrap_or(Self::Nobody)
    }
}

/// Origin of an attempt; `None` without an address.
type Network = Option<ClientNetwork>;

/// The recent failures.
pub(crate) struct Attempts {
    as_user_there: Tally<(User, Network)>,
    from_household: Tally<Network>,
    as_user: Tally<User>,
    spaced: Tally<(User, Network)>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            as_user_there: Tally::new(WINDOW, MAX_REMEMBERED),
            from_household: Tally::new(WINDOW, MAX_REMEMBERED),
            as_user: Tally::new(WINDOW, MAX_REMEMBERED),
            spaced: Tally::new(MIN_INTERVAL, MAX_REMEMBERED),
        }
    }
}

impl Attempts {
    /// Counts an attempt before it is checked, so that concurrent attempts are counted too.
    ///
    /// # Errors
    /// The attempt must not be checked; the time until the next one may.
    pub(crate) fn begin(
        &self,
        user: &str,
        address: Option<IpAddr>,
        now: Monotonic,
    ) -> Result<(), Duration> {
        let (user, from) = (User::read(user), address.map(ClientNetwork::of));
        let there = (user.clone(), from);
        let is_spaced = self.as_user.read(&user, now).0 >= MANY_OF_USER;
        if is_spaced && self.spaced.add(there.clone(), now) > 0 {
            return Err(self.spaced.read(&there, now).1);
        }
        if self.as_user_there.add(there.clone(), now) >= MAX_OF_USER_IN_NETWORK {
            return Err(self.as_user_there.read(&there, now).1);
        }
        if self.from_household.add(from, now) >= MAX_OF_NETWORK {
            return Err(self.from_household.read(&from, now).1);
        }
        self.as_user.add(user, now);
        Ok(())
    }

    /// Takes back the count of a successful attempt.
    pub(crate) fn succeed(&self, user: &str, address: Option<IpAddr>, now: Monotonic) {
        let (user, from) = (User::read(user), address.map(ClientNetwork::of));
        self.as_user_there.take_back((user.clone(), from), now);
        self.spaced.take_back((user.clone(), from), now);
        self.from_household.take_back(from, now);
        self.as_user.take_back(user, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_spelling_of_a_sid_makes_no_difference() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        let here = address("192.0.2.1");
        let spelt = [ACCOUNT.to_owned(), format!("AC{}", ACCOUNT[2..].to_uppercase())];
        for number in 0..MAX_OF_USER_IN_NETWORK {
            let user = &spelt[usize::from(number % 2 == 1)];
            assert_eq!(attempts.begin(user, here, now), Ok(()));
        }
        let later = now + Duration::from_secs(60);
        for user in &spelt {
            assert_eq!(attempts.begin(user, here, later), Err(WINDOW - Duration::from_secs(60)));
        }
        assert_eq!(attempts.begin(&ACCOUNT.replace("AC", "SK"), here, later), Ok(()));
        assert_eq!(attempts.begin(ACCOUNT, here, now + WINDOW), Ok(()));
    }

    #[test]
    fn failures_do_not_lock_out_other_networks() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for _ in 0..2 * MAX_OF_USER_IN_NETWORK {
            let _ = attempts.begin(ACCOUNT, address("192.0.2.1"), now);
        }
        assert!(attempts.begin(ACCOUNT, address("192.0.2.1"), now).is_err());
        assert_eq!(attempts.begin(ACCOUNT, address("198.51.100.7"), now), Ok(()));
    }

    #[test]
    fn many_failures_from_everywhere_slow_a_user_down() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for number in 0..MANY_OF_USER {
            assert_eq!(attempts.begin(ACCOUNT, address(&format!("192.0.2.{number}")), now), Ok(()));
        }
        let here = address("198.51.100.7");
        assert_eq!(attempts.begin(ACCOUNT, here, now), Ok(()));
        let soon = now + Duration::from_secs(4);
        assert_eq!(attempts.begin(ACCOUNT, here, soon), Err(Duration::from_secs(6)));
        assert_eq!(attempts.begin(ACCOUNT, here, now + MIN_INTERVAL), Ok(()));
        assert_eq!(attempts.begin(ACCOUNT, address("203.0.113.9"), soon), Ok(()));
        let key = ACCOUNT.replace("AC", "SK");
        assert_eq!(
            (attempts.begin(&key, here, now), attempts.begin(&key, here, now)),
            (Ok(()), Ok(()))
        );
        attempts.succeed(ACCOUNT, address("203.0.113.9"), soon);
        assert_eq!(
            attempts.begin(ACCOUNT, address("203.0.113.9"), soon),
            Ok(()),
            "the attempt succeeded"
        );
    }

    #[test]
    fn addresses_of_one_64_are_one_network() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for number in 0..MAX_OF_NETWORK {
            let from = address(&format!("2001:db8:0:1:{number:x}::1"));
            let key = format!("SK{:032x}", number / 5);
            assert_eq!(attempts.begin(&key, from, now), Ok(()));
        }
        assert_eq!(attempts.begin(ACCOUNT, address("2001:db8:0:1::"), now), Err(WINDOW));
        assert_eq!(attempts.begin(ACCOUNT, address("2001:db8:0:2::"), now), Ok(()));
    }

    #[test]
    fn a_successful_attempt_does_not_count() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for _ in 0..2 * MANY_OF_USER {
            assert_eq!(attempts.begin(ACCOUNT, address("192.0.2.1"), now), Ok(()));
            attempts.succeed(ACCOUNT, address("192.0.2.1"), now);
        }
    }
}
