//! Presence: what shows that the person who approves a challenge also looks at the page that asked for it.
//! [`presence_choice`](crate::presence_choice) draws it, [`presence_check`](crate::presence_check) judges it.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::invalid::Invalid;
use crate::text::FieldLabel;
use crate::time::Instant;
use crate::world::{Entropy, random};

/// A number below `bound`. Of 2^64 values the bias cannot be noticed.
pub(crate) fn below(bound: u64, entropy: &dyn Entropy) -> u64 {
    u64::from_be_bytes(random(entropy)) % bound
}

/// A number that a page shows and a person enters on the device: two digits, from 10 to 99. `Debug` does not print it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresenceNumber(u8);

impl PresenceNumber {
    /// The least one.
    pub const LEAST: u8 = 10;
    /// The greatest one.
    pub const GREATEST: u8 = 99;

    /// The number, if it has two digits.
    pub fn new(number: u8) -> Option<Self> {
        (Self::LEAST..=Self::GREATEST).contains(&number).then_some(Self(number))
    }

    /// Draws a number.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self::draw_unlike(&[], entropy)
    }

    /// Draws a number that is none of `taken`, which are few.
    pub(crate) fn draw_unlike(taken: &[Self], entropy: &dyn Entropy) -> Self {
        let all = (Self::LEAST..=Self::GREATEST).filter_map(Self::new);
        let free: Vec<_> = all.filter(|number| !taken.contains(number)).collect();
        let place = below(free.len() as u64, entropy);
        free[usize::try_from(place).unwrap_or(0)]
    }

    /// Parses two digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let digits = text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok());
        digits
            .flatten()
            .and_then(Self::new)
            .filter(|_| text.len() == 2)
            .ok_or(Invalid::because("must have two digits, from 10 to 99"))
    }

    /// The number.
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for PresenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••")
    }
}

impl Serialize for PresenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PresenceNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A code that a device shows and a person types on the page: four digits. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PresenceCode(String);

impl PresenceCode {
    /// Parses four digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() == 4 && text.bytes().all(|c| c.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::because("must have 4 digits"))
        }
    }

    /// The digits. The caller makes sure that they reach no log and no application.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresenceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

impl<'de> Deserialize<'de> for PresenceCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The code or number of a presence mode, which one side shows and the other enters. Drawn once, when the challenge is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum PresenceProof {
    /// The device shows a code in a field of the details. The application is not shown that field.
    Code {
        /// The label of the field.
        label: FieldLabel,
        /// The code.
        code: PresenceCode,
    },
    /// The page shows a number, which the person types on the device.
    Number {
        /// The number.
        answer: PresenceNumber,
    },
    /// The page shows a number, which the person picks on the device.
    Pick {
        /// The number.
        answer: PresenceNumber,
        /// The numbers that the device shows: the right one and two others.
        options: [PresenceNumber; 3],
    },
}

/// The presence of a challenge: what is to be proved, and what came of it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The code or number to enter.
    #[serde(flatten)]
    pub proof: PresenceProof,
    /// When the wrong tries were made, in microseconds: that identifies a try.
    #[serde(default)]
    wrong: Vec<i64>,
    /// Whether the code was typed on the page.
    #[serde(default)]
    pub is_confirmed: bool,
}

impl Presence {
    /// A presence that nobody has tried to prove.
    pub const fn new(proof: PresenceProof) -> Self {
        Self { proof, wrong: Vec::new(), is_confirmed: false }
    }

    /// The word in requests and responses.
    pub const fn mode(&self) -> &'static str {
        match self.proof {
            PresenceProof::Code { .. } => "code",
            PresenceProof::Number { .. } => "number",
            PresenceProof::Pick { .. } => "pick",
        }
    }

    /// How many tries there are in all.
    pub const fn tries(&self) -> u8 {
        match self.proof {
            PresenceProof::Code { .. } => 3,
            PresenceProof::Number { .. } => 2,
            PresenceProof::Pick { .. } => 1,
        }
    }

    /// How many tries are left.
    pub fn tries_left(&self) -> u8 {
        self.tries().saturating_sub(self.wrong())
    }

    /// How many tries were wrong so far.
    pub fn wrong(&self) -> u8 {
        u8::try_from(self.wrong.len()).unwrap_or(u8::MAX)
    }

    /// How many tries were left after a wrong one that was made at `at`; `None` if none was.
    pub fn tries_left_after(&self, at: Instant) -> Option<u8> {
        let place = self.wrong.iter().position(|tried| *tried == at.as_micros())?;
        Some(self.tries().saturating_sub(u8::try_from(place + 1).unwrap_or(u8::MAX)))
    }

    /// With one more wrong try, at `at`.
    #[must_use]
    pub fn tried(&self, at: Instant) -> Self {
        let mut tried = self.clone();
        tried.wrong.push(at.as_micros());
        tried
    }

    /// With the code confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Self {
        Self { is_confirmed: true, ..self.clone() }
    }

    /// The facts that the device gets besides the challenge; `None` if there are none.
    pub const fn hint(&self) -> Option<PresenceHint> {
        match self.proof {
            PresenceProof::Code { .. } => None,
            PresenceProof::Number { .. } => Some(PresenceHint::Number),
            PresenceProof::Pick { options, .. } => Some(PresenceHint::Pick(options)),
        }
    }

    /// Reads a stored text, see [`to_text`](Self::to_text); `None` if it is another one.
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value as it is stored: JSON.
    pub fn to_text(&self) -> String {
        // Texts and numbers can always be serialized.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The facts by which a device asks its person for the number. The right number is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceHint {
    /// The person types two digits.
    Number,
    /// The person picks one of these.
    Pick([PresenceNumber; 3]),
}

