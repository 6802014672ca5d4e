//! What the routes of test mode need.

use std::sync::{Arc, Weak};

use countersign_api::ApiState;
use countersign_delivery::Engine;

use super::mode::TestMode;

/// What the routes of test mode need.
pub(super) struct Desk {
    pub(super) mode: Arc<TestMode>,
    /// Gone once the server stops.
    pub(super) engine: Weak<Engine>,
    pub(super) api: Arc<ApiState>,
}
