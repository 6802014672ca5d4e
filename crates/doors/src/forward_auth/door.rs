//! What all requests of the door share.

use std::sync::Arc;

use countersign_verify::Verify;

/// What the door needs.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL of the server, where the sign-in page is.
    pub public_url: String,
}

/// The door.
pub struct ForwardAuthDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) public_url: String,
}

impl ForwardAuthDoor {
    /// Creates the door.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, public_url } = dependencies;
        Self { verify, public_url }
    }
}
