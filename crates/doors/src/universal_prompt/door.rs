//! The state that all requests of the door share.

use std::sync::Arc;

use countersign_verify::Verify;
use http::request::Parts;

use crate::host::host;

/// The parts that the door uses.
pub struct Dependencies {
    /// The use cases.
    pub verify: Arc<Verify>,
    /// The public URL of the server, where the sign-in page is.
    pub public_url: String,
}

/// The door.
pub struct UniversalPromptDoor {
    pub(super) verify: Arc<Verify>,
    pub(super) public_url: String,
}

impl UniversalPromptDoor {
    /// Creates the door.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies { verify, public_url } = dependencies;
        Self { verify, public_url }
    }

    /// Whether an audience is this server's address with this path: as the client asked for it, or as it is public. Clients know
    /// the server by https alone.
    pub(super) fn is_audience(&self, parts: &Parts, path: &str, audience: &str) -> bool {
        let asked = format!("https://{}{path}", host(parts));
        let public = format!("{}{path}", self.public_url.trim_end_matches('/'));
        audience.eq_ignore_ascii_case(&asked) || audience == public
    }
}
