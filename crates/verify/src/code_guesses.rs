//! Limits how many wrong enrolment codes are judged in a minute: of a network, and of all together.

use std::time::Duration;

use countersign_domain::client_network::ClientNetwork;
use countersign_domain::monotonic::Monotonic;

use crate::security::{self, Event};
use crate::tally::Tally;

/// How long a wrong code counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong codes of a network within that time.
const MOST_OF_NETWORK: u32 = 10;
/// Wrong codes of all networks within that time.
const MOST_OF_ALL: u32 = 600;
/// Networks whose wrong codes are counted at a time.
const MOST_COUNTED: u64 = 20_000;

/// Counts wrong codes.
pub(crate) struct CodeGuesses {
    of_network: Tally<Option<ClientNetwork>>,
    of_all: Tally<()>,
}

impl CodeGuesses {
    pub(crate) fn new() -> Self {
        Self { of_network: Tally::new(WINDOW, MOST_COUNTED), of_all: Tally::new(WINDOW, 1) }
    }

    /// Counts a code as wrong before it is judged, so that no number of concurrent guesses passes the limit.
    pub(crate) fn begin(
        &self,
        from: Option<ClientNetwork>,
        now: Monotonic,
    ) -> Result<(), Duration> {
        let earlier = self.of_network.add(from, now);
        if earlier == MOST_OF_NETWORK {
            let why = "too many enrolment codes from this address were wrong";
            security::refused(Event::Throttle, None, None, &why);
        }
        if earlier >= MOST_OF_NETWORK {
            return Err(self.of_network.read(&from, now).1);
        }
        if self.of_all.add((), now) >= MOST_OF_ALL {
            return Err(self.of_all.read(&(), now).1);
        }
        Ok(())
    }

    /// The code was right.
    pub(crate) fn was_right(&self, from: Option<ClientNetwork>, now: Monotonic) {
        self.of_network.take_back(from, now);
        self.of_all.take_back((), now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(last: u8) -> Option<ClientNetwork> {
        Some(ClientNetwork::of(IpAddr::from([192, 0, last, 1])))
    }

    #[test]
    fn wrong_codes_are_bounded_for_a_network_and_in_all_and_right_ones_do_not_count() {
        let (guesses, now) = (CodeGuesses::new(), Monotonic::default() + Duration::from_secs(7));
        for _ in 0..2 * MOST_OF_NETWORK {
            assert_eq!(guesses.begin(network(1), now), Ok(()));
            guesses.was_right(network(1), now);
        }
        for _ in 0..MOST_OF_NETWORK {
            assert_eq!(guesses.begin(network(1), now), Ok(()));
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(guesses.begin(network(1), later), Err(Duration::from_secs(40)));
        assert_eq!(guesses.begin(network(2), later), Ok(()));
        assert_eq!(guesses.begin(network(1), now + WINDOW), Ok(()));

        let guesses = CodeGuesses::new();
        for guess in 0..MOST_OF_ALL {
            let from = network(u8::try_from(guess / MOST_OF_NETWORK).unwrap());
            assert_eq!(guesses.begin(from, now), Ok(()), "{guess}");
        }
        assert_eq!(guesses.begin(network(200), now), Err(WINDOW));
        assert_eq!(guesses.begin(network(200), now + WINDOW), Ok(()));
    }
}
