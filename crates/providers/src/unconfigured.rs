//! Push services that this server has no client for. Their pushes fail at once; the challenge stays open, since a device can
//! always poll.

use async_trait::async_trait;
use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;

use crate::seam::Provider;

/// Refuses every push with code 52004.
pub struct Unconfigured;

#[async_trait]
impl Provider for Unconfigured {
    async fn send(&self, push: &Push) -> Attempt {
        let platform = push.target.address.platform().as_str();
        Attempt {
            outcome: Outcome::Refused { breaks_credential: false },
            provider_status: None,
            provider_reason: Some(format!("this server has no client for platform {platform}")),
            code: Some(ErrorCode::NO_CREDENTIAL),
        }
    }
}