impl fmt::Display for PresenceHint {
    /// As in the header `Countersign-Presence`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("number;digits=2"),
            Self::Pick([first, second, third]) => {
                let [first, second, third] = [first, second, third].map(|number| number.value());
                write!(f, "pick;options={first},{second},{third}")
            }
        }
    }
}

impl Serialize for PresenceHint {
    /// As the member `presence` of frames and payloads.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("PresenceHint", 2)?;
        match self {
            Self::Number => {
                members.serialize_field("mode", "number")?;
                members.serialize_field("digits", &2)?;
            }
            Self::Pick(options) => {
                members.serialize_field("mode", "pick")?;
                members.serialize_field("options", options)?;
            }
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for PresenceHint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "mode", rename_all = "snake_case")]
        enum Members {
            Number,
            Pick { options: [PresenceNumber; 3] },
        }
        Members::deserialize(deserializer).map(|members| match members {
            Members::Number => Self::Number,
            Members::Pick { options } => Self::Pick(options),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u8) -> PresenceNumber {
        PresenceNumber::new(value).unwrap()
    }

    #[test]
    fn a_number_has_two_digits_and_does_not_print() {
        assert_eq!(PresenceNumber::parse("64").unwrap().value(), 64);
        assert_eq!(format!("{:?}", number(64)), "••");
        for wrong in ["", "9", "09", "100", "064", "+64", " 64", "6a", "٦٤"] {
            assert!(PresenceNumber::parse(wrong).is_err(), "{wrong}");
        }
        assert!(PresenceNumber::new(9).is_none() && PresenceNumber::new(100).is_none());
    }

    #[test]
    fn a_code_has_four_digits_and_does_not_print() {
        let code = PresenceCode::parse("0471").unwrap();
        assert_eq!((code.expose(), format!("{code:?}").as_str()), ("0471", "••••"));
        for wrong in ["", "471", "04711", "47a1", "٤٧١١"] {
            assert!(PresenceCode::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_presence_reads_back_as_it_was_stored() {
        let label = FieldLabel::parse("Code").unwrap();
        let code = PresenceCode::parse("4711").unwrap();
        let options = [27, 64, 91].map(number);
        for proof in [
            PresenceProof::Code { label, code },
            PresenceProof::Number { answer: number(64) },
            PresenceProof::Pick { answer: number(64), options },
        ] {
            let at = Instant::from_micros(1_700_000_000_000_001);
            let presence = Presence::new(proof).tried(at);
            assert_eq!(Presence::from_stored(&presence.to_text()).as_ref(), Some(&presence));
            let left = presence.tries() - 1;
            assert_eq!((presence.wrong(), presence.tries_left()), (1, left));
            assert_eq!(presence.tries_left_after(at), Some(left));
            assert_eq!(presence.tries_left_after(Instant::from_micros(1)), None);
            let stored: serde_json::Value = serde_json::from_str(&presence.to_text()).unwrap();
            assert_eq!(stored["mode"], presence.mode());
        }
        assert_eq!(Presence::from_stored(r#"{"mode":"number"}"#), None);
    }

    #[test]
    fn a_hint_tells_the_options_and_not_the_answer() {
        let number_hint = Presence::new(PresenceProof::Number { answer: number(64) }).hint();
        assert_eq!(number_hint.unwrap().to_string(), "number;digits=2");
        let json = serde_json::to_string(&number_hint).unwrap();
        assert_eq!(json, r#"{"mode":"number","digits":2}"#);
        assert_eq!(serde_json::from_str::<PresenceHint>(&json).unwrap(), PresenceHint::Number);
        let pick = PresenceHint::Pick([27, 64, 91].map(number));
        assert_eq!(pick.to_string(), "pick;options=27,64,91");
        let json = serde_json::to_string(&pick).unwrap();
        assert_eq!(json, r#"{"mode":"pick","options":["27","64","91"]}"#);
        assert_eq!(serde_json::from_str::<PresenceHint>(&json).unwrap(), pick);
    }
}
