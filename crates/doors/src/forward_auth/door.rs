//! The state that all requests of the door share.

use std::sync::Arc;

use countersign_verify::Verify;

/// The parts that the door uses.
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
