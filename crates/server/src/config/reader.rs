//! Reads settings into the configuration: a value that does not fit is told with its name, its place and what is expected.
//!
//! A file has typed values, while the environment and the command line have texts: a text is read as what the setting
//! needs. Names are known here; see [`super::sources`].

use std::collections::{BTreeMap, btree_map};
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::place::Place;

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<String>),
    /// A value that no setting takes, such as a date; in words.
    Other(&'static str),
}

/// A setting as it is given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Written,
}

/// A section of settings, or one setting.
#[derive(Debug)]
pub(super) enum Node {
    Section(BTreeMap<String, Node>),
    Setting(Given),
}

/// A setting whose value is not right.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Its name and place, once they are known.
    setting: Option<String>,
    what: String,
}

impl std::error::Error for Unreadable {}

impl Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setting {
            Some(setting) => write!(f, "{setting}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl de::Error for Unreadable {
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

impl Unreadable {
    fn expected(what: impl Display) -> Self {
        Self { setting: None, what: format!("expected {what}") }
    }

    fn of(self, given: &Given) -> Self {
        let Given { key, place, value } = given;
        let what = match value {
            _ if self.setting.is_some() => return self,
            _ if !may_be_shown(key, value) => self.what,
            value => format!("{}, found {value}", self.what),
        };
        Self { setting: Some(format!("{key}, from {place}")), what }
    }
}

/// A URL may hold a password.
fn may_be_shown(key: &str, value: &Written) -> bool {
    let may_hold_secret = |text: &String| text.contains('@') || key == "database.url";
    match value {
        Written::Text(text) => !may_hold_secret(text),
        Written::List(texts) => !texts.iter().any(may_hold_secret),
        _ => true,
    }
}

impl Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("nothing"),
            Self::Text(text) => match text.char_indices().nth(MOST) {
                None => write!(f, "{text:?}"),
                Some((at, _)) => write!(f, "{:?}…", &text[..at]),
            },
            Self::Number(number) => write!(f, "{number}"),
            Self::Truth(truth) => write!(f, "{truth}"),
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

/// A whole number; underscores may part its digits, as in TOML.
fn number<T: FromStr + TryFrom<i64>>(given: &Given) -> Option<T> {
    match &given.value {
        Written::Number(number) => T::try_from(*number).ok(),
        Written::Text(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// What a number of that name counts, and its bounds.
fn number_in_words(key: &str, most: Option<u64>) -> String {
    let unit = match key {
        _ if key.ends_with("_seconds") => " of seconds",
        _ if key.ends_with("_days") => " of days",
        _ if key.contains("_bytes") => " of bytes",
        _ => "",
    };
    match most {
        Some(most) => format!("a whole number{unit} from 0 to {most}"),
        None => format!("a whole number{unit}, 0 or more"),
    }
}

fn truth(given: &Given) -> Option<bool> {
    match &given.value {
        Written::Truth(truth) => Some(*truth),
        Written::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn text(given: &Given) -> Result<&str, Unreadable> {
    match &given.value {
        Written::Text(text) => Ok(text),
        _ => Err(Unreadable::expected("text in quotes")),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $most:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            let given = self.setting()?;
            let found: Option<$type> = number(given);
            let expected = || Unreadable::expected(number_in_words(&given.key, $most));
            visitor.$visit(found.ok_or_else(expected)?)
        }
    )*};
}

impl<'de> Node {
    fn setting(&'de self) -> Result<&'de Given, Unreadable> {
        match self {
            Self::Setting(given) => Ok(given),
            // every name was looked up before
            Self::Section(_) => Err(Unreadable::expected("one value, found a section")),
        }
    }
}

/// The settings of a section, each with its name.
struct Entries<'de> {
    rest: btree_map::Iter<'de, String, Node>,
    next: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        let Some((name, node)) = self.rest.next() else { return Ok(None) };
        self.next = Some(node);
        let name: StrDeserializer<'_, Unreadable> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Unreadable> {
        let node = self.next.take();
        let node = node.ok_or_else(|| Unreadable::expected("a name before its value"))?;
        seed.deserialize(node).map_err(|why| match node {
            Node::Setting(given) => why.of(given),
            Node::Section(_) => why,
        })
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Unreadable;

    numbers! {
        deserialize_u16 visit_u16 u16, Some(u16::MAX.into());
        deserialize_u32 visit_u32 u32, Some(u32::MAX.into());
        deserialize_u64 visit_u64 u64, None;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self {
            Node::Section(nodes) => visitor.visit_map(Entries { rest: nodes.iter(), next: None }),
            Node::Setting(given) => match &given.value {
                Written::Text(text) => visitor.visit_str(text),
                Written::Number(number) => visitor.visit_i64(*number),
                Written::Truth(truth) => visitor.visit_bool(*truth),
                Written::List(texts) => {
                    visitor.visit_seq(SeqDeserializer::new(texts.iter().map(String::as_str)))
                }
                Written::Other(_) => visitor.visit_unit(),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let found = truth(self.setting()?);
        visitor.visit_bool(found.ok_or_else(|| Unreadable::expected("true or false"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_str(text(self.setting()?)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_str(visitor)
    }

    /// A setting that may be absent is so too where its text is empty: a variable cannot be taken away everywhere.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match &self.setting()?.value {
            Written::Text(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let Written::Text(text) = &self.setting()?.value else {
            return Err(Unreadable::expected(one_of(variants)));
        };
        let word: StrDeserializer<'_, Unreadable> = text.as_str().into_deserializer();
        visitor.visit_enum(word)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
