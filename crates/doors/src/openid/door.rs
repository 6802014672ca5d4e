//! The state that all endpoints of the door share.

use std::sync::Arc;

use countersign_domain::sid::ServiceSid;
use countersign_verify::Verify;
use tokio_util::sync::CancellationToken;

use super::paces::Paces;

/// The parts that the door uses.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL of the server, without a slash at its end.
    pub public_url: String,
    /// Cancelled when the server stops: waiting requests are answered.
    pub shutdown: CancellationToken,
}

/// The door. Its memory only bounds how often a client asks, and may be lost.
pub struct OpenIdDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) shutdown: CancellationToken,
    pub(super) paces: Paces,
    public_url: String,
}

impl OpenIdDoor {
    /// Creates the door.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, public_url, shutdown } = dependencies;
        Self { verify, shutdown, paces: Paces::default(), public_url }
    }

    /// The public URL of the server.
    pub(super) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The issuer of a service.
    pub(super) fn issuer(&self, service: ServiceSid) -> String {
        format!("{}/openid/{service}", self.public_url)
    }
}
