//! Deserializes settings into the sections. An error names the setting, its origin and the expected value.
//!
//! A file has typed values; the environment and the command line have texts, which are parsed as the type that the
//! setting needs. The names are known to exist; see [`super::sources`].

use std::collections::{BTreeMap, btree_map};
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::origin::Origin;

/// A value as it is written in its source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawValue {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<String>),
    /// A value that no setting takes, such as a date, in words.
    Other(&'static str),
}

/// A setting as it is given in its source.
#[derive(Debug, Clone)]
pub(super) struct RawSetting {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) value: RawValue,
}

/// A section of settings, or one setting.
#[derive(Debug)]
pub(super) enum Node {
    Section(BTreeMap<String, Node>),
    Setting(RawSetting),
}

/// A setting with an invalid value.
#[derive(Debug)]
pub(super) struct SettingError {
    /// The name and the origin of the setting, once they are known.
    setting: Option<String>,
    what: String,
}

impl std::error::Error for SettingError {}

impl Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setting {
            Some(setting) => write!(f, "{setting}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl de::Error for SettingError {
    fn custom<T: Display>(what: T) -> Self {
        Self { setting: None, what: what.to_string() }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Self::expected(one_of(variants))
    }
}

impl SettingError {
    fn expected(what: impl Display) -> Self {
        Self { setting: None, what: format!("expected {what}") }
    }

    fn of(self, given: &RawSetting) -> Self {
        let RawSetting { key, origin, value } = given;
        let what = match value {
            _ if self.setting.is_some() => return self,
            _ if !may_be_shown(key, value) => self.what,
            value => format!("{}, found {value}", self.what),
        };
        Self { setting: Some(format!("{key}, from {origin}")), what }
    }
}

/// Whether a value may be shown: a URL may hold a password.
fn may_be_shown(key: &str, value: &RawValue) -> bool {
    let may_hold_secret = |text: &String| text.contains('@') || key == "database.url";
    match value {
        RawValue::Text(text) => !may_hold_secret(text),
        RawValue::List(texts) => !texts.iter().any(may_hold_secret),
        _ => true,
    }
}

impl Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("nothing"),
            Self::Text(text) => match text.char_indices().nth(MOST) {
                None => write!(f, "{text:?}"),
                Some((at, _)) => write!(f, "{:?}…", &text[..at]),
            },
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(boolean) => write!(f, "{boolean}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Parses a whole number. Underscores may separate its digits, as in TOML.
fn number<T: FromStr + TryFrom<i64>>(given: &RawSetting) -> Option<T> {
    match &given.value {
        RawValue::Number(number) => T::try_from(*number).ok(),
        RawValue::Text(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// The unit and the bounds of a number, in words.
fn number_in_words(key: &str, most: Option<u64>) -> String {
    let unit = match key {
        _ if key.ends_with("_seconds") => " of seconds",
        _ if key.ends_with("_minutes") => " of minutes",
        _ if key.ends_with("_hours") => " of hours",
        _ if key.ends_with("_days") => " of days",
        _ if key.contains("_bytes") => " of bytes",
        _ => "",
    };
    match most {
        Some(most) => format!("a whole number{unit} from 0 to {most}"),
        None => format!("a whole number{unit}, 0 or more"),
    }
}

fn boolean(given: &RawSetting) -> Option<bool> {
    match &given.value {
        RawValue::Bool(boolean) => Some(*boolean),
        RawValue::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn text(given: &RawSetting) -> Result<&str, SettingError> {
    match &given.value {
        RawValue::Text(text) => Ok(text),
        _ => Err(SettingError::expected("text in quotes")),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $most:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
            let given = self.setting()?;
            let found: Option<$type> = number(given);
            let expected = || SettingError::expected(number_in_words(&given.key, $most));
            visitor.$visit(found.ok_or_else(expected)?)
        }
    )*};
}

impl<'de> Node {
    fn setting(&'de self) -> Result<&'de RawSetting, SettingError> {
        match self {
            Self::Setting(given) => Ok(given),
            // unreachable: every name was looked up before
            Self::Section(_) => Err(SettingError::expected("one value, found a section")),
        }
    }
}

/// The settings of a section with their names.
struct Entries<'de> {
    rest: btree_map::Iter<'de, String, Node>,
    next: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = SettingError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, SettingError> {
        let Some((name, node)) = self.rest.next() else { return Ok(None) };
        self.next = Some(node);
        let name: StrDeserializer<'_, SettingError> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, SettingError> {
        let node = self.next.take();
        let node = node.ok_or_else(|| SettingError::expected("a name before its value"))?;
        seed.deserialize(node).map_err(|why| match node {
            Node::Setting(given) => why.of(given),
            Node::Section(_) => why,
        })
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = SettingError;

    numbers! {
        deserialize_u16 visit_u16 u16, Some(u16::MAX.into());
        deserialize_u32 visit_u32 u32, Some(u32::MAX.into());
        deserialize_u64 visit_u64 u64, None;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        match self {
            Node::Section(nodes) => visitor.visit_map(Entries { rest: nodes.iter(), next: None }),
            Node::Setting(given) => match &given.value {
                RawValue::Text(text) => visitor.visit_str(text),
                RawValue::Number(number) => visitor.visit_i64(*number),
                RawValue::Bool(boolean) => visitor.visit_bool(*boolean),
                RawValue::List(texts) => {
                    visitor.visit_seq(SeqDeserializer::new(texts.iter().map(String::as_str)))
                }
                RawValue::Other(_) => visitor.visit_unit(),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        let found = boolean(self.setting()?);
        visitor.visit_bool(found.ok_or_else(|| SettingError::expected("true or false"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        visitor.visit_str(text(self.setting()?)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.deserialize_str(visitor)
    }

    /// An empty text means that an optional setting is absent: some environments cannot remove a variable.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        match &self.setting()?.value {
            RawValue::Text(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        let RawValue::Text(text) = &self.setting()?.value else {
            return Err(SettingError::expected(one_of(variants)));
        };
        let word: StrDeserializer<'_, SettingError> = text.as_str().into_deserializer();
        visitor.visit_enum(word)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
