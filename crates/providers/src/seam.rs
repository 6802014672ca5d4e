//! What a push service must be able to do.

use async_trait::async_trait;
use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;

/// A push service.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Hands one push to the service and says how it went. Never retries, never panics: one immediate repeat with a
    /// fresh token or on another connection is the client's own and counts as this attempt.
    async fn send(&self, push: &Push) -> Attempt;
}
