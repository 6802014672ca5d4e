//! A challenge: a question to one device, open until it is answered or expires. `docs/understand/states.md` draws its life.

use std::str::FromStr;
use std::time::Duration;

use crate::entity::Owner;
use crate::factor_type::FactorType;
use crate::invalid::Invalid;
use crate::sid::{ChallengeSid, FactorSid};
use crate::text::{Message, StringMap, bounded};
use crate::time::Instant;
use crate::visible;

/// How long a challenge lives if nothing else is asked for.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long it may live at most.
pub const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How many label-value pairs a challenge may show.
pub const MOST_FIELDS: usize = 20;

/// The top-level members of a challenge that a device signs: those that never change (wire reference §3.7).
pub const SIGNED_FIELDS: [&str; 11] = [
    "sid",
    "account_sid",
    "service_sid",
    "entity_sid",
    "identity",
    "factor_sid",
    "factor_type",
    "date_created",
    "expiration_date",
    "details",
    "hidden_details",
];

/// What the person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Denied,
}

/// What an application sees of a challenge's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeStatus {
    /// Waiting for an answer.
    Pending,
    /// Nobody answered in time.
    Expired,
    /// Answered with yes.
    Approved,
    /// Answered with no.
    Denied,
}

impl ChallengeStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

impl FromStr for ChallengeStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Pending, Self::Expired, Self::Approved, Self::Denied]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(Invalid::because("must be pending, expired, approved or denied"))
    }
}

/// What is recorded of a challenge's state. Expiry is not: it follows from the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeState {
    /// No answer yet.
    Pending,
    /// The first answer, which is the last.
    Answered {
        /// What it was.
        verdict: Verdict,
        /// When it came.
        at: Instant,
    },
}

/// A label and a value that the person is shown, such as the place of a login.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// At most 36 characters.
    pub label: String,
    /// At most 128 characters.
    pub value: String,
}

impl Field {
    /// Reads the text of a JSON object with `label` and `value`. Characters that cannot be seen are left out.
    ///
    /// # Errors
    /// Not such an object, or a member that is too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid =
            Invalid::because("must be a JSON object with the strings label and value");
        // Serde would take an array of the two as well.
        if !text.trim_start().starts_with('{') {
            return Err(FORM);
        }
        let Self { label, value } = serde_json::from_str(text).map_err(|_| FORM)?;
        let label = visible::line(&label).unwrap_or(label);
        let value = visible::lines(&value).unwrap_or(value);
        let field = Self { label, value };
        bounded(&field.label, 0, 36)?;
        bounded(&field.value, 0, 128)?;
        Ok(field)
    }
}

/// What the person is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The question. A challenge of a push factor has one.
    pub message: Option<Message>,
    /// What helps to decide it, at most [`MOST_FIELDS`].
    pub fields: Vec<Field>,
    /// When it was asked, if the service shows that (`Push.IncludeDate`).
    pub date: Option<Instant>,
}

/// A challenge. All but its state and its metadata is fixed when it is made, since devices sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its SID.
    pub sid: ChallengeSid,
    /// Whose it is.
    pub owner: Owner,
    /// The device that is asked.
    pub factor: FactorSid,
    /// By what the answer is proved.
    pub factor_type: FactorType,
    /// What is asked.
    pub details: Details,
    /// What the device signs and does not show.
    pub hidden_details: Option<StringMap>,
    /// What the application adds later.
    pub metadata: Option<StringMap>,
    /// Where it stands.
    pub state: ChallengeState,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// From this instant on it cannot be answered. Whole seconds.
    pub expires_at: Instant,
}

/// What a challenge is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: ChallengeState,
    /// From this instant on it cannot be answered.
    pub expires_at: Instant,
}

