//! Questions that a client asks apart from the person's browser, by CIBA or for Keycloak: what is stored until the answer went back.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::answer::DenialReason;
use crate::challenge::ChallengeStatus;
use crate::challenge_group::ChallengeGroup;
use crate::node::NodeId;
use crate::secret::{Sealed, Secret};
use crate::sid::{AccountSid, ChallengeGroupSid, IntegrationSid, ServiceSid};
use crate::text::Identity;
use crate::time::Instant;
use crate::world::{Entropy, random};

/// How long a request is kept after it can no longer be used.
pub const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// How long after the end of the question its answer can be fetched.
pub const GRACE: Duration = Duration::from_secs(60);

/// The name by which a client fetches an answer (`auth_req_id`): 27 characters of base64url, 160 random bits.
#[derive(Debug, Clone)]
pub struct BackchannelHandle(Secret);

impl BackchannelHandle {
    /// Draws a handle.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(random::<20>(entropy))))
    }

    /// Reads what a client sends; `None` for a text that no handle has.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 20);
        is_one.then(|| Self(Secret::new(text)))
    }

    /// The handle itself, for the client.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The name of the request in the database: a hash, since the handle is a secret.
    pub fn id(&self) -> BackchannelId {
        BackchannelId::of(self.expose())
    }
}

/// The id of a request: the first half of SHA-256 over a text that only its client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BackchannelId(pub [u8; 16]);

impl BackchannelId {
    /// The id by this text: a handle, or a token that only one question may be asked with.
    pub fn of(text: &str) -> Self {
        let sum = digest(&SHA256, text.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&sum.as_ref()[..16]);
        Self(id)
    }
}

/// How a question ended, as its client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The person approved.
    Approved,
    /// The person denied.
    Denied,
    /// Nobody answered in time, the person did not ask for it, or entered a wrong number.
    Failed,
}

impl Ended {
    /// How a group ended that was answered with this reason, or not at all; `None` if it is open at `now`.
    pub fn of(group: &ChallengeGroup, reason: Option<DenialReason>, now: Instant) -> Option<Self> {
        match group.status(now) {
            ChallengeStatus::Pending => None,
            ChallengeStatus::Approved => Some(Self::Approved),
            ChallengeStatus::Denied if reason.is_none() => Some(Self::Denied),
            ChallengeStatus::Denied | ChallengeStatus::Expired => Some(Self::Failed),
        }
    }
}

/// A question, and what its client may still do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackchannelRequest {
    /// Its id.
    pub id: BackchannelId,
    /// The account of the integration.
    pub account: AccountSid,
    /// The service of the integration.
    pub service: ServiceSid,
    /// The integration whose client asked.
    pub integration: IntegrationSid,
    /// The person who was asked.
    pub identity: Identity,
    /// The challenges that were opened.
    pub group: ChallengeGroupSid,
    /// When it was asked.
    pub created_at: Instant,
    /// The instant from which the answer is neither fetched nor told.
    pub deadline: Instant,
    /// When the client fetched the approval.
    pub redeemed_at: Option<Instant>,
    /// The address and token to call the client with once the question has ended, sealed; `None`: it is not called.
    pub call: Option<Sealed>,
}

/// The right of a node to call the client of a question that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackchannelLease {
    /// The request.
    pub request: BackchannelRequest,
    /// The number of tries before this one.
    pub attempts: u32,
    /// The node that holds the lease.
    pub node: NodeId,
    /// When the lease ends.
    pub until: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    #[test]
    fn a_handle_is_read_in_one_form_only() {
        let handle = BackchannelHandle::draw(&Ones);
        let text = handle.expose();
        assert_eq!(text.len(), 27);
        assert_eq!(BackchannelHandle::parse(text).unwrap().id(), handle.id());
        for wrong in
            ["", "x", &text[1..], &format!("{text}="), &format!("{text}A"), &text.replace('A', "+")]
        {
            assert!(BackchannelHandle::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{handle:?}"), "BackchannelHandle(•••)");
    }
}
