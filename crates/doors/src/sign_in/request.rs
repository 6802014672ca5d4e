//! The request of a browser to be signed in: checked by the door that it came by, and sealed, so that the page can trust it.

use countersign_domain::integration::IntegrationKey;
use countersign_verify::Verify;
use serde::{Deserialize, Serialize};

/// The purpose that requests are sealed for.
const PURPOSE: &str = "sign-in request";
/// How long a person may take to sign in, in seconds.
const LIFE: i64 = 30 * 60;

/// Where a browser goes after a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub(crate) enum Back {
    /// To a site behind forward-auth.
    ForwardAuth {
        /// The site, which is one of the integration's.
        site: String,
        /// The path and the query that were wanted.
        path: String,
        /// The value of the site's cookie in the browser that began.
        begun: String,
    },
    /// To a client of the OpenID provider.
    OpenId {
        /// The address, which is one of the client's redirect URIs.
        redirect_uri: String,
        /// The issuer.
        issuer: String,
        /// The client's value for the answer.
        state: Option<String>,
        /// The client's value for the ID token.
        nonce: Option<String>,
        /// The SHA-256 of the client's verifier, in base64url (RFC 7636).
        challenge: String,
    },
    /// To a client of Universal Prompt.
    UniversalPrompt {
        /// The address, which is one of the client's redirect URIs.
        redirect_uri: String,
        /// The client's value for the answer.
        state: String,
        /// The client's value for the ID token.
        nonce: Option<String>,
        /// Whether the code is called `duo_code`, and not `code`.
        is_duo_code: bool,
    },
}

/// The user name that a request brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "name", rename_all = "snake_case")]
pub(crate) enum Named {
    /// None.
    #[default]
    Nobody,
    /// A text for the field of the page. Anybody can have written it.
    Suggested(String),
    /// The user whom the client has signed for, after a first factor of its own.
    Vouched(String),
}

/// A request to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignInRequest {
    /// The key of the integration.
    pub(crate) key: String,
    /// Where the browser goes.
    pub(crate) back: Back,
    /// The user name that it brings along.
    #[serde(default)]
    pub(crate) named: Named,
    /// Whether a number must be entered, in whatever browser.
    #[serde(default)]
    pub(crate) must_enter_number: bool,
    /// When it ends, in seconds since 1970.
    until: i64,
}

impl SignInRequest {
    /// A request that begins now.
    pub(crate) fn new(verify: &Verify, key: IntegrationKey, back: Back) -> Self {
        let until = verify.now().as_seconds() + LIFE;
        Self { key: key.to_string(), back, named: Named::Nobody, must_enter_number: false, until }
    }

    /// The text that the browser carries.
    pub(crate) fn seal(&self, verify: &Verify) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        verify.seal_carried(PURPOSE, &text)
    }

    /// The request of a text; `None` if this installation sealed none, or it has ended.
    pub(crate) fn open(verify: &Verify, sealed: &str) -> Option<Self> {
        let text = verify.open_carried(PURPOSE, sealed)?;
        let request: Self = serde_json::from_str(text.expose()).ok()?;
        (verify.now().as_seconds() < request.until).then_some(request)
    }

    /// The address of the page that answers it.
    pub(crate) fn page(&self, verify: &Verify, public_url: &str) -> String {
        format!("{}/sign-in?r={}", public_url.trim_end_matches('/'), self.seal(verify))
    }
}
