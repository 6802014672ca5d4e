//! How often strangers may try. Counted in the memory of a node; the store's own limits of prompts and codes hold for all nodes.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::IntegrationSid;
use countersign_verify::tally::Tally;

/// How long a try counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Networks, and users, whose tries are counted at a time.
const COUNTED: u64 = 20_000;
/// Tries from one network. An office may share one.
const OF_NETWORK: u32 = 100;
/// Strangers' tries as one user.
const OF_USER: u32 = 10;

/// The kind of an attempt, which has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Try {
    /// To have the devices of a user ask.
    Prompt,
    /// To type a code.
    Code,
}

/// A user of an integration, whether there is one or not.
pub(super) type User = (IntegrationSid, String);

/// Counts tries.
pub(super) struct Limits {
    of_network: Tally<ClientNetwork>,
    of_user: Tally<(Try, User)>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { of_network: Tally::new(WINDOW, COUNTED), of_user: Tally::new(WINDOW, COUNTED) }
    }

    /// Counts a try. A browser that is known as the user does not count against the user, whom strangers could lock out otherwise.
    ///
    /// # Errors
    /// There were too many: how long they count.
    pub(super) fn count(
        &self,
        what: Try,
        from: Option<IpAddr>,
        user: User,
        is_known: bool,
        now: Monotonic,
    ) -> Result<(), Duration> {
        if let Some(from) = from.map(ClientNetwork::of) {
            refuse(&self.of_network, &from, OF_NETWORK, now)?;
        }
        if is_known && what == Try::Prompt {
            return Ok(());
        }
        refuse(&self.of_user, &(what, user), OF_USER, now)
    }
}

fn refuse<K: std::hash::Hash + Eq + Clone + Send + Sync + 'static>(
    tally: &Tally<K>,
    key: &K,
    most: u32,
    now: Monotonic,
) -> Result<(), Duration> {
    if tally.add(key.clone(), now) < most { Ok(()) } else { Err(tally.read(key, now).1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        (IntegrationSid::from_bytes([1; 16]), name.to_owned())
    }

    #[test]
    fn strangers_have_ten_tries_as_one_user_and_a_known_browser_has_its_own() {
        let (limits, now) = (Limits::new(), Monotonic::default());
        let from = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        for n in 0..10 {
            assert!(limits.count(Try::Prompt, from(n), user("ann"), false, now).is_ok());
        }
        assert_eq!(limits.count(Try::Prompt, from(20), user("ann"), false, now), Err(WINDOW));
        assert!(limits.count(Try::Prompt, from(20), user("ann"), true, now).is_ok());
        assert!(limits.count(Try::Prompt, from(20), user("bob"), false, now).is_ok());
        assert!(limits.count(Try::Code, from(20), user("ann"), false, now).is_ok());
        assert!(limits.count(Try::Prompt, from(20), user("ann"), false, now + WINDOW).is_ok());
    }

    #[test]
    fn a_network_has_a_hundred_tries_for_all_users_together() {
        let (limits, now) = (Limits::new(), Monotonic::default());
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        for n in 0..100 {
            assert!(limits.count(Try::Prompt, from, user(&n.to_string()), false, now).is_ok());
        }
        assert!(limits.count(Try::Prompt, from, user("ann"), true, now).is_err());
        let other = Some(IpAddr::from([198, 51, 100, 1]));
        assert!(limits.count(Try::Prompt, other, user("ann"), true, now).is_ok());
    }
}
