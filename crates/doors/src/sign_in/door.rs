//! The state that all requests of the page share.

use std::sync::Arc;

use countersign_domain::world::Clock;
use countersign_verify::Verify;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::limits::Limits;

/// Strangers' attempts for which devices are looked up at a time. Further ones are refused.
const ASKED_AT_ONCE: usize = 256;
/// Attempts whose pages are counted.
const WATCHED: u64 = 10_000;
/// Pages of one attempt that wait at a time.
const PAGES_OF_ATTEMPT: usize = 2;

/// The parts that the page uses.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The public URL of the server.
    pub public_url: String,
    /// Cancelled when the server stops: waiting requests are answered.
    pub shutdown: CancellationToken,
    /// The tasks that a stop waits for.
    pub tasks: TaskTracker,
}

/// The page.
pub struct SignInDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) clock: Arc<dyn Clock>,
    is_https: bool,
    base: String,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) limits: Limits,
    pub(super) asking: Arc<Semaphore>,
    /// The places of pages that wait, by the mark of their attempt.
    waiting: Cache<String, Arc<Semaphore>>,
}

impl SignInDoor {
    /// Creates the page.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, clock, public_url, shutdown, tasks } = dependencies;
        let base = Url::parse(&public_url).map(|url| url.path().trim_end_matches('/').to_owned());
        Self {
            verify,
            clock,
            is_https: public_url.starts_with("https:"),
            base: base.unwrap_or_default(),
            shutdown,
            tasks,
            limits: Limits::new(),
            asking: Arc::new(Semaphore::new(ASKED_AT_ONCE)),
            waiting: Cache::new(WATCHED),
        }
    }

    /// Whether browsers reach the page over https.
    pub(super) const fn is_https(&self) -> bool {
        self.is_https
    }

    /// The path before `/sign-in`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The places of the pages of an attempt that wait.
    pub(super) fn places_of(&self, mark: &str) -> Arc<Semaphore> {
        self.waiting
            .entry_by_ref(mark)
            .or_insert_with(|| Arc::new(Semaphore::new(PAGES_OF_ATTEMPT)))
            .into_value()
    }
}
