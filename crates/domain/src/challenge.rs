//! A challenge: a question to one factor, open until it is answered or expires. `docs/understand/states.md` shows its states.

use std::str::FromStr;
use std::time::Duration;

use crate::entity::Owner;
use crate::factor_type::FactorType;
use crate::invalid::Invalid;
use crate::presence::Presence;
use crate::sid::{ChallengeGroupSid, ChallengeSid, FactorSid};
use crate::text::{Message, StringMap, bounded};
use crate::time::Instant;
use crate::visible;

/// The default lifetime of a challenge.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The longest lifetime of a challenge.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The most fields of a challenge.
pub const MAX_FIELDS: usize = 20;

/// The top-level members of a challenge that a device signs. They never change.
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

/// The answer of a person to a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Approved.
    Approved,
    /// Denied.
    Denied,
}

/// The status of a challenge, which applications see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeStatus {
    /// It waits for an answer.
    Pending,
    /// It was not answered in time, or another challenge of its group was.
    Expired,
    /// It was approved.
    Approved,
    /// It was denied.
    Denied,
}

impl ChallengeStatus {
    /// The word in requests and responses.
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

/// The stored state of a challenge. Expiry is not stored: it follows from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeState {
    /// It was not answered.
    Pending,
    /// It was answered. The first answer counts.
    Answered {
        /// The verdict.
        verdict: Verdict,
        /// When it was answered.
        at: Instant,
    },
    /// Another challenge of its group was answered, which ended this one.
    AnsweredElsewhere {
        /// The other one.
        by: ChallengeSid,
        /// When that was answered.
        at: Instant,
    },
}

/// The reason of a challenge that ended because another one of its group was answered.
pub const ANSWERED_ELSEWHERE: &str = "answered_elsewhere";

impl ChallengeState {
    /// Why it ended, where its status does not say so.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::AnsweredElsewhere { .. } => Some(ANSWERED_ELSEWHERE),
            Self::Pending | Self::Answered { .. } => None,
        }
    }
}

/// The longest label of a field, in characters.
const LONGEST_LABEL: usize = 36;
/// The longest value of a field, in characters.
const LONGEST_VALUE: usize = 128;

/// A label and a value that the person sees, such as the place of a login.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// At most 36 characters.
    pub label: String,
    /// At most 128 characters.
    pub value: String,
}

impl Field {
    /// A field of texts that others chose: a line each, without characters that people cannot see, cut to what fits.
    pub fn shortened(label: &str, value: &str) -> Self {
        Self { label: cut(label, LONGEST_LABEL), value: cut(value, LONGEST_VALUE) }
    }

    /// Parses a JSON object with `label` and `value`. Removes characters that people cannot see.
    ///
    /// # Errors
    /// The text is not such an object, or a member is too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid =
            Invalid::because("must be a JSON object with the strings label and value");
        // Serde accepts an array of the two as well.
        if !text.trim_start().starts_with('{') {
            return Err(FORM);
        }
        let Self { label, value } = serde_json::from_str(text).map_err(|_| FORM)?;
        let label = visible::line(&label).unwrap_or(label);
        let value = visible::lines(&value).unwrap_or(value);
        let field = Self { label, value };
        bounded(&field.label, 0, LONGEST_LABEL)?;
        bounded(&field.value, 0, LONGEST_VALUE)?;
        Ok(field)
    }
}

/// The first `most` visible characters of a text. The last one says that some are missing.
fn cut(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    let text = visible::line(&text).unwrap_or(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// The details of a challenge, which the person sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The question. Every challenge of a push factor has one.
    pub message: Option<Message>,
    /// Further details, at most [`MAX_FIELDS`].
    pub fields: Vec<Field>,
    /// When the challenge was created, if the service shows it (`Push.IncludeDate`).
    pub date: Option<Instant>,
}

/// A challenge. Everything but its state, its metadata and the tries of its presence is fixed, because devices sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its SID.
    pub sid: ChallengeSid,
    /// The entity that it belongs to.
    pub owner: Owner,
    /// The group that it belongs to, if it does.
    pub group: Option<ChallengeGroupSid>,
    /// The factor that is challenged.
    pub factor: FactorSid,
    /// The type of the factor.
    pub factor_type: FactorType,
    /// The details that the person sees.
    pub details: Details,
    /// Details that the device signs and does not show.
    pub hidden_details: Option<StringMap>,
    /// Data for the application's use.
    pub metadata: Option<StringMap>,
    /// Whether a device must show it quietly. The store decides it for a new one.
    pub is_quiet: bool,
    /// The proof that the person who approves looks at the page that asked.
    pub presence: Option<Box<Presence>>,
    /// Its state.
    pub state: ChallengeState,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// The instant from which it cannot be answered. Whole seconds.
    pub expires_at: Instant,
}

