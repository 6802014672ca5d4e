//! A challenge as a device reads it.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::PhoneError;
use crate::presence::Presence;
use crate::server::ChallengeHeaders;
use crate::status::ChallengeStatus;
use crate::wire::{text, wire_date};

/// A question to the person, with everything that a verdict needs.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The challenge, `YC…`.
    pub sid: String,
    /// The factor that is challenged, `YF…`.
    pub factor_sid: String,
    /// The status.
    pub status: ChallengeStatus,
    /// The question.
    pub message: String,
    /// Further details to show.
    pub fields: Vec<Field>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of expiry.
    pub expires_at: Timestamp,
    /// The whole body as received.
    pub body: Map<String, Value>,
    /// Names of the members that a verdict must sign. Present only while the challenge is pending, and only if a single
    /// challenge is fetched.
    pub fields_to_sign: Option<Vec<String>>,
    /// The input that an approval needs. Present only while the challenge is pending, and only if a single challenge is
    /// fetched.
    pub presence: Option<Presence>,
    /// Whether an approval must sign that the person was verified. Told as `presence` is.
    pub needs_verification: bool,
    /// Whether it must be shown without a sound. Told as `presence` is.
    pub is_quiet: bool,
    /// Whether it is over because another device of the person has answered. Told only if a single challenge is fetched.
    pub is_answered_elsewhere: bool,
}

/// A detail of a challenge, such as a place or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: String,
}

impl Challenge {
    /// Parses a challenge as strictly as both mobile SDKs.
    pub(crate) fn parse(
        body: Map<String, Value>,
        told: &ChallengeHeaders,
    ) -> Result<Self, PhoneError> {
        wire_date(&text(&body, "date_updated")?)?;
        let details = body.get("details").and_then(Value::as_object);
        let details =
            details.ok_or_else(|| PhoneError::malformed("a challenge without details"))?;
        match details.get("date") {
            None => {}
            Some(Value::String(date)) => wire_date(date).map(|_| ())?,
            Some(_) => {
                return Err(PhoneError::malformed("details.date is neither absent nor a date"));
            }
        }
        let fields = match details.get("fields") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(fields)) => {
                fields.iter().map(Field::parse).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(PhoneError::malformed("details.fields is no list")),
        };
        Ok(Self {
            sid: text(&body, "sid")?,
            factor_sid: text(&body, "factor_sid")?,
            status: ChallengeStatus::parse(&text(&body, "status")?)?,
            message: text(details, "message")?,
            fields,
            created_at: wire_date(&text(&body, "date_created")?)?,
            expires_at: wire_date(&text(&body, "expiration_date")?)?,
            // Not trimmed: the SDKs do not trim either.
            fields_to_sign: told
                .fields_to_sign
                .as_deref()
                .map(|names| names.split(',').map(str::to_owned).collect()),
            presence: told.presence.as_deref().map(Presence::parse).transpose()?,
            needs_verification: told.user_verification.as_deref() == Some("required"),
            is_quiet: told.quiet.as_deref() == Some("true"),
            is_answered_elsewhere: told.status_reason.as_deref() == Some("answered_elsewhere"),
            body,
        })
    }
}

impl Field {
    fn parse(value: &Value) -> Result<Self, PhoneError> {
        let field = value.as_object();
        let field =
            field.ok_or_else(|| PhoneError::malformed("a field of details is no object"))?;
        Ok(Self { label: text(field, "label")?, value: text(field, "value")? })
    }
}

impl ChallengeStatus {
    fn parse(word: &str) -> Result<Self, PhoneError> {
        match word {
            "pending" => Ok(Self::Pending),
            "expired" => Ok(Self::Expired),
            "approved" => Ok(Self::Approved),
            "denied" => Ok(Self::Denied),
            other => Err(PhoneError::malformed(format!("a challenge of status {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::vectors;

    #[test]
    fn the_documented_challenge_is_accepted() {
        let fields_to_sign = Some("sid,details".to_owned());
        let told = ChallengeHeaders { fields_to_sign, ..ChallengeHeaders::default() };
        let challenge = Challenge::parse(vectors::challenge(), &told).unwrap();
        assert_eq!(challenge.sid, vectors::CHALLENGE_SID);
        assert_eq!(challenge.status, ChallengeStatus::Pending);
        assert_eq!(challenge.message, "Login to Owl Bank?");
        assert_eq!(challenge.fields[0].value, "/login");
        assert_eq!(challenge.expires_at.as_second(), 1_700_000_300);
        assert_eq!(challenge.fields_to_sign.unwrap(), ["sid", "details"]);
    }

    #[test]
    fn a_challenge_that_an_sdk_would_reject_is_malformed() {
        let parse = |body| Challenge::parse(body, &ChallengeHeaders::default());
        let needed = ["sid", "factor_sid", "status", "date_created", "date_updated"];
        for name in needed.into_iter().chain(["expiration_date", "details"]) {
            let mut body = vectors::challenge();
            body.remove(name);
            assert!(matches!(parse(body), Err(PhoneError::Malformed(_))), "{name}");
        }
        let mut body = vectors::challenge();
        body["details"]["date"] = Value::Null;
        assert!(matches!(parse(body), Err(PhoneError::Malformed(_))));
    }
}
