//! The authorization code by which a client fetches a sign-in. It is sealed and holds the whole sign-in; only its use is stored. One attempt signs in once: all codes of an attempt are the same right.

use countersign_domain::integration::Integration;
use countersign_domain::one_time_right::RightId;
use countersign_domain::time::Instant;
use countersign_verify::{Verify, VerifyResult};
use serde::{Deserialize, Serialize};

use crate::method::Method;

/// The purpose that codes are sealed for.
const PURPOSE: &str = "authorization code";
/// How long a code counts, in seconds.
const LIFE: i64 = 60;
/// Longer texts are no codes.
const LONGEST: usize = 8 * 1024;

/// The sign-in that a code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// The key of the integration.
    pub(crate) key: String,
    /// The address to which the code was sent.
    pub(crate) redirect_uri: String,
    /// The SHA-256 of the client's verifier, in base64url (RFC 7636). Clients of Universal Prompt have none.
    pub(crate) challenge: Option<String>,
    /// The client's value for the ID token.
    pub(crate) nonce: Option<String>,
    /// The user name.
    pub(crate) user: String,
    /// When the person signed in, in seconds since 1970.
    pub(crate) at: i64,
    /// The way in which they did.
    pub(crate) method: Method,
    /// The mark of the attempt, by which its prompt is found.
    pub(crate) mark: String,
}

/// A code with its end, in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Dated {
    #[serde(flatten)]
    code: Code,
    until: i64,
}

impl Code {
    /// The text that the client gets.
    pub(crate) fn seal(self, verify: &Verify) -> String {
        let dated = Dated { code: self, until: verify.now().as_seconds() + LIFE };
        verify.seal_carried(PURPOSE, &serde_json::to_string(&dated).unwrap_or_default())
    }

    /// The code of a text, if it was made for this client and `fits`, and the right that is used up by that. A code that does not fit
    /// is not used up.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn take(
        verify: &Verify,
        client: &Integration,
        text: &str,
        fits: impl FnOnce(&Self) -> bool,
    ) -> VerifyResult<Option<(Self, RightId)>> {
        let is_for_client = |dated: &Dated| dated.code.key == client.key.as_str();
        let dated = Dated::open(verify, text).filter(is_for_client);
        let Some(Dated { code, until }) = dated.filter(|dated| fits(&dated.code)) else {
            return Ok(None);
        };
        let (right, until) = (RightId::of("sign-in", &code.mark), Instant::from_seconds(until));
        let counts = verify.use_right_to_tokens(client, right, until).await?;
        Ok(counts.then_some((code, right)))
    }
}

impl Dated {
    fn open(verify: &Verify, text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= LONGEST)?;
        serde_json::from_str(verify.open_carried(PURPOSE, text)?.expose()).ok()
    }
}
