//! One attempt to sign in: a user name, and the prompt that the devices of this user show, if there are any.

use countersign_verify::Verify;
use serde::{Deserialize, Serialize};

use super::request::SignInRequest;

/// The purpose that attempts are sealed for.
const PURPOSE: &str = "sign-in attempt";
/// How long after the end of its prompt an approval still signs in, in seconds.
const AFTERWARDS: i64 = 60;

/// By what an attempt is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Proof {
    /// The devices of the user were asked, if there are any.
    Asked,
    /// A code of the user's authenticator app was right.
    Code {
        /// The instant, in seconds since 1970.
        at: i64,
    },
}

/// An attempt, which its browser carries, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The request that the attempt serves.
    pub(super) request: SignInRequest,
    /// The user name, as it was typed.
    pub(super) user: String,
    /// By what the prompt is found.
    pub(super) mark: String,
    /// The number that the page shows.
    pub(super) number: Option<u8>,
    /// When the prompt ends, in seconds since 1970.
    pub(super) until: i64,
    /// The cookie of the browser that began.
    pub(super) visit: String,
    /// Whether the browser is to be remembered.
    pub(super) remember: bool,
    /// By what it is decided.
    pub(super) proof: Proof,
}

impl Attempt {
    /// The text that the browser carries.
    pub(super) fn seal(&self, verify: &Verify) -> String {
        verify.seal_carried(PURPOSE, &serde_json::to_string(self).unwrap_or_default())
    }

    /// The attempt of a text, for the browser with this cookie; `None` if it has none such, or it is long over.
    pub(super) fn open(verify: &Verify, sealed: &str, visit: &str) -> Option<Self> {
        let text = verify.open_carried(PURPOSE, sealed)?;
        let attempt: Self = serde_json::from_str(text.expose()).ok()?;
        let is_current = verify.now().as_seconds() < attempt.until + AFTERWARDS;
        (attempt.visit == visit && is_current).then_some(attempt)
    }
}
