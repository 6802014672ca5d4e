//! How often somebody may try to sign in: for each user and for each address, within a while that begins with the first
//! try. One that succeeds does not count.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::time::Instant;
use moka::sync::Cache;

/// Failures of one user within [`WHILE`].
const MOST_OF_USER: u32 = 10;
/// Failures from one address, which many may share behind a proxy.
const MOST_FROM_ADDRESS: u32 = 50;
/// How long they are remembered.
const WHILE: Duration = Duration::from_secs(10 * 60);
/// Users and addresses that are remembered at a time.
const MOST_KNOWN: u64 = 20_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    User(String),
    Address(IpAddr),
}

impl Who {
    const fn most(&self) -> u32 {
        match self {
            Self::User(_) => MOST_OF_USER,
            Self::Address(_) => MOST_FROM_ADDRESS,
        }
    }
}

/// The tries of late.
pub(crate) struct Attempts(Cache<Who, (Instant, u32)>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Cache::new(MOST_KNOWN))
    }
}

impl Attempts {
    /// Counts a try before it is looked at, so that many at once are counted too; whether it may be.
    pub(crate) fn begin(&self, user: &str, address: Option<IpAddr>, now: Instant) -> bool {
        let mut may = true;
        for who in all(user, address) {
            let (began, count) = self.known(&who, now);
            may &= count < who.most();
            self.0.insert(who, (began, count.saturating_add(1)));
        }
        may
    }

    /// It went well.
    pub(crate) fn forgive(&self, user: &str, address: Option<IpAddr>, now: Instant) {
        for who in all(user, address) {
            let (began, count) = self.known(&who, now);
            self.0.insert(who, (began, count.saturating_sub(1)));
        }
    }

    fn known(&self, who: &Who, now: Instant) -> (Instant, u32) {
        let known = self.0.get(who).filter(|(began, _)| now < *began + WHILE);
        known.unwrap_or((now, 0))
    }
}

fn all(user: &str, address: Option<IpAddr>) -> impl Iterator<Item = Who> {
    // what cannot be a user need not be remembered
    let user = (user.len() == 34).then(|| Who::User(user.to_owned()));
    user.into_iter().chain(address.map(Who::Address))
}
