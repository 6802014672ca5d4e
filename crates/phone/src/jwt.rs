//! The two tokens of a device: one authenticates it, the other contains a verdict.
//!
//! Pure functions of a key, a time and the signed content, so that tests can make any token, including invalid ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::error::PhoneError;
use crate::key::DeviceKey;
use crate::status::{DenialReason, Verdict};

/// Validity of a device token in seconds, as in the mobile SDKs.
pub const LIFETIME: i64 = 600;

/// The members of a device token, apart from its times.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// `config.credential_sid` of the factor, which identifies the key.
    pub credential_sid: &'a str,
    /// The account of the factor.
    pub account_sid: &'a str,
}

/// Creates the token that a device sends as the password of each request. For a stream it also contains the server's `nonce`.
pub fn device_jwt(
    key: &DeviceKey,
    device: Device<'_>,
    now: i64,
    nonce: Option<&str>,
) -> Result<String, PhoneError> {
    let header = json!({
        "cty": "twilio-pba;v=1",
        "kid": device.credential_sid,
        "typ": "JWT",
        "alg": "ES256",
    });
    let mut payload = json!({
        "sub": device.account_sid,
        "nbf": now,
        "exp": now.saturating_add(LIFETIME),
    });
    if let Some(nonce) = nonce {
        payload["nonce"] = nonce.into();
    }
    signed(key, &header, &payload)
}

/// Creates the `AuthPayload` of a verdict: the members to sign as received, and the verdict as `status`.
pub fn answer_jwt(
    key: &DeviceKey,
    challenge: &Map<String, Value>,
    fields_to_sign: &[String],
    verdict: Verdict,
) -> Result<String, PhoneError> {
    answer_with(key, challenge, fields_to_sign, verdict, Extras::default())
}

/// Members that a verdict signs beside the challenge's. The mobile SDKs add none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// `reason`, of a denial.
    pub reason: Option<DenialReason>,
    /// `presence_answer`, of an approval.
    pub number: Option<&'a str>,
    /// `user_verified`, of an approval.
    pub is_user_verified: bool,
}

/// The same with more signed members.
pub fn answer_with(
    key: &DeviceKey,
    challenge: &Map<String, Value>,
    fields_to_sign: &[String],
    verdict: Verdict,
    extras: Extras<'_>,
) -> Result<String, PhoneError> {
    let mut payload = Map::new();
    for name in fields_to_sign {
        let value =
            challenge.get(name).ok_or_else(|| PhoneError::FieldToSignMissing(name.clone()))?;
        payload.insert(name.clone(), value.clone());
    }
    // Last, because the server may list `status` too, with its old value.
    payload.insert("status".into(), verdict.as_str().into());
    if let Some(reason) = extras.reason {
        payload.insert("reason".into(), reason.as_str().into());
    }
    if let Some(number) = extras.number {
        payload.insert("presence_answer".into(), number.into());
    }
    if extras.is_user_verified {
        payload.insert("user_verified".into(), true.into());
    }
    signed(key, &json!({"typ": "JWT", "alg": "ES256"}), &Value::Object(payload))
}

/// Signs a header and a payload as a compact JWS.
///
/// Slashes are written as `\/`, as the JSON libraries of both mobile platforms do. This reveals a server that compares text
/// instead of JSON values.
pub fn signed(key: &DeviceKey, header: &Value, payload: &Value) -> Result<String, PhoneError> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string().replace('/', "\\/"));
    let message = format!("{}.{}", part(header), part(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign_raw(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::vectors::{self, opened};

    fn device() -> Device<'static> {
        Device { credential_sid: vectors::CREDENTIAL_SID, account_sid: vectors::ACCOUNT_SID }
    }

    #[test]
    fn a_device_token_matches_the_documented_one() {
        let ours = device_jwt(&vectors::key(), device(), 1_700_000_000, None).unwrap();
        assert_eq!(
            opened(&ours, vectors::PUBLIC_KEY),
            opened(vectors::DEVICE_JWT, vectors::PUBLIC_KEY)
        );
    }

    #[test]
    fn a_nonce_only_adds_a_member_to_the_payload() {
        let token = device_jwt(&vectors::key(), device(), 5, Some("00ff")).unwrap();
        let (_, payload) = opened(&token, vectors::PUBLIC_KEY);
        let expected = json!({"sub": vectors::ACCOUNT_SID, "nbf": 5, "exp": 605, "nonce": "00ff"});
        assert_eq!(payload, expected);
    }

    #[test]
    fn a_verdict_matches_the_documented_one() {
        let ours = answer_jwt(
            &vectors::key(),
            &vectors::challenge(),
            &vectors::documented_fields(),
            Verdict::Approved,
        )
        .unwrap();
        assert_eq!(
            opened(&ours, vectors::PUBLIC_KEY),
            opened(vectors::ANSWER_JWT, vectors::PUBLIC_KEY)
        );
    }

    #[test]
    fn slashes_are_escaped_as_on_a_phone() {
        let fields = vectors::documented_fields();
        let challenge = vectors::challenge();
        let token = answer_jwt(&vectors::key(), &challenge, &fields, Verdict::Denied).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert!(text.contains(r#""\/login""#), "{text}");
        assert!(text.contains(r#""status":"denied""#), "{text}");
    }

    #[test]
    fn a_listed_status_is_overwritten_by_the_verdict() {
        let fields = ["sid".to_owned(), "status".to_owned()];
        let challenge = vectors::challenge();
        let token = answer_jwt(&vectors::key(), &challenge, &fields, Verdict::Denied).unwrap();
        let (_, payload) = opened(&token, vectors::PUBLIC_KEY);
        assert_eq!(payload["status"], "denied");
    }

    #[test]
    fn a_listed_member_may_be_null_but_not_missing() {
        let challenge = vectors::challenge();
        let null = ["hidden_details".to_owned()];
        answer_jwt(&vectors::key(), &challenge, &null, Verdict::Approved).unwrap();

        let missing = ["wallpaper".to_owned()];
        let refused = answer_jwt(&vectors::key(), &challenge, &missing, Verdict::Approved);
        assert!(
            matches!(refused, Err(PhoneError::FieldToSignMissing(name)) if name == "wallpaper")
        );
    }
}
