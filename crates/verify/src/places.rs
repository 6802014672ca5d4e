//! Where addresses are, as far as the operator has a database of that.

use std::net::IpAddr;

use countersign_domain::answer_context::Country;

/// Finds the country of an address. Called while an answer is recorded, so it must return quickly.
pub trait Places: Send + Sync {
    /// The country, if it is known.
    fn country(&self, address: IpAddr) -> Option<Country>;
}

/// Without a database no place is known.
pub(crate) struct NoPlaces;

impl Places for NoPlaces {
    fn country(&self, _: IpAddr) -> Option<Country> {
        None
    }
}
