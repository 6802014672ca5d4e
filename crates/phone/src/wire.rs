//! Parsing of single values.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::PhoneError;

/// A member that must be a string.
pub(crate) fn text(body: &Map<String, Value>, name: &str) -> Result<String, PhoneError> {
    let value = body.get(name).and_then(Value::as_str);
    let value = value.ok_or_else(|| PhoneError::malformed(format!("{name} is not a string")))?;
    Ok(value.to_owned())
}

/// Parses a date of a resource. Accepts only `YYYY-MM-DDTHH:MM:SSZ`, because the Android SDK fails on anything else.
pub(crate) fn wire_date(text: &str) -> Result<Timestamp, PhoneError> {
    let shape = text.len() == "2023-11-14T22:13:20Z".len() && text.ends_with('Z');
    let date = shape.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| PhoneError::malformed(format!("{text} is no date of this API")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_one_format() {
        assert_eq!(wire_date("2023-11-14T22:13:20Z").unwrap().as_second(), 1_700_000_000);
        for other in ["2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20+00:00", "2023-11-14", ""] {
            assert!(wire_date(other).is_err(), "{other}");
        }
    }
}
