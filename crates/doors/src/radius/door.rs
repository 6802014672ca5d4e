//! The state that all requests of the door share.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::world::Clock;
use countersign_verify::{OpenedIntegration, Verify};
use moka::sync::Cache;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::running::Running;

/// Answers that are remembered, at some 500 bytes each, and never more than 4 KiB.
const REMEMBERED: u64 = 10_000;
/// Datagrams that are worked on at a time. Further ones are dropped, and their clients repeat them.
const AT_ONCE: usize = 4_096;
/// Persons whose logins begin one after the other.
const STARTING: u64 = 10_000;

/// The dependencies of the door.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the server stops: requests that wait get no answer, and their clients ask another server.
    pub shutdown: CancellationToken,
}

/// The door. Its memory may be lost: it only saves a prompt.
pub struct RadiusDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: CancellationToken,
    pub(super) permits: Arc<Semaphore>,
    pub(super) running: Running,
    /// The answers to requests, and those still worked on. A request that comes again begins nothing.
    pub(super) remembered: Cache<Fingerprint, Arc<OnceLock<Bytes>>>,
    /// Held while a login looks for its prompt, or makes one.
    starting: Cache<(IntegrationSid, Identity), Arc<Mutex<()>>>,
}

/// Identifies a request and its repetitions: source, id and authenticator.
pub(super) type Fingerprint = (std::net::SocketAddr, u8, [u8; 16]);

impl RadiusDoor {
    /// Creates the door.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, clock, shutdown } = dependencies;
        Self {
            verify,
            clock,
            shutdown,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            running: Running::default(),
            remembered: Cache::new(REMEMBERED),
            starting: Cache::new(STARTING),
        }
    }

    /// The lock that a login of a person holds while it looks for its prompt.
    pub(super) fn start_of(&self, client: &Client, identity: &Identity) -> Arc<Mutex<()>> {
        self.starting.get_with((client.0.integration.sid, identity.clone()), Arc::default)
    }
}

/// A client whose request is authentic.
#[derive(Debug, Clone)]
pub(super) struct Client(pub(super) Arc<OpenedIntegration>);

impl Client {
    /// Its account and service.
    pub(super) fn place(&self) -> (AccountSid, ServiceSid) {
        (self.0.integration.account, self.0.integration.service)
    }

    /// The secret that it shares with this server.
    pub(super) fn secret(&self) -> &Secret {
        &self.0.secret
    }
}
