//! How often somebody may try to sign in, within a while that begins with the first try: as one user from one household of
//! addresses, and from one household as anybody. As one user from everywhere there is no such bound, or strangers could lock the
//! operator out; past a number of failures each household only has to leave some seconds between its tries. A try that succeeds
//! does not count.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{AccountSid, ApiKeySid};
use countersign_verify::tally::Tally;

/// Failures as one user from one household within [`WHILE`].
const MOST_AS_USER_THERE: u32 = 10;
/// Failures from one household, which many may share behind a proxy.
const MOST_FROM_HOUSEHOLD: u32 = 50;
/// Failures as one user from everywhere, past which tries are spaced by [`SPACE`].
const MANY_AS_USER: u32 = 100;
/// How long failures are remembered.
const WHILE: Duration = Duration::from_secs(10 * 60);
/// From one try to the next, while tries are spaced.
const SPACE: Duration = Duration::from_secs(10);
/// Users, households, and users in households that are remembered at a time.
const MOST_KNOWN: u64 = 20_000;

/// Whom a text names, however its SID is spelt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum User {
    Account(AccountSid),
    ApiKey(ApiKeySid),
    /// Texts that are no SID: nobody can sign in with one.
    Nobody,
}

impl User {
    fn read(text: &str) -> Self {
        let account = text.parse().ok().map(Self::Account);
        account.or_else(|| text.parse().ok().map(Self::ApiKey)).unwrap_or(Self::Nobody)
    }
}

/// From where; `None` without an address.
type From = Option<ClientNetwork>;

/// The tries of late.
pub(crate) struct Attempts {
    as_user_there: Tally<(User, From)>,
    from_household: Tally<From>,
    as_user: Tally<User>,
    spaced: Tally<(User, From)>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            as_user_there: Tally::new(WHILE, MOST_KNOWN),
            from_household: Tally::new(WHILE, MOST_KNOWN),
            as_user: Tally::new(WHILE, MOST_KNOWN),
            spaced: Tally::new(SPACE, MOST_KNOWN),
        }
    }
}

impl Attempts {
    /// Counts a try before it is judged, so that many at once are counted too.
    ///
    /// # Errors
    /// It may not be judged; after how long the next one may.
    pub(crate) fn begin(
        &self,
        user: &str,
        address: Option<IpAddr>,
        now: Monotonic,
    ) -> Result<(), Duration> {
        let (user, from) = (User::read(user), address.map(ClientNetwork::of));
        let there = (user, from);
        let is_spaced = self.as_user.read(&user, now).0 >= MANY_AS_USER;
        if is_spaced && self.spaced.add(there, now) > 0 {
            return Err(self.spaced.read(&there, now).1);
        }
        if self.as_user_there.add(there, now) >= MOST_AS_USER_THERE {
            return Err(self.as_user_there.read(&there, now).1);
        }
        if self.from_household.add(from, now) >= MOST_FROM_HOUSEHOLD {
            return Err(self.from_household.read(&from, now).1);
        }
        self.as_user.add(user, now);
        Ok(())
    }

    /// It went well.
    pub(crate) fn forgive(&self, user: &str, address: Option<IpAddr>, now: Monotonic) {
        let (user, from) = (User::read(user), address.map(ClientNetwork::of));
        self.as_user_there.take_back((user, from), now);
        self.spaced.take_back((user, from), now);
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
    fn a_user_is_the_same_however_the_sid_is_spelt() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        let here = address("192.0.2.1");
        let spelt = [ACCOUNT.to_owned(), format!("AC{}", ACCOUNT[2..].to_uppercase())];
        for number in 0..MOST_AS_USER_THERE {
            let user = &spelt[usize::from(number % 2 == 1)];
            assert_eq!(attempts.begin(user, here, now), Ok(()));
        }
        let later = now + Duration::from_secs(60);
        for user in &spelt {
            assert_eq!(attempts.begin(user, here, later), Err(WHILE - Duration::from_secs(60)));
        }
        assert_eq!(attempts.begin(&ACCOUNT.replace("AC", "SK"), here, later), Ok(()));
        assert_eq!(attempts.begin(ACCOUNT, here, now + WHILE), Ok(()));
    }

    #[test]
    fn whoever_fails_locks_nobody_out_elsewhere() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for _ in 0..2 * MOST_AS_USER_THERE {
            let _ = attempts.begin(ACCOUNT, address("192.0.2.1"), now);
        }
        assert!(attempts.begin(ACCOUNT, address("192.0.2.1"), now).is_err());
        assert_eq!(attempts.begin(ACCOUNT, address("198.51.100.7"), now), Ok(()));
    }

    #[test]
    fn many_failures_from_everywhere_slow_a_user_down_and_lock_nobody_out() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for number in 0..MANY_AS_USER {
            assert_eq!(attempts.begin(ACCOUNT, address(&format!("192.0.2.{number}")), now), Ok(()));
        }
        let here = address("198.51.100.7");
        assert_eq!(attempts.begin(ACCOUNT, here, now), Ok(()));
        let soon = now + Duration::from_secs(4);
        assert_eq!(attempts.begin(ACCOUNT, here, soon), Err(Duration::from_secs(6)));
        assert_eq!(attempts.begin(ACCOUNT, here, now + SPACE), Ok(()));
        assert_eq!(attempts.begin(ACCOUNT, address("203.0.113.9"), soon), Ok(()));
        let key = ACCOUNT.replace("AC", "SK");
        assert_eq!(
            (attempts.begin(&key, here, now), attempts.begin(&key, here, now)),
            (Ok(()), Ok(()))
        );
        attempts.forgive(ACCOUNT, address("203.0.113.9"), soon);
        assert_eq!(attempts.begin(ACCOUNT, address("203.0.113.9"), soon), Ok(()), "it went well");
    }

    #[test]
    fn addresses_of_one_64_are_one_household() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for number in 0..MOST_FROM_HOUSEHOLD {
            let from = address(&format!("2001:db8:0:1:{number:x}::1"));
            let key = format!("SK{:032x}", number / 5);
            assert_eq!(attempts.begin(&key, from, now), Ok(()));
        }
        assert_eq!(attempts.begin(ACCOUNT, address("2001:db8:0:1::"), now), Err(WHILE));
        assert_eq!(attempts.begin(ACCOUNT, address("2001:db8:0:2::"), now), Ok(()));
    }

    #[test]
    fn a_try_that_went_well_does_not_count() {
        let (attempts, now) = (Attempts::default(), Monotonic::default());
        for _ in 0..2 * MANY_AS_USER {
            assert_eq!(attempts.begin(ACCOUNT, address("192.0.2.1"), now), Ok(()));
            attempts.forgive(ACCOUNT, address("192.0.2.1"), now);
        }
    }
}
