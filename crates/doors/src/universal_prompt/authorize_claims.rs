//! The request by which an application sends a browser, parsed.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::assertion::is_current;

/// The length of `state` and `nonce`, in bytes.
const LENGTHS: RangeInclusive<usize> = 16..=1_024;
/// The longest user name, in bytes.
const LONGEST_USER: usize = 256;

/// The claims of a request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AuthorizeClaims {
    scope: String,
    /// The address to which the browser goes back.
    pub(super) redirect_uri: String,
    client_id: String,
    iss: String,
    /// This server.
    pub(super) aud: String,
    /// Its end, in seconds since 1970. Some clients write fractions.
    exp: f64,
    /// The client's value for the answer.
    pub(super) state: String,
    response_type: String,
    /// The user name.
    pub(super) duo_uname: String,
    /// Whether the code is called `duo_code`.
    #[serde(default)]
    pub(super) use_duo_code_attribute: bool,
}

impl AuthorizeClaims {
    /// Whether the request is of this client, and current.
    pub(super) fn is_of(&self, client: &str, now: i64) -> bool {
        self.client_id == client && self.iss == client && is_current(self.exp, now)
    }

    /// Whether the request can be answered.
    pub(super) fn is_sound(&self) -> bool {
        let has_scope = self.scope.split(' ').any(|word| word == "openid");
        let user = self.duo_uname.trim();
        has_scope
            && self.response_type == "code"
            && LENGTHS.contains(&self.state.len())
            && !user.is_empty()
            && user.len() <= LONGEST_USER
    }
}

/// Whether a text can be the client's value for the ID token.
pub(super) fn is_nonce(text: &str) -> bool {
    LENGTHS.contains(&text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "DIAAAAAAAAAAAAAAAAAA";

    fn claims(name: &str, value: Value) -> Option<AuthorizeClaims> {
        let mut all = json!({
            "scope": "openid", "redirect_uri": "https://shop.example/cb", "client_id": KEY, "iss": KEY,
            "aud": "https://a.example", "exp": 1_300.25, "state": "s".repeat(36), "response_type": "code",
            "duo_uname": "ann", "use_duo_code_attribute": true,
        });
        all[name] = value;
        serde_json::from_value(all).ok()
    }

    #[test]
    fn a_request_names_its_client_and_a_user_and_ends_soon() {
        let own = claims("exp", json!(1_300)).unwrap();
        assert!(own.is_of(KEY, 1_000) && own.is_sound() && own.use_duo_code_attribute);
        assert!(!own.is_of(KEY, 1_300) && !own.is_of("DIBBBBBBBBBBBBBBBBBB", 1_000));
        for name in ["client_id", "iss"] {
            assert!(!claims(name, json!("x")).unwrap().is_of(KEY, 1_000), "{name}");
        }
        assert!(!claims("exp", json!(9_999)).unwrap().is_of(KEY, 1_000));
        assert_eq!(claims("exp", json!("soon")), None);
        for (name, value) in [
            ("scope", json!("email")),
            ("response_type", json!("token")),
            ("state", json!("short")),
            ("state", json!("s".repeat(1_025))),
            ("duo_uname", json!(" ")),
            ("duo_uname", json!("x".repeat(257))),
        ] {
            assert!(!claims(name, value).unwrap().is_sound(), "{name}");
        }
    }
}
