//! The members that an app needs in a push to find the challenge.

use serde_json::Value;

/// Whether an object has the three members that the official sample apps read.
pub(crate) fn names_a_challenge(payload: &Value) -> bool {
    let is_sid = |key: &str, prefix: &str| {
        payload[key].as_str().is_some_and(|sid| sid.len() == 34 && sid.starts_with(prefix))
    };
    payload["type"] == "verify_push_challenge"
        && is_sid("challenge_sid", "YC")
        && is_sid("factor_sid", "YF")
}
