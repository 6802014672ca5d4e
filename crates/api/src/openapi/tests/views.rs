//! Every response that a test pins has exactly the properties of its schema.

use std::collections::BTreeSet;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::document;

/// The snapshots of views below `src`, with their schemas.
const VIEWS: [(&str, &str); 29] = [
    ("v1/credentials/looks_as_documented", "notify.v1.credential"),
    ("v2/access_tokens/looks_as_documented", "verify.v2.service.access_token"),
    ("v2/branding/everything", "service_branding"),
    ("v2/branding/nothing", "service_branding"),
    ("v2/challenge_context/answered", "challenge_context"),
    ("v2/challenge_context/pending", "challenge_context"),
    ("v2/challenge_group_view/answered_on_one_device", "challenge_group"),
    ("v2/challenge_group_view/pending", "challenge_group"),
    ("v2/challenge_view/looks_as_documented", "verify.v2.service.entity.challenge"),
    ("v2/entities/looks_as_documented", "verify.v2.service.entity"),
    ("v2/factor_view/created", "verify.v2.service.entity.new_factor"),
    ("v2/factor_view/fetched", "verify.v2.service.entity.factor"),
    ("v2/integration_view/created", "new_integration"),
    ("v2/integration_view/fetched", "integration"),
    ("v2/integration_view/openid", "integration"),
    ("v2/integration_view/identity", "integration_identity"),
    ("v2/integration_view/rotated", "integration_secret"),
    ("v2/notification_view/detailed", "notification_details"),
    ("v2/notification_view/new", "verify.v2.service.entity.challenge.notification"),
    ("v2/presence/code", "presence_code"),
    ("v2/presence/number", "presence_number"),
    ("v2/entity_branding/labelled", "entity_branding"),
    ("v2/protection/open", "entity_protection"),
    ("v2/protection/paused", "entity_protection"),
    ("v2/services/looks_as_documented", "verify.v2.service"),
    ("v2/service_protection/as_configured", "service_protection"),
    ("v2/service_protection/set_by_the_service", "service_protection"),
    ("v2/service_params/sets_and_removes_every_parameter", ""),
    ("v2/webhooks/looks_as_documented", "verify.v2.service.webhook"),
];

/// A validator of the named schema that also requires every property and allows no other.
fn strict(document: &Value, name: &str) -> Validator {
    let mut schemas = document["components"]["schemas"].clone();
    for (name, schema) in schemas.as_object_mut().expect("schemas") {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut().filter(|it| it["format"] == "uri-map") {
                property["additionalProperties"] = json!({"type": "string", "format": "uri"});
            }
            // An error without details has no such member.
            let is_required = |property: &&String| {
                (name.as_str(), property.as_str()) != ("error_body", "details")
            };
            schema["required"] = properties.keys().filter(is_required).cloned().collect();
            schema["additionalProperties"] = false.into();
        }
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": schemas},
    });
    jsonschema::options().should_validate_formats(true).build(&schema).expect(name)
}

/// Fails unless `value` has exactly the properties of the named schema.
pub(super) fn check(document: &Value, name: &str, value: &Value) {
    let validator = strict(document, name);
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
}

/// The value of a snapshot.
fn snapshot(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("a snapshot");
    let value = text.splitn(3, "---\n").nth(2).expect("a header and a value");
    serde_json::from_str(value).expect("JSON")
}

#[test]
fn every_view_has_exactly_the_properties_of_its_schema() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let document = document();
    let mut seen = BTreeSet::new();
    for (view, schema) in VIEWS {
        let [version, module, name] = view.split('/').collect::<Vec<_>>()[..] else { panic!() };
        let file = format!("countersign_api__{version}__{module}__tests__{name}.snap");
        let path = source.join(version).join("snapshots").join(&file);
        if !schema.is_empty() {
            check(&document, schema, &snapshot(&path));
        }
        assert!(seen.insert(file));
    }
    for version in ["v1", "v2"] {
        for entry in std::fs::read_dir(source.join(version).join("snapshots")).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            assert!(seen.contains(&name), "{name} has no schema");
        }
    }
}

#[test]
fn every_list_has_exactly_the_properties_of_its_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/snapshots");
    let document = document();
    for name in ["an_empty_list_looks_as_documented", "first", "second"] {
        let list = snapshot(&folder.join(format!("countersign_api__tests__paging__{name}.snap")));
        check(&document, "page_meta", &list["meta"]);
    }
}

#[test]
fn every_example_has_exactly_the_properties_of_its_schema() {
    let document = document();
    let mut seen = 0;
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for example in schema["examples"].as_array().into_iter().flatten() {
            check(&document, name, example);
            seen += 1;
        }
    }
    assert_eq!(seen, 17);
}

/// Twilio's clients are strict: the response to a POST has these properties and no other.
#[test]
fn a_new_notification_has_exactly_nine_properties() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let new = &schemas["verify.v2.service.entity.challenge.notification"]["properties"];
    let new: Vec<_> = new.as_object().expect("properties").keys().collect();
    assert_eq!(new.len(), 9);
    let details = schemas["notification_details"]["properties"].as_object().expect("properties");
    assert!(new.iter().all(|name| details.contains_key(*name)));
    assert_eq!(details.len(), 16);
}
