//! Universal Prompt, the code flow of clients of the Duo Auth API: an application that has checked a first factor sends the browser
//! to the [sign-in page](crate::sign_in) with a request that names the user, and fetches the result by a code.
//!
//! Requests, assertions and ID tokens are JWTs under the secret of the integration, one of the kind `duo` (`jwt`). A request names
//! the user, so its prompt needs no number unless the integration wants one: whoever has the secret could ask by the Auth API as well.

mod assertion;
mod authorize;
mod authorize_claims;
mod client;
mod door;
mod health;
mod jwt;
mod serve;
mod token;

pub use door::{Dependencies, UniversalPromptDoor};
pub use serve::router;

/// Whether a text is a JWT of one of the forms that clients send, under this secret: a fuzz target (`fuzz/`).
pub(crate) fn fuzz(text: &str, secret: &str) -> bool {
    let secret = countersign_domain::secret::Secret::new(secret);
    jwt::read::<authorize_claims::AuthorizeClaims>(text, &secret).is_some()
        || jwt::read::<assertion::Assertion>(text, &secret).is_some()
}

/// Whether bytes are the claims of such a JWT. Whatever they are, they are judged: a fuzz target (`fuzz/`).
pub(crate) fn fuzz_claims(bytes: &[u8]) -> bool {
    const NOW: i64 = 1_800_000_000;
    let client = "DIAAAAAAAAAAAAAAAAAA";
    let asked = serde_json::from_slice::<authorize_claims::AuthorizeClaims>(bytes);
    let assertion = serde_json::from_slice::<assertion::Assertion>(bytes);
    let is_request = asked.is_ok_and(|asked| asked.is_of(client, NOW) && asked.is_sound());
    is_request || assertion.is_ok_and(|own| own.is_of(client, NOW) && own.ends() > NOW)
}
