//! Where and why a challenge was answered, as far as it is known. Applications and operators see it; nothing is refused by it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::answer::DenialReason;
use crate::challenge::Field;
use crate::invalid::Invalid;

/// A country, by its two letters (ISO 3166-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl FromStr for Country {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let letters = <[u8; 2]>::try_from(text.as_bytes()).ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or(Invalid::because("must be two capital letters"))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// The reason, address and country of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerContext {
    /// Why the challenge was denied, if that was said.
    pub reason: Option<DenialReason>,
    /// The address from which the device answered.
    pub address: Option<IpAddr>,
    /// The country of that address, if the operator's database knows it.
    pub country: Option<Country>,
}

impl AnswerContext {
    /// Nothing came with it.
    pub const UNKNOWN: Self = Self { reason: None, address: None, country: None };
}

/// The context of a challenge, which applications and operators can read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChallengeContext {
    /// Whether its pushes do not disturb the person.
    pub is_quiet: bool,
    /// The context of the answer; all members are `None` until there is one.
    pub answer: AnswerContext,
}

/// The address that an application shows as the origin of what it asks about: the first field that is labelled so.
pub fn asked_address(fields: &[Field]) -> Option<IpAddr> {
    const LABELS: [&str; 3] = ["Address", "IP address", "IP"];
    let is_address =
        |field: &&Field| LABELS.iter().any(|label| field.label.trim().eq_ignore_ascii_case(label));
    fields.iter().filter(is_address).find_map(|field| field.value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_capital_letters() {
        let portugal: Country = "PT".parse().unwrap();
        assert_eq!(portugal.to_string(), "PT");
        for wrong in ["", "P", "pt", "PRT", "P1", "ÅÅ"] {
            assert!(wrong.parse::<Country>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_labelled_field_with_an_address_is_the_one_that_was_asked_about() {
        let field = |label: &str, value: &str| Field { label: label.into(), value: value.into() };
        let fields = [
            field("Place", "192.0.2.1"),
            field("address", "Main Street 1"),
            field("IP Address", " 2001:db8::1 "),
            field("Address", "192.0.2.2"),
        ];
        assert_eq!(asked_address(&fields), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(asked_address(&fields[..2]), None);
    }
}
