//! The input that a challenge asks its person for before it can be approved.

use serde::Deserialize;

use crate::error::PhoneError;

/// The number that the page shows is to be entered here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Member")]
pub enum Presence {
    /// The person types two digits.
    Number,
    /// The person picks one of these.
    Pick(Vec<String>),
}

/// The member `presence` of a frame.
#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Member {
    Number,
    Pick { options: Vec<String> },
}

impl From<Member> for Presence {
    fn from(member: Member) -> Self {
        match member {
            Member::Number => Self::Number,
            Member::Pick { options } => Self::Pick(options),
        }
    }
}

impl Presence {
    /// Parses the header `Countersign-Presence`.
    pub(crate) fn parse(header: &str) -> Result<Self, PhoneError> {
        let unknown = || PhoneError::malformed(format!("Countersign-Presence is {header}"));
        let (mode, parameter) = header.split_once(';').ok_or_else(unknown)?;
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit());
        match (mode, parameter.split_once('=')) {
            ("number", Some(("digits", "2"))) => Ok(Self::Number),
            ("pick", Some(("options", options))) => {
                let options: Vec<_> = options.split(',').map(str::to_owned).collect();
                let is_good = options.len() == 3 && options.iter().all(|it| is_number(it));
                is_good.then_some(Self::Pick(options)).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }

    /// Whether the person may have meant this text: two digits, and one of the options if there are any.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Number => text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit()),
            Self::Pick(options) => options.iter().any(|option| option == text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_headers_are_read_and_no_others() {
        assert_eq!(Presence::parse("number;digits=2").unwrap(), Presence::Number);
        let pick = Presence::parse("pick;options=27,64,91").unwrap();
        assert_eq!(pick, Presence::Pick(["27", "64", "91"].map(str::to_owned).into()));
        assert!(pick.accepts("64") && !pick.accepts("65"));
        assert!(Presence::Number.accepts("65") && !Presence::Number.accepts("6"));
        for wrong in
            ["", "number", "number;digits=3", "pick;options=1,2", "pick;options=a,b,c", "face;x=1"]
        {
            assert!(matches!(Presence::parse(wrong), Err(PhoneError::Malformed(_))), "{wrong}");
        }
    }
}
