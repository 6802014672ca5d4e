//! What a value can be, and how a schema says so.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::reference::reference;
use super::words::Words;

/// For whom a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAPI 3.0, for generators of clients. What Twilio's description leaves without a type has none here either,
    /// so that the generated signatures are the same.
    OpenApi,
    /// JSON Schema draft-07, for whoever builds a form.
    Draft07,
}

/// What a value can be.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Text of so many characters.
    Length(usize, usize),
    /// Text of so many characters that matches.
    Matching(usize, usize, &'static str),
    /// A SID of that prefix.
    Sid(&'static str),
    /// A whole number within bounds.
    Whole(RangeInclusive<u16>),
    /// A whole number that is always there.
    Count,
    /// A whole number that may be absent.
    Number,
    /// Yes or no.
    Flag,
    /// An instant.
    Date,
    /// An absolute URL.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of words that the description has a name for.
    Named(&'static Words),
    /// The text of a JSON object, of at most so many characters.
    Json(usize),
    /// A parameter that may be given again, up to so many times.
    Repeated(&'static Self, usize),
    /// A list of texts.
    Texts,
    /// A list of what the named schema describes.
    ListOf(&'static str),
    /// URLs by name.
    Links,
    /// A JSON value; the words say which.
    Any,
}

impl Kind {
    /// Whether a property of this kind may be null, by Twilio's description: all but those that clients count on.
    pub(crate) const fn may_be_null(&self) -> bool {
        !matches!(self, Self::Count | Self::Named(_) | Self::ListOf(_))
    }

    /// Says it as a schema.
    pub(crate) fn schema(&self, dialect: Dialect) -> Map<String, Value> {
        let schema = match self {
            Self::Text => json!({"type": "string"}),
            Self::Length(least, most) => {
                json!({"type": "string", "minLength": least, "maxLength": most})
            }
            Self::Matching(least, most, pattern) => {
                json!({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern})
            }
            Self::Sid(prefix) => {
                let pattern = format!("^{prefix}[0-9a-fA-F]{{32}}$");
                json!({"type": "string", "minLength": 34, "maxLength": 34, "pattern": pattern})
            }
            Self::Whole(bounds) => {
                json!({"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()})
            }
            Self::Count => json!({"type": "integer", "default": 0}),
            Self::Number => json!({"type": "integer"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Date => json!({"type": "string", "format": "date-time"}),
            Self::Url => json!({"type": "string", "format": "uri"}),
            Self::OneOf(words) => json!({"type": "string", "enum": words}),
            Self::Named(words) if dialect == Dialect::OpenApi => words.reference(),
            Self::Named(words) => words.schema(),
            Self::Json(most) if dialect == Dialect::OpenApi => json!({"maxLength": most}),
            Self::Json(most) => json!({
                "type": "string",
                "maxLength": most,
                "contentMediaType": "application/json",
            }),
            Self::Repeated(item, most) => {
                let items = match item {
                    Self::Json(_) if dialect == Dialect::OpenApi => Map::new(),
                    item => item.schema(dialect),
                };
                json!({"type": "array", "maxItems": most, "items": items})
            }
            Self::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Self::ListOf(name) => json!({"type": "array", "items": reference(name)}),
            Self::Links => json!({"type": "object", "format": "uri-map"}),
            Self::Any => json!({}),
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// The schema with words to it. A reference stands alone: what it names brings its own words.
    pub(crate) fn explained(&self, dialect: Dialect, words: &str) -> Map<String, Value> {
        let mut schema = self.schema(dialect);
        if !schema.contains_key("$ref") && !words.is_empty() {
            schema.insert("description".into(), words.into());
        }
        schema
    }
}