impl Standing {
    /// What an application sees at `now`. An answered challenge never expires.
    pub fn status(&self, now: Instant) -> ChallengeStatus {
        match self.state {
            ChallengeState::Pending if now < self.expires_at => ChallengeStatus::Pending,
            ChallengeState::Pending => ChallengeStatus::Expired,
            ChallengeState::Answered { verdict: Verdict::Approved, .. } => {
                ChallengeStatus::Approved
            }
            ChallengeState::Answered { verdict: Verdict::Denied, .. } => ChallengeStatus::Denied,
        }
    }

    /// Whether an answer, or another notification, would still make sense at `now`.
    ///
    /// # Errors
    /// Why it would not.
    pub fn is_open(&self, now: Instant) -> Result<(), CannotAnswer> {
        match self.status(now) {
            ChallengeStatus::Pending => Ok(()),
            ChallengeStatus::Expired => Err(CannotAnswer::Expired),
            ChallengeStatus::Approved | ChallengeStatus::Denied => {
                Err(CannotAnswer::AlreadyAnswered)
            }
        }
    }
}

/// Why an answer came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotAnswer {
    /// It expired unanswered.
    #[error("its expiration_date is over")]
    Expired,
    /// Somebody answered before.
    #[error("the first answer stands")]
    AlreadyAnswered,
}

impl Challenge {
    /// What it is judged by.
    pub fn standing(&self) -> Standing {
        Standing { state: self.state, expires_at: self.expires_at }
    }

    /// As [`Standing::status`] has it.
    pub fn status(&self, now: Instant) -> ChallengeStatus {
        self.standing().status(now)
    }

    /// As [`Standing::is_open`] has it.
    ///
    /// # Errors
    /// Why it is not.
    pub fn is_open(&self, now: Instant) -> Result<(), CannotAnswer> {
        self.standing().is_open(now)
    }
}

/// When a challenge made at `now` expires, if `asked` for; whole seconds.
///
/// # Errors
/// Not in the future, or further than [`LONGEST_LIFETIME`].
pub fn expiry(now: Instant, asked: Option<Instant>) -> Result<Instant, Invalid> {
    let Some(asked) = asked else {
        return Ok((now + DEFAULT_LIFETIME).whole_seconds());
    };
    let asked = asked.whole_seconds();
    if asked <= now {
        Err(Invalid::because("must be in the future"))
    } else if asked > now + LONGEST_LIFETIME {
        Err(Invalid::because("must be at most 60 minutes ahead"))
    } else {
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_an_object_of_two_bounded_strings() {
        let field = Field::parse(r#" {"value":"\/login","label":"Path","more":1} "#).unwrap();
        assert_eq!(field, Field { label: "Path".into(), value: "/login".into() });
        let of = |label: usize, value: usize| {
            let (label, value) = ("é".repeat(label), "é".repeat(value));
            Field::parse(&format!(r#"{{"label":"{label}","value":"{value}"}}"#))
        };
        assert!(of(36, 128).is_ok() && of(0, 0).is_ok());
        assert!(of(37, 1).is_err() && of(1, 129).is_err());
        let two = r#"{"label":"a","value":"b"}{"label":"a","value":"b"}"#;
        let number = r#"{"label":"a","value":1}"#;
        for wrong in ["", "null", r#"["Path","/login"]"#, r#"{"label":"a"}"#, number, two] {
            assert!(Field::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_expiry_lies_within_the_hour() {
        let now = Instant::from_micros(1_700_000_000_500_000);
        let at = |seconds: i64| Instant::from_seconds(1_700_000_000 + seconds);
        assert_eq!(expiry(now, None), Ok(at(300)));
        assert_eq!(expiry(now, Some(at(1))), Ok(at(1)));
        assert_eq!(expiry(now, Some(at(3_600))), Ok(at(3_600)));
        assert!(expiry(now, Some(at(3_601))).is_err());
        assert!(expiry(now, Some(at(0))).is_err());
        assert!(expiry(at(0), Some(at(0))).is_err(), "now is not the future");
    }
}
