//! That every example is what its schema says, no more and no less.

use serde_json::Value;

use super::PUBLIC_URL;
use crate::openapi::document;

/// Fails unless `value` is what `schema` says. Knows only the keywords that we use.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
        let schema = document.pointer(&to[1..]).expect(to);
        return check(document, schema, value, place);
    }
    if value.is_null() {
        assert_eq!(schema["nullable"], true, "{place} is null");
        return;
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(words.contains(value), "{place} is none of the words: {value}");
    }
    match schema["type"].as_str() {
        Some("object") => check_members(document, schema, value, place),
        Some("array") => {
            for (nth, item) in value.as_array().expect(place).iter().enumerate() {
                check(document, &schema["items"], item, &format!("{place}[{nth}]"));
            }
        }
        Some("string") => check_text(schema, value.as_str().expect(place), place),
        Some("integer") => assert!(value.is_u64(), "{place} is no whole number"),
        Some("boolean") => assert!(value.is_boolean(), "{place} is neither true nor false"),
        Some(other) => panic!("{place}: no such type: {other}"),
        None => {}
    }
}

fn check_members(document: &Value, schema: &Value, value: &Value, place: &str) {
    let members = value.as_object().expect(place);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        assert_eq!(schema["format"], "uri-map", "{place}");
        assert!(members.values().all(Value::is_string), "{place} holds more than URLs");
        return;
    };
    for (name, member) in members {
        let property = properties.get(name);
        let property = property.unwrap_or_else(|| panic!("{place}.{name} is not described"));
        check(document, property, member, &format!("{place}.{name}"));
    }
    for name in properties.keys() {
        assert!(members.contains_key(name), "{place}.{name} is missing");
    }
}

fn check_text(schema: &Value, text: &str, place: &str) {
    let length = u64::try_from(text.chars().count()).expect("a short text");
    assert!(schema["minLength"].as_u64().is_none_or(|least| length >= least), "{place}: {text}");
    assert!(schema["maxLength"].as_u64().is_none_or(|most| length <= most), "{place}: {text}");
    if let Some(pattern) = schema["pattern"].as_str() {
        let prefix = pattern.strip_prefix('^').and_then(|it| it.strip_suffix("[0-9a-fA-F]{32}$"));
        let digits = text.strip_prefix(prefix.expect("only SIDs have a pattern")).expect(place);
        assert!(digits.bytes().all(|c| c.is_ascii_hexdigit()), "{place}: {text}");
    }
    match schema["format"].as_str() {
        Some("uri") => assert!(url::Url::parse(text).is_ok(), "{place}: {text}"),
        Some("date-time") => assert!(
            countersign_domain::time::Instant::parse(text).is_ok() && text.len() == 20,
            "{place}: {text}"
        ),
        _ => {}
    }
}

#[test]
fn every_answer_has_an_example_that_its_schema_allows() {
    let document = document(PUBLIC_URL);
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect(path) {
            let responses = operation["responses"].as_object().expect(path);
            for (status, response) in responses {
                let body = response.pointer("/content/application~1json");
                let Some(content) = body.filter(|_| path != "/openapi.json") else { continue };
                let place = format!("{method} {path} {status}");
                check(&document, &content["schema"], &content["example"], &place);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 34);
}

#[test]
fn a_refusal_is_as_described() {
    let document = document(PUBLIC_URL);
    let refusal = serde_json::json!({
        "code": 60318, "message": "Factor is unverified", "more_info": "https://www.twilio.com/docs/errors/60318",
        "status": 403, "details": {"reason": "…"},
    });
    let schema = &document["components"]["schemas"]["error_body"];
    check(&document, schema, &refusal, "a refusal");
}

/// Twilio's clients are strict: the answer to a POST has these and no others.
#[test]
fn a_new_notification_has_exactly_nine_properties() {
    let document = document(PUBLIC_URL);
    let schemas = &document["components"]["schemas"];
    let new = &schemas["verify.v2.service.entity.challenge.notification"]["properties"];
    let new: Vec<_> = new.as_object().expect("properties").keys().collect();
    assert_eq!(new.len(), 9);
    let details = schemas["notification_details"]["properties"].as_object().expect("properties");
    assert!(new.iter().all(|name| details.contains_key(*name)));
    assert_eq!(details.len(), 16);
}
