//! What a form must ask (wire reference §2.8), as JSON Schemas of draft-07: made from the same tables as the
//! description of the API.

use serde_json::{Map, Value, json};

use crate::openapi::bodies::{CHALLENGE, FACTOR, FACTOR_UPDATE};
use crate::openapi::kind::Dialect;
use crate::openapi::parameter::{Need, Parameter};

/// The schemas of `GET /v2/Forms/form-push`, by name.
pub(crate) fn push_forms() -> Value {
    let proof = |parameter: &&Parameter| parameter.need != Need::Optional;
    json!({
        "create_factor": create_factor(),
        "verify_factor": schema("Verify a push factor", FACTOR_UPDATE.iter().filter(proof)),
        "create_challenge": schema("Create a push challenge", CHALLENGE.iter()),
    })
}

/// Beside the parameters: the only type there is, and a token that suits the platform.
fn create_factor() -> Value {
    let mut form = schema("Create a push factor", FACTOR.iter());
    form["properties"]["FactorType"] =
        json!({"type": "string", "const": "push", "description": "A device that holds a key."});
    let hexadecimal = json!({"minLength": 32, "maxLength": 255, "pattern": "^[0-9A-Fa-f]*$"});
    form["allOf"] = json!([
        token("apn", &hexadecimal),
        token("fcm", &json!({"minLength": 32, "maxLength": 255})),
        token("webpush", &json!({"minLength": 2, "contentMediaType": "application/json"})),
    ]);
    form
}

/// With that platform, a token is required and looks so.
fn token(platform: &str, looks: &Value) -> Value {
    json!({
        "if": {
            "required": ["Config.NotificationPlatform"],
            "properties": {"Config.NotificationPlatform": {"const": platform}},
        },
        "then": {
            "required": ["Config.NotificationToken"],
            "properties": {"Config.NotificationToken": looks},
        },
    })
}

/// The parameters that mean something to a push factor.
fn schema(title: &str, parameters: impl Iterator<Item = &'static Parameter>) -> Value {
    let parameters: Vec<_> =
        parameters.filter(|parameter| parameter.need != Need::ForCodes).collect();
    let properties: Map<String, Value> = parameters
        .iter()
        .map(|parameter| (parameter.name.to_owned(), parameter.schema(Dialect::Draft07).into()))
        .collect();
    let is_required = |parameter: &&&Parameter| parameter.need != Need::Optional;
    let required: Vec<&str> =
        parameters.iter().filter(is_required).map(|parameter| parameter.name).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_asks_what_push_needs_and_nothing_of_codes() {
        insta::assert_json_snapshot!(push_forms());
    }

    #[test]
    fn every_form_says_which_json_schema_it_is() {
        let forms = push_forms();
        let forms = forms.as_object().expect("an object");
        assert_eq!(forms.len(), 3);
        for (name, form) in forms {
            assert_eq!(form["$schema"], "http://json-schema.org/draft-07/schema#", "{name}");
            let properties = form["properties"].as_object().expect(name);
            for required in form["required"].as_array().expect(name) {
                assert!(properties.contains_key(required.as_str().expect(name)), "{required}");
            }
        }
    }
}
