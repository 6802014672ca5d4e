//! An integration with its secret, in the clear.

use countersign_domain::integration::Integration;
use countersign_domain::secret::Secret;

/// An integration with its secret in the clear, for the door that its client comes to.
#[derive(Debug)]
pub struct OpenedIntegration {
    /// The integration.
    pub integration: Integration,
    /// The secret that its client shares with this server.
    pub secret: Secret,
}
