//! The state that all calls of the door share.

use std::sync::Arc;

use countersign_domain::sid::ChallengeGroupSid;
use countersign_verify::Verify;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

/// Logins that are remembered, each with some 300 bytes.
const REMEMBERED: u64 = 10_000;

/// The dependencies of the door.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL of the server, for links.
    pub public_url: String,
    /// Cancelled when the server stops: waiting requests are answered.
    pub shutdown: CancellationToken,
}

/// The door. Its memory may be lost: it only saves a prompt or a second.
pub struct DuoDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) public_url: String,
    pub(super) shutdown: CancellationToken,
    /// The requests that began a login, by key and signature: a copy begins none. Signed dates bound how long a copy could.
    begun: Cache<String, ()>,
    /// Logins whose client was told that a prompt was sent. The next question waits.
    told: Cache<ChallengeGroupSid, ()>,
}

impl DuoDoor {
    /// Creates the door.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, public_url, shutdown } = dependencies;
        let (begun, told) = (Cache::new(REMEMBERED), Cache::new(REMEMBERED));
        Self { verify, public_url, shutdown, begun, told }
    }

    /// Whether no request with this key and signature has begun a login before. Remembers it.
    pub(super) fn is_first_request(&self, fingerprint: &str) -> bool {
        self.begun.entry_by_ref(fingerprint).or_insert(()).is_fresh()
    }

    /// Forgets a request that could not begin a login.
    pub(super) fn forget_request(&self, fingerprint: &str) {
        self.begun.invalidate(fingerprint);
    }

    /// Whether a client asks about a login for the first time.
    pub(super) fn is_first_question(&self, group: ChallengeGroupSid) -> bool {
        self.told.entry(group).or_insert(()).is_fresh()
    }
}
