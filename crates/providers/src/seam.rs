//! The contract of a push service.

use async_trait::async_trait;
use countersign_domain::outage::Outage;
use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;

/// A push service.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt: hands a push to the service and returns its outcome. Does not retry later and does not panic. An
    /// immediate repeat with a fresh token or on another connection belongs to the same attempt.
    async fn send(&self, push: &Push) -> Attempt;
    /// To whom nothing is sent now, because the push service fails or rejects a credential.
    fn outages(&self) -> Vec<Outage> {
        Vec::new()
    }
}
