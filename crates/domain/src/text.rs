//! Texts with a limited length. The constructor of each type checks the documented length and alphabet once. Lengths are in characters
//! (Unicode scalar values).

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;

use crate::invalid::Invalid;
use crate::visible;

/// Checks that a text has `least` to `most` characters and no U+0000, which PostgreSQL cannot store.
///
/// # Errors
/// The text does not.
pub fn bounded(text: &str, least: usize, most: usize) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::because("must not contain the character U+0000"));
    }
    let found = text.chars().count();
    if (least..=most).contains(&found) { Ok(()) } else { Err(Invalid::length(least, most, found)) }
}

/// Checks a line that people read, and removes the characters that they cannot see.
///
/// # Errors
/// The line has not `least` to `most` characters, before or after that, or contains U+0000.
pub fn line(text: &str, least: usize, most: usize) -> Result<String, Invalid> {
    bounded(text, least, most)?;
    let Some(seen) = visible::line(text) else { return Ok(text.to_owned()) };
    bounded(&seen, least, most).map(|()| seen)
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $clean:expr) => {
        text!($(#[$doc])* $name, $check);

        impl $name {
            /// Creates the text from a new text that people will read, and removes the characters that they cannot see. Stored
            /// texts are read by [`parse`](Self::parse), unchanged.
            ///
            /// # Errors
            /// The rule that the text breaks, before or after that.
            pub fn written(text: impl Into<String>) -> Result<Self, Invalid> {
                let given = Self::parse(text)?;
                let clean: fn(&str) -> Option<String> = $clean;
                clean(given.as_str()).map_or(Ok(given), Self::parse)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Creates the text.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                let check: fn(&str) -> Result<(), Invalid> = $check;
                check(&text).map(|()| Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

text!(
    /// The application's name for a person: 8 to 64 letters, digits and dashes. Case-sensitive (Twilio Verify v2, Entity resource).
    Identity,
    |text| {
        bounded(text, 8, 64)?;
        if text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
            Ok(())
        } else {
            Err(Invalid::because("must hold only letters, digits and dashes"))
        }
    }
);
text!(
    /// The name of a factor or a webhook: 1 to 64 characters.
    FriendlyName,
    |text| bounded(text, 1, 64),
    visible::line
);
text!(
    /// The name of a service: 1 to 32 letters, digits, spaces, dashes and underscores, with at most four digits (Twilio Verify v2,
    /// Service resource).
    ServiceName,
    |text| {
        bounded(text, 1, 32)?;
        if !text.chars().all(|c| c.is_alphanumeric() || " -_".contains(c)) {
            return Err(Invalid::because("must hold only letters, digits, spaces, dashes and underscores"));
        }
        if text.chars().filter(|c| c.is_numeric()).count() > 4 {
            return Err(Invalid::because("must hold at most 4 digits"));
        }
        Ok(())
    },
    visible::word
);
text!(
    /// The name that people read of a service: 1 to 64 characters.
    ServiceLabel,
    |text| bounded(text, 1, 64),
    visible::line
);
text!(
    /// The name that people read of their account with a service: 1 to 64 characters.
    AccountLabel,
    |text| bounded(text, 1, 64),
    visible::line
);
text!(
    /// The Android package or the iOS bundle id of an app: 1 to 100 characters.
    AppId,
    |text| bounded(text, 1, 100)
);
text!(
    /// The version of a device's SDK: 1 to 64 characters.
    SdkVersion,
    |text| bounded(text, 1, 64)
);
text!(
    /// The label of a field that this server adds to a challenge: 1 to 36 characters, as of any field.
    FieldLabel,
    |text| bounded(text, 1, 36),
    visible::line
);
text!(
    /// The question of a challenge: 1 to 256 characters.
    Message,
    |text| bounded(text, 1, 256),
    visible::lines
);

/// A JSON object whose values are strings, of at most 1,024 characters: metadata and hidden details. Members keep their order. The iOS
/// SDK refuses values of other types.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct StringMap(IndexMap<String, String>);

impl StringMap {
    /// Parses a JSON object.
    ///
    /// # Errors
    /// The text is too long, not a JSON object, or has a value that is not a string.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        bounded(text, 2, 1_024)?;
        Self::from_stored(text)
    }

    /// Parses a stored text, see [`StringMap::to_text`].
    ///
    /// # Errors
    /// Those of [`StringMap::parse`] except the length.
    pub fn from_stored(text: &str) -> Result<Self, Invalid> {
        let object: IndexMap<String, Value> =
            serde_json::from_str(text).map_err(|_| Invalid::because("must be a JSON object"))?;
        let texts = object.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(Invalid::because("must be a JSON object whose values are strings")),
        });
        texts.collect::<Result<_, _>>().map(Self)
    }

    /// The object as compact JSON.
    pub fn to_text(&self) -> String {
        // A map of strings can always be serialized.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The length of [`to_text`](Self::to_text) without escapes, in bytes.
    pub fn bytes(&self) -> usize {
        // {"":"","":""}
        let members = self.0.iter().map(|(name, value)| 5 + name.len() + value.len());
        2 + members.sum::<usize>() + self.0.len().saturating_sub(1)
    }
}

impl fmt::Debug for StringMap {
    /// Prints the names only, because the values may be hidden details.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u0000_is_refused() {
        assert!(Message::parse("Log in?\u{1}").is_ok());
        let refused = Message::parse("Log\0in?").unwrap_err();
        assert_eq!(refused.to_string(), "must not contain the character U+0000");
    }

    #[test]
    fn the_length_of_a_line_is_checked_before_and_after_cleaning() {
        assert_eq!(line("Owl\u{202e} Bank\u{200b}", 1, 64).unwrap(), "Owl Bank");
        assert_eq!(line("\u{200b}", 0, 64).unwrap(), "");
        let empty = line("\u{200b}", 1, 64).unwrap_err();
        assert_eq!(empty, Invalid::length(1, 64, 0));
        assert_eq!(line(&"\u{200b}".repeat(65), 0, 64), Err(Invalid::length(0, 64, 65)));
    }

    #[test]
    fn invisible_characters_are_removed_from_texts_that_people_read() {
        let message = Message::written("Pay \u{202e}001\u{202c} €?\u{200b}\nNow").unwrap();
        assert_eq!(message.as_str(), "Pay 001 €?\nNow");
        assert_eq!(FriendlyName::written("Ann's\n\u{feff}phone").unwrap().as_str(), "Ann'sphone");
        assert_eq!(ServiceName::written("Owl\u{3164} Bank").unwrap().as_str(), "Owl Bank");
        assert!(ServiceName::written("Owl\u{200b} Bank").is_err());
        for nothing in ["\u{200b}", "\u{3164}", "\u{2066}\u{2069}", "\u{7}"] {
            let refused = Message::written(nothing).unwrap_err();
            assert_eq!(refused.to_string(), "must have 1 to 256 characters, has 0");
            assert!(Message::parse(nothing).is_ok(), "a stored text can be read");
            assert!(
                FriendlyName::written(nothing).is_err() && ServiceName::written(nothing).is_err()
            );
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(Identity::parse("abcd-123").is_ok());
        assert!(Identity::parse("x".repeat(64)).is_ok());
        let short = Identity::parse("abc-123").unwrap_err();
        assert_eq!(short.to_string(), "must have 8 to 64 characters, has 7");
        assert!(Identity::parse("x".repeat(65)).is_err());
        assert!(Message::parse("🦉".repeat(256)).is_ok(), "characters, not bytes");
        assert!(Message::parse("🦉".repeat(257)).is_err());
    }

    #[test]
    fn an_identity_is_letters_digits_and_dashes() {
        for wrong in ["ann@example.com", "ann smith", "ann_smith", "zoë-smith", "١٢٣٤٥٦٧٨"]
        {
            assert!(Identity::parse(wrong).is_err(), "{wrong}");
        }
        assert_ne!(Identity::parse("ANN-SMITH").unwrap(), Identity::parse("ann-smith").unwrap());
    }

    #[test]
    fn a_service_name_has_at_most_four_digits_of_any_script() {
        for good in ["owlbank", "Owl Bank_EU-2024", "Zürich", "x"] {
            assert!(ServiceName::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", "Owl 12345", "Owl ١٢٣٤٥", "Owl!", "Owl\tBank", "a.example"] {
            assert!(ServiceName::parse(wrong).is_err(), "{wrong}");
        }
        assert!(ServiceName::parse("x".repeat(32)).is_ok());
        assert!(ServiceName::parse("x".repeat(33)).is_err());
    }

    #[test]
    fn a_string_map_has_string_values_and_does_not_print_them() {
        let map = StringMap::parse(r#" {"b":"\/2","a":"1"} "#).unwrap();
        assert_eq!(map.to_text(), r#"{"b":"/2","a":"1"}"#, "in their order");
        assert_eq!((map.get("a"), map.get("c")), (Some("1"), None));
        assert_eq!(format!("{map:?}"), r#"{"b", "a"}"#);
        assert!(StringMap::parse("{}").is_ok());
        for wrong in ["", "null", "[]", r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a""#] {
            assert!(StringMap::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_string_map_has_at_most_1024_characters() {
        let of = |characters: usize| format!(r#"{{"a":"{}"}}"#, "é".repeat(characters - 8));
        assert!(StringMap::parse(&of(1_024)).is_ok());
        assert!(StringMap::parse(&of(1_025)).is_err());
        assert!(
            StringMap::from_stored(&of(1_025)).is_ok(),
            "the length of a stored text is not checked"
        );
    }
}
