//! How a service protects its people: the presence proofs of an approval, and the number of prompts. Settings that a service leaves
//! out are those of the operator.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;
use crate::limits::{Limits, MAX_IN_A_ROW};
use crate::numbers::integer;
use crate::protection::PromptLimits;

/// The proofs that the person who approves also looks at the page that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceMode {
    /// Nothing: a tap approves.
    None,
    /// The device shows a code, which the person types on the page.
    Code,
    /// The page shows a number, which the person types on the device.
    Number,
    /// The page shows a number, which the person picks on the device.
    Pick,
}

impl PresenceMode {
    const ALL: [Self; 4] = [Self::None, Self::Code, Self::Number, Self::Pick];

    /// The word in requests and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Code => "code",
            Self::Number => "number",
            Self::Pick => "pick",
        }
    }
}

impl FromStr for PresenceMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(Invalid::because("must be a list of none, code, number and pick"))
    }
}

/// Presence modes in the order in which they are wanted: the first that a device can do holds. At least one, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PresenceList(Vec<PresenceMode>);

impl PresenceList {
    /// Parses words that are separated by commas.
    ///
    /// # Errors
    /// An unknown word, one given twice, or one after `none`, which every device can do.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut modes = Vec::new();
        for word in text.split(',') {
            let mode = word.trim().parse()?;
            if modes.contains(&mode) {
                return Err(Invalid::because("must name each mode once"));
            }
            if modes.contains(&PresenceMode::None) {
                return Err(Invalid::because("must end with none, if it has it"));
            }
            modes.push(mode);
        }
        Ok(Self(modes))
    }

    /// No presence.
    pub fn none() -> Self {
        Self(vec![PresenceMode::None])
    }

    /// The modes, the most wanted first.
    pub fn modes(&self) -> &[PresenceMode] {
        &self.0
    }
}

/// Whether the device must make sure who holds it before the person approves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserVerification {
    /// It need not.
    #[default]
    None,
    /// By a fingerprint, a face or its PIN.
    Required,
}

impl UserVerification {
    /// The word in requests and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Required => "required",
        }
    }

    /// Whether it need not. For members that are left out then.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The word, if something is asked for.
    pub fn if_wanted(self) -> Option<&'static str> {
        (!self.is_none()).then_some(self.as_str())
    }
}

impl FromStr for UserVerification {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::None, Self::Required]
            .into_iter()
            .find(|wanted| wanted.as_str() == text)
            .ok_or(Invalid::because("must be none or required"))
    }
}

/// A limit of prompts that the operator configures and a service may set for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the field of `Limits` that `configured` names")]
pub enum ServiceLimit {
    PendingMax,
    InARowMax,
    QuietAfter,
    InARowMinutes,
    PauseMinutes,
    LongestPauseHours,
    ReportedPauseHours,
}

impl ServiceLimit {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PendingMax,
        Self::InARowMax,
        Self::QuietAfter,
        Self::InARowMinutes,
        Self::PauseMinutes,
        Self::LongestPauseHours,
        Self::ReportedPauseHours,
    ];

    /// The values that the operator, or a service, may set.
    pub const fn bounds(self) -> RangeInclusive<u32> {
        match self {
            // challenges are read to be counted
            Self::PendingMax | Self::InARowMax | Self::QuietAfter => 0..=MAX_IN_A_ROW,
            // an approval is looked for as far back as a challenge may live
            Self::InARowMinutes => 1..=60,
            Self::PauseMinutes => 1..=1_440,
            Self::LongestPauseHours => 1..=720,
            Self::ReportedPauseHours => 0..=8_760,
        }
    }

    /// The operator's configuration.
    pub const fn configured(self, limits: &Limits) -> u32 {
        match self {
            Self::PendingMax => limits.pending_push_challenges_per_factor,
            Self::InARowMax => limits.push_challenges_in_a_row,
            Self::QuietAfter => limits.quiet_after_push_challenges,
            Self::InARowMinutes => limits.push_challenges_in_a_row_minutes,
            Self::PauseMinutes => limits.pause_minutes,
            Self::LongestPauseHours => limits.longest_pause_hours,
            Self::ReportedPauseHours => limits.reported_pause_hours,
        }
    }
}

/// The settings of a service itself; `None`: there are none. A member that an older release does not know stays when that release
/// changes the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceProtection {
    /// The presence proofs of an approval.
    pub presence: Option<PresenceList>,
    /// Whether a device must make sure who holds it.
    pub user_verification: Option<UserVerification>,
    pending_max: Option<u32>,
    in_a_row_max: Option<u32>,
    quiet_after: Option<u32>,
    in_a_row_minutes: Option<u32>,
    pause_minutes: Option<u32>,
    longest_pause_hours: Option<u32>,
    reported_pause_hours: Option<u32>,
}

/// A parameter of a service's protection. Its name in a request is for the caller to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtectionParameter {
    /// [`ServiceProtection::presence`].
    Presence,
    /// [`ServiceProtection::user_verification`].
    UserVerification,
    /// A limit.
    Limit(ServiceLimit),
}

impl ProtectionParameter {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let words = [Self::Presence, Self::UserVerification];
        words.into_iter().chain(ServiceLimit::ALL.into_iter().map(Self::Limit))
    }
}