/// The members of a challenge that its status follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeLifecycle {
    /// Its state.
    pub state: ChallengeState,
    /// The instant from which it cannot be answered.
    pub expires_at: Instant,
}

impl ChallengeLifecycle {
    /// The status at `now`. An answered challenge never expires.
    pub fn status(&self, now: Instant) -> ChallengeStatus {
        match self.state {
            ChallengeState::Pending if now < self.expires_at => ChallengeStatus::Pending,
            ChallengeState::Pending | ChallengeState::AnsweredElsewhere { .. } => {
                ChallengeStatus::Expired
            }
            ChallengeState::Answered { verdict: Verdict::Approved, .. } => {
                ChallengeStatus::Approved
            }
            ChallengeState::Answered { verdict: Verdict::Denied, .. } => ChallengeStatus::Denied,
        }
    }

    /// Checks that the challenge can be answered, or pushed again, at `now`.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn is_open(&self, now: Instant) -> Result<(), ChallengeClosedError> {
        match self.state {
            ChallengeState::Pending if now < self.expires_at => Ok(()),
            ChallengeState::Pending => Err(ChallengeClosedError::Expired),
            ChallengeState::AnsweredElsewhere { .. } => {
                Err(ChallengeClosedError::AnsweredElsewhere)
            }
            ChallengeState::Answered { .. } => Err(ChallengeClosedError::AlreadyAnswered),
        }
    }
}

/// Why a challenge can no longer be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeClosedError {
    /// It has expired.
    #[error("its expiration_date is over")]
    Expired,
    /// Another challenge of its group was answered.
    #[error("the person answered on another device")]
    AnsweredElsewhere,
    /// It was answered before.
    #[error("the first answer stands")]
    AlreadyAnswered,
}

impl Challenge {
    /// The members that its status follows from.
    pub fn lifecycle(&self) -> ChallengeLifecycle {
        ChallengeLifecycle { state: self.state, expires_at: self.expires_at }
    }

    /// See [`ChallengeLifecycle::status`].
    pub fn status(&self, now: Instant) -> ChallengeStatus {
        self.lifecycle().status(now)
    }

    /// See [`ChallengeLifecycle::is_open`].
    ///
    /// # Errors
    /// Why it is not open.
    pub fn is_open(&self, now: Instant) -> Result<(), ChallengeClosedError> {
        self.lifecycle().is_open(now)
    }
}

/// When a challenge that is created at `now` expires, in whole seconds; `wanted` is the time that was asked for.
///
/// # Errors
/// The time is not in the future, or further away than [`MAX_LIFETIME`].
pub fn expiry(now: Instant, wanted: Option<Instant>) -> Result<Instant, Invalid> {
    let Some(wanted) = wanted else {
        return Ok((now + DEFAULT_LIFETIME).whole_seconds());
    };
    let wanted = wanted.whole_seconds();
    if wanted <= now {
        Err(Invalid::because("must be in the future"))
    } else if wanted > now + MAX_LIFETIME {
        Err(Invalid::because("must be at most 60 minutes ahead"))
    } else {
        Ok(wanted)
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
    fn a_field_of_others_is_cut_to_what_fits_and_can_be_seen() {
        let long = "é".repeat(200);
        let field = Field::shortened(&long, &long);
        assert_eq!((field.label.chars().count(), field.value.chars().count()), (36, 128));
        assert!(field.value.ends_with("é…"));
        let field = Field::shortened("Command", "ls\0 -l\n\u{202e}Place: here");
        assert_eq!(field, Field { label: "Command".into(), value: "ls -lPlace: here".into() });
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
