//! Judges what a person entered to prove [presence](crate::presence). Tries are counted by the command of the store that judges.

use std::time::Duration;

use crate::challenge::{ChallengeLifecycle, ChallengeStatus, Verdict};
use crate::presence::{Presence, PresenceCode, PresenceNumber, PresenceProof};
use crate::time::Instant;

/// How long after the challenge's expiry its code may be typed: the person may have approved in the last second.
pub const CONFIRM_GRACE: Duration = Duration::from_secs(5 * 60);

/// An approval with a wrong number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongNumber {
    /// The presence with this try counted.
    pub counted: Presence,
    /// How many tries are left. With none, the challenge is denied.
    pub tries_left: u8,
}

/// Judges the number that came with a verdict at `at`. Denying never needs one, and neither does a code, which the page asks for
/// afterwards. An approval without a number counts as wrong; the use case refuses it before.
///
/// # Errors
/// The number is wrong, or no try was left.
pub fn judge(
    presence: &Presence,
    verdict: Verdict,
    number: Option<PresenceNumber>,
    at: Instant,
) -> Result<(), WrongNumber> {
    let (PresenceProof::Number { answer } | PresenceProof::Pick { answer, .. }) = presence.proof
    else {
        return Ok(());
    };
    match verdict {
        Verdict::Denied => Ok(()),
        Verdict::Approved if presence.tries_left() > 0 && number == Some(answer) => Ok(()),
        Verdict::Approved => {
            let counted = presence.tried(at);
            let tries_left = counted.tries_left();
            Err(WrongNumber { counted, tries_left })
        }
    }
}

/// Why a code is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    /// The person has not answered.
    #[error("the challenge is not approved yet")]
    Unanswered,
    /// The person has denied.
    #[error("the challenge is denied")]
    Denied,
    /// The challenge expired unanswered, or its expiry is further back than [`CONFIRM_GRACE`].
    #[error("the time to confirm is over")]
    Late,
    /// The challenge has another presence: its word.
    #[error("the challenge's presence is {0}: its device sends the number")]
    OtherMode(&'static str),
    /// The code is wrong: the presence with this try counted.
    #[error("the code is wrong")]
    Wrong(Presence),
    /// Too many codes were wrong.
    #[error("no try is left: open another challenge")]
    NoTryLeft,
}

/// Judges a code that was typed on the page at `at`. Returns the presence to store; `None` if it is confirmed already.
///
/// # Errors
/// See [`CodeRefusal`].
pub fn confirm(
    presence: &Presence,
    lifecycle: ChallengeLifecycle,
    code: &PresenceCode,
    at: Instant,
) -> Result<Option<Presence>, CodeRefusal> {
    let PresenceProof::Code { code: right, .. } = &presence.proof else {
        return Err(CodeRefusal::OtherMode(presence.mode()));
    };
    match lifecycle.status(at) {
        ChallengeStatus::Pending => return Err(CodeRefusal::Unanswered),
        ChallengeStatus::Denied => return Err(CodeRefusal::Denied),
        ChallengeStatus::Expired => return Err(CodeRefusal::Late),
        ChallengeStatus::Approved => {}
    }
    if at >= lifecycle.expires_at + CONFIRM_GRACE {
        return Err(CodeRefusal::Late);
    }
    if presence.is_confirmed && code == right {
        return Ok(None);
    }
    if presence.tries_left() == 0 {
        return Err(CodeRefusal::NoTryLeft);
    }
    if code == right {
        Ok(Some(presence.confirmed()))
    } else {
        Err(CodeRefusal::Wrong(presence.tried(at)))
    }
}
