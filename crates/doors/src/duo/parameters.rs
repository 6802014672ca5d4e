//! The parameters of a request: of its query, its form, or its JSON object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded;

use super::failure::Failure;

/// The most parameters of a request. Clients send eleven at most.
const MOST: usize = 64;
/// The bytes that the signed form of names and values escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Names and values, sorted by name and then by value. Their length is bounded by that of the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses a form, or a query.
    ///
    /// # Errors
    /// It has too many parameters.
    pub(crate) fn of_form(bytes: &[u8]) -> Result<Self, Failure> {
        Self::of(form_urlencoded::parse(bytes))
    }

    /// Parses an object whose members are texts, numbers or truth values.
    ///
    /// # Errors
    /// It is no such object, or has too many members.
    pub(crate) fn of_json(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let members: BTreeMap<String, Value> =
            serde_json::from_slice(bytes).map_err(|_| Failure::Invalid("body"))?;
        let text = |value: Value| match value {
            Value::String(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(truth) => Ok(Some(truth.to_string())),
            Value::Null => Ok(None),
            Value::Array(_) | Value::Object(_) => Err(Failure::Invalid("body")),
        };
        let mut pairs = Vec::new();
        for (name, value) in members {
            if let Some(value) = text(value)? {
                pairs.push((Cow::Owned(name), Cow::Owned(value)));
            }
        }
        Self::of(pairs.into_iter())
    }

    fn of<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, Failure> {
        let mut kept = Vec::new();
        for (name, value) in pairs {
            if kept.len() == MOST {
                return Err(Failure::Invalid("body"));
            }
            kept.push((name.into_owned(), value.into_owned()));
        }
        kept.sort_unstable();
        Ok(Self(kept))
    }

    /// The form that is signed. Clients escape in different ways on the wire, so the server builds it from the values.
    pub(crate) fn canonical(&self) -> String {
        let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let pair = |(name, value): &(String, String)| format!("{}={}", escape(name), escape(value));
        self.0.iter().map(pair).collect::<Vec<_>>().join("&")
    }

    /// The value of a parameter; `None` if it is absent or empty.
    ///
    /// # Errors
    /// It is given more than once.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Failure> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Failure::Invalid(name)),
            (Some((_, value)), None) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            (None, None) => Ok(None),
        }
    }

    /// The value of a parameter that is required.
    ///
    /// # Errors
    /// It is absent, empty, or given more than once.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.text(name)?.ok_or(Failure::Missing(name))
    }

    /// Whether a parameter is set to a truth value.
    ///
    /// # Errors
    /// It is something else, or given more than once.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Failure> {
        match self.text(name)? {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(Failure::Invalid(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Parameters {
        Parameters::of_form(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_signed_form_is_sorted_and_escaped_whatever_the_wire_has() {
        for (wire, signed) in [
            ("username=%C3%A4nn+b%2Bc~%2A", "username=%C3%A4nn%20b%2Bc~%2A"),
            ("b=2&a=1&a=0&B=3", "B=3&a=0&a=1&b=2"),
            ("a=%7e%2d%5f%2e&c", "a=~-_.&c="),
            ("a=%zz%", "a=%25zz%25"),
            ("", ""),
        ] {
            assert_eq!(form(wire).canonical(), signed, "{wire}");
        }
    }

    #[test]
    fn a_parameter_is_given_once() {
        let parameters = form("async=1&user=ann&user=bob&empty=&n=2");
        assert_eq!(parameters.text("user"), Err(Failure::Invalid("user")));
        assert_eq!(parameters.text("empty"), Ok(None));
        assert_eq!(parameters.required("empty"), Err(Failure::Missing("empty")));
        assert_eq!(parameters.flag("async"), Ok(true));
        assert_eq!(parameters.flag("absent"), Ok(false));
        assert_eq!(parameters.flag("n"), Err(Failure::Invalid("n")));
    }

    #[test]
    fn an_object_has_only_plain_members() {
        let of = |text: &str| Parameters::of_json(text.as_bytes());
        let all = of(r#"{"valid_secs":60,"username":"ann","async":true,"txid":null}"#).unwrap();
        assert_eq!(all.canonical(), "async=true&username=ann&valid_secs=60");
        assert_eq!(of(" "), Ok(Parameters::default()));
        for wrong in ["[]", "1", "{", r#"{"a":[]}"#, r#"{"a":{"b":1}}"#, "\u{feff}{}"] {
            assert_eq!(of(wrong), Err(Failure::Invalid("body")), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let many = |count: usize| "a=1&".repeat(count);
        assert!(Parameters::of_form(many(64).as_bytes()).is_ok());
        assert!(Parameters::of_form(many(65).as_bytes()).is_err());
    }
}
