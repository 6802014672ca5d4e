//! A sign-in as tokens tell of it.

use countersign_domain::challenge_group::GroupAnswer;
use countersign_verify::openid_tokens::SignIn;

use crate::method::Method;

/// A device approved (`acr`).
pub(super) const PUSH: &str = "urn:countersign:acr:push";
/// A device approved, on which the person entered the number that the client or the page shows.
pub(super) const PUSH_NUMBER: &str = "urn:countersign:acr:push-number";
/// The person typed a code of an authenticator app.
pub(super) const CODE: &str = "urn:countersign:acr:code";
/// All classes.
pub(super) const CLASSES: [&str; 3] = [PUSH, PUSH_NUMBER, CODE];

/// The class of a method (`acr`).
pub(super) const fn class(method: Method) -> &'static str {
    match method {
        Method::Push => PUSH,
        Method::PushNumber => PUSH_NUMBER,
        Method::Code => CODE,
    }
}

/// A method in the words of RFC 8176 (`amr`).
pub(super) const fn methods(method: Method) -> &'static [&'static str] {
    match method {
        // A signature by a key that the device proved to have, and a person at the device. The app says nothing of hardware.
        Method::Push | Method::PushNumber => &["pop", "swk", "user"],
        Method::Code => &["otp"],
    }
}

/// Whether a client wants a number to be entered before anything else (`acr_values`).
pub(super) fn wants_number(classes: Option<&str>) -> bool {
    classes.unwrap_or_default().split(' ').next() == Some(PUSH_NUMBER)
}

/// The sign-in by an approval.
pub(super) fn sign_in(answer: &GroupAnswer<'_>) -> SignIn {
    let method = Method::of(answer.challenge);
    SignIn {
        identity: answer.challenge.owner.identity.clone(),
        at: answer.at,
        class: class(method),
        methods: methods(method),
        nonce: None,
        right: None,
    }
}
