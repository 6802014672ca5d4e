//! A response: texts, numbers and documents of them, in the order in which they are written, as JSON or as BSON.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// Names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document(Vec<(Cow<'static, str>, Value)>);

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// A document.
    Document(Document),
    /// A list.
    List(Vec<Value>),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Document> for Value {
    fn from(document: Document) -> Self {
        Self::Document(document)
    }
}

impl Document {
    /// With one more value.
    #[must_use]
    pub(crate) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Texts and numbers can always be serialized.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// As BSON (bsonspec.org, version 1.1).
    pub(crate) fn to_bson(&self) -> Vec<u8> {
        let names = self.0.iter().map(|(name, value)| (name.as_ref(), value));
        bson(names)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Document(document) => document.serialize(serializer),
            Self::List(values) => serializer.collect_seq(values),
        }
    }
}

const TEXT: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const LIST: u8 = 0x04;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;

fn bson<'a>(values: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for (name, value) in values {
        let (kind, content) = element(value);
        bytes.push(kind);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&content);
    }
    bytes.push(0);
    let length = length(&bytes);
    bytes[..4].copy_from_slice(&length);
    bytes
}

fn element(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Text(text) => {
            let text = [text.as_bytes(), &[0]].concat();
            (TEXT, [&length(&text)[..], &text].concat())
        }
        Value::Number(number) => match i32::try_from(*number) {
            Ok(number) => (INT32, number.to_le_bytes().to_vec()),
            Err(_) => (INT64, number.to_le_bytes().to_vec()),
        },
        Value::Document(document) => (DOCUMENT, document.to_bson()),
        Value::List(values) => {
            let names: Vec<_> = (0..values.len()).map(|place| place.to_string()).collect();
            (LIST, bson(names.iter().map(String::as_str).zip(values)))
        }
    }
}

fn length(bytes: &[u8]) -> [u8; 4] {
    // Responses are far below 2 GiB.
    i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn a_document_is_written_as_a_client_reads_it() {
        let document = Document::default()
            .with("stat", "OK")
            .with("response", Document::default().with("txid", "tx-1"));
        assert_eq!(
            HEXLOWER.encode(&document.to_bson()),
            "30000000027374617400030000004f4b0003726573706f6e736500140000000274786964000500000074782d31000000"
        );
        assert_eq!(document.to_json(), br#"{"stat":"OK","response":{"txid":"tx-1"}}"#);
    }

    #[test]
    fn numbers_and_lists_are_written() {
        let list = Value::List(vec!["a".into(), Value::Number(1)]);
        let document =
            Document::default().with("code", 40_002_i64).with("at", 1_i64 << 40).with("l", list);
        assert_eq!(
            HEXLOWER.encode(&document.to_bson()),
            concat!(
                "33000000",
                "10636f646500429c0000",
                "126174000000000000010000",
                "046c0015000000",
                "0230000200000061001031000100000000",
                "00"
            )
        );
        assert_eq!(document.to_json(), br#"{"code":40002,"at":1099511627776,"l":["a",1]}"#);
    }
}
