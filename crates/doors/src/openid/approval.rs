//! An approval as tokens tell of it.

use countersign_domain::challenge_group::GroupAnswer;
use countersign_domain::presence::PresenceProof;
use countersign_verify::openid_tokens::SignIn;

/// A device approved (`acr`).
pub(super) const PUSH: &str = "urn:countersign:acr:push";
/// A device approved, on which the person entered the number that the client shows.
pub(super) const PUSH_NUMBER: &str = "urn:countersign:acr:push-number";
/// All classes.
pub(super) const CLASSES: [&str; 2] = [PUSH, PUSH_NUMBER];

/// A signature by a key that the device proved to have, and a person at the device (RFC 8176). The app says nothing of hardware.
const BY_DEVICE: &[&str] = &["pop", "swk", "user"];

/// The sign-in by an approval.
pub(super) fn sign_in(answer: &GroupAnswer<'_>) -> SignIn {
    let proof = answer.challenge.presence.as_ref().map(|presence| &presence.proof);
    let class = match proof {
        Some(PresenceProof::Number { .. } | PresenceProof::Pick { .. }) => PUSH_NUMBER,
        Some(PresenceProof::Code { .. }) | None => PUSH,
    };
    SignIn {
        identity: answer.challenge.owner.identity.clone(),
        at: answer.at,
        class,
        methods: BY_DEVICE,
        nonce: None,
    }
}
