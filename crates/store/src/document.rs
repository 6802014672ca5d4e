//! Documents: columns that hold JSON or a list of words, and that a newer release may have written.

use serde_json::{Map, Value};

use crate::error::{StoreError, StoreResult};

/// Merges the members of the stored document that this release does not know into the new one. This release writes every
/// member that it knows, with `null` for no value, so a member that only the stored document has comes from a newer release.
///
/// # Errors
/// One of the texts is not JSON.
pub fn keep_unknown(stored: &str, new: &str) -> StoreResult<String> {
    let read = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| StoreError::Corrupt(error.to_string()))
    };
    let mut merged = read(new)?;
    merge(read(stored)?, &mut merged);
    Ok(merged.to_string())
}

/// Merges nested objects too; `serde_json` bounds their depth when it reads them.
fn merge(stored: Value, new: &mut Value) {
    let (Value::Object(stored), Value::Object(new)) = (stored, new) else { return };
    for (name, value) in stored {
        keep(new, name, value);
    }
}

fn keep(new: &mut Map<String, Value>, name: String, value: Value) {
    match new.get_mut(&name) {
        Some(known) => merge(value, known),
        None => {
            new.insert(name, value);
        }
    }
}

/// Appends the words of the stored list that this release does not know to the new list, only if both lists have the same known
/// words: a list that was replaced is replaced whole.
pub fn keep_unknown_words(stored: &str, new: &str, is_known: impl Fn(&str) -> bool) -> String {
    let (known, unknown): (Vec<_>, Vec<_>) =
        stored.split_ascii_whitespace().partition(|word| is_known(word));
    let mut words: Vec<_> = new.split_ascii_whitespace().collect();
    if words == known {
        words.extend(unknown);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use countersign_domain::service::ServiceSettings;
    use countersign_domain::service_protection::ServiceLimit;
    use countersign_domain::text::ServiceName;

    use super::*;

    #[test]
    fn known_members_are_replaced_and_unknown_ones_stay() {
        let stored =
            r#"{"name":"old","push":{"date":true,"sound":"owl"},"limit":{"hour":9},"list":[1]}"#;
        let new = r#"{"name":"new","push":{"date":null},"list":[]}"#;
        let merged: Value = serde_json::from_str(&keep_unknown(stored, new).unwrap()).unwrap();
        let expected =
            r#"{"name":"new","push":{"date":null,"sound":"owl"},"limit":{"hour":9},"list":[]}"#;
        assert_eq!(merged, serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn a_member_that_was_not_an_object_is_replaced_by_one() {
        assert_eq!(keep_unknown(r#"{"a":1}"#, r#"{"a":{"b":2}}"#).unwrap(), r#"{"a":{"b":2}}"#);
        assert!(keep_unknown("{", "{}").is_err());
    }

    /// A release without protections writes settings without that member.
    #[test]
    fn an_older_release_keeps_the_protection_of_a_service() {
        let mut settings = ServiceSettings::named(ServiceName::parse("owlbank").unwrap());
        let mut older = serde_json::to_value(&settings).unwrap();
        older.as_object_mut().unwrap().remove("protection");
        older["friendly_name"] = "renamed".into();
        settings.protection.set(ServiceLimit::InARowMax, Some(3));
        let stored = serde_json::to_string(&settings).unwrap();
        let merged = keep_unknown(&stored, &older.to_string()).unwrap();
        let read: ServiceSettings = serde_json::from_str(&merged).unwrap();
        assert_eq!(read.friendly_name.as_str(), "renamed");
        assert_eq!(read.protection, settings.protection);
        serde_json::from_value::<ServiceSettings>(older).expect("its records can be read");
    }

    #[test]
    fn unknown_words_stay_unless_the_list_is_replaced() {
        let keep = |new| keep_unknown_words("a x b y", new, |word| word < "m");
        assert_eq!(keep("a b"), "a b x y");
        assert_eq!(keep("b"), "b");
    }
}
