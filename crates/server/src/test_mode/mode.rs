//! The hands of a tester.

use std::sync::Arc;

use countersign_domain::world::Clock;
use countersign_store_sqlite::SqliteStore;
use tokio::sync::Mutex;

use super::clock::TestClock;
use super::held_calls::HeldCalls;
use super::manners::Manners;
use super::outside::Outside;

/// What a tester moves.
pub struct TestMode {
    /// The clock of the whole server, but of its sockets.
    pub clock: TestClock,
    /// Calls of applications and push services that have no response yet.
    pub(crate) outside: Outside,
    pub(crate) manners: Manners,
    /// Webhook calls that wait for another one to overtake them.
    pub(crate) held_calls: HeldCalls,
    pub(crate) store: Arc<SqliteStore>,
    /// Held by the request that moves the clock.
    pub(crate) turn: Mutex<()>,
}

impl TestMode {
    /// Test mode over a database, with a clock that follows `clock` until it is frozen.
    pub fn new(store: Arc<SqliteStore>, clock: Arc<dyn Clock>) -> Self {
        let (outside, turn) = (Outside::default(), Mutex::default());
        let (manners, held_calls) = (Manners::default(), HeldCalls::default());
        Self { clock: TestClock::following(clock), outside, manners, held_calls, store, turn }
    }
}