impl ServiceProtection {
    /// Sets a parameter by its text. An empty text leaves the value to the operator.
    ///
    /// # Errors
    /// The text is none of the parameter's values.
    pub fn change(&mut self, parameter: ProtectionParameter, text: &str) -> Result<(), Invalid> {
        let given = Some(text).filter(|text| !text.is_empty());
        match parameter {
            ProtectionParameter::Presence => {
                self.presence = given.map(PresenceList::parse).transpose()?;
            }
            ProtectionParameter::UserVerification => {
                self.user_verification = given.map(str::parse).transpose()?;
            }
            ProtectionParameter::Limit(limit) => {
                self.set(limit, given.map(integer(limit.bounds())).transpose()?);
            }
        }
        Ok(())
    }

    /// The presence modes that hold, the most wanted first: only [`PresenceMode::None`] unless the service has set others.
    pub fn presence(&self) -> &[PresenceMode] {
        self.presence.as_ref().map_or(&[PresenceMode::None], PresenceList::modes)
    }

    /// Whether a device must make sure who holds it: [`UserVerification::None`] unless the service has set it.
    pub fn user_verification(&self) -> UserVerification {
        self.user_verification.unwrap_or_default()
    }

    /// The service's own setting, if it has one.
    pub const fn own(&self, limit: ServiceLimit) -> Option<u32> {
        match limit {
            ServiceLimit::PendingMax => self.pending_max,
            ServiceLimit::InARowMax => self.in_a_row_max,
            ServiceLimit::QuietAfter => self.quiet_after,
            ServiceLimit::InARowMinutes => self.in_a_row_minutes,
            ServiceLimit::PauseMinutes => self.pause_minutes,
            ServiceLimit::LongestPauseHours => self.longest_pause_hours,
            ServiceLimit::ReportedPauseHours => self.reported_pause_hours,
        }
    }

    /// Sets a limit, or leaves it to the operator. The value is within [`ServiceLimit::bounds`].
    pub const fn set(&mut self, limit: ServiceLimit, value: Option<u32>) {
        let place = match limit {
            ServiceLimit::PendingMax => &mut self.pending_max,
            ServiceLimit::InARowMax => &mut self.in_a_row_max,
            ServiceLimit::QuietAfter => &mut self.quiet_after,
            ServiceLimit::InARowMinutes => &mut self.in_a_row_minutes,
            ServiceLimit::PauseMinutes => &mut self.pause_minutes,
            ServiceLimit::LongestPauseHours => &mut self.longest_pause_hours,
            ServiceLimit::ReportedPauseHours => &mut self.reported_pause_hours,
        };
        *place = value;
    }

    /// The limit that holds: the service's own, otherwise the operator's.
    pub fn limit(&self, limit: ServiceLimit, limits: &Limits) -> u32 {
        self.own(limit).unwrap_or_else(|| limit.configured(limits))
    }

    /// The limits of push challenges that hold.
    pub fn prompts(&self, limits: &Limits) -> PromptLimits {
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let of = |limit| self.limit(limit, limits);
        PromptLimits {
            most_pending: of(ServiceLimit::PendingMax),
            most_in_a_row: of(ServiceLimit::InARowMax),
            quiet_after: of(ServiceLimit::QuietAfter),
            window: minutes(of(ServiceLimit::InARowMinutes)),
            first_pause: minutes(of(ServiceLimit::PauseMinutes)),
            longest_pause: minutes(of(ServiceLimit::LongestPauseHours).saturating_mul(60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presence_list_has_each_known_word_once_and_none_last() {
        let modes = |text| PresenceList::parse(text).map(|list| list.0);
        assert_eq!(modes("number, code"), Ok(vec![PresenceMode::Number, PresenceMode::Code]));
        assert_eq!(modes("pick,none"), Ok(vec![PresenceMode::Pick, PresenceMode::None]));
        for wrong in ["", "Number", "number,", "number,number", "none,code", "number code"] {
            assert!(modes(wrong).is_err(), "{wrong}");
        }
        for mode in PresenceMode::ALL {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
    }

    #[test]
    fn settings_that_a_service_leaves_out_are_as_configured() {
        let limits = Limits::default();
        let mut protection = ServiceProtection::default();
        assert_eq!(protection.presence(), [PresenceMode::None]);
        assert_eq!(protection.user_verification(), UserVerification::None);
        for limit in ServiceLimit::ALL {
            assert_eq!(protection.limit(limit, &limits), limit.configured(&limits));
            assert!(limit.bounds().contains(&limit.configured(&limits)), "{limit:?}");
            protection.set(limit, Some(7));
            assert_eq!((protection.own(limit), protection.limit(limit, &limits)), (Some(7), 7));
            let stored = serde_json::to_string(&protection).unwrap();
            assert_eq!(serde_json::from_str::<ServiceProtection>(&stored).unwrap(), protection);
            protection.set(limit, None);
            assert_eq!(protection, ServiceProtection::default());
        }
        protection.set(ServiceLimit::LongestPauseHours, Some(2));
        let prompts = protection.prompts(&limits);
        assert_eq!((prompts.most_in_a_row, prompts.longest_pause.as_secs()), (5, 7_200));
    }

    #[test]
    fn settings_of_an_older_release_are_read_and_all_members_are_written() {
        let read: ServiceProtection = serde_json::from_str(r#"{"later":1}"#).unwrap();
        assert_eq!(read, ServiceProtection::default());
        let written = serde_json::to_value(&read).unwrap();
        let members = written.as_object().unwrap();
        assert_eq!(members.len(), 2 + ServiceLimit::ALL.len());
        assert!(members.values().all(serde_json::Value::is_null), "null for no value");
    }
}
