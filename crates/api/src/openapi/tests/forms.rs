//! The schemas of `GET /v2/Forms/form-push` agree with the parameters of the document.

use serde_json::{Map, Value};

use super::{document, form, resolved};

fn push_forms() -> Value {
    serde_json::from_str(include_str!("../../v2/form-push.json")).expect("JSON")
}

fn properties(form: &Value) -> &Map<String, Value> {
    form["properties"].as_object().expect("properties")
}

#[test]
fn a_form_says_the_same_of_a_parameter_as_the_document() {
    let (document, forms) = (document(), push_forms());
    for (name, title) in [
        ("create_factor", "CreateNewFactorRequest"),
        ("verify_factor", "UpdateFactorRequest"),
        ("create_challenge", "CreateChallengeRequest"),
    ] {
        let parameters = form(&document, title);
        // There is one type of form, and its text is its own.
        for (parameter, asked) in
            properties(&forms[name]).iter().filter(|(parameter, _)| *parameter != "FactorType")
        {
            let described = resolved(&document, &parameters[parameter]);
            for (keyword, value) in described.as_object().expect(parameter) {
                // The document leaves texts that hold JSON without a type, as Twilio's does.
                if keyword == "items" {
                    assert_eq!(value, &serde_json::json!({}), "{parameter}");
                } else {
                    assert_eq!(&asked[keyword], value, "{name}: {keyword} of {parameter}");
                }
            }
        }
    }
}

#[test]
fn a_form_has_the_parameters_of_a_push_factor() {
    let forms = push_forms();
    let names = |form: &str| properties(&forms[form]).keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names("create_factor"),
        [
            "Binding.Alg",
            "Binding.PublicKey",
            "Config.AppId",
            "Config.NotificationPlatform",
            "Config.NotificationToken",
            "Config.SdkVersion",
            "FactorType",
            "FriendlyName",
            "Metadata",
        ]
    );
    assert_eq!(names("verify_factor"), ["AuthPayload"]);
    assert_eq!(
        names("create_challenge"),
        ["Details.Fields", "Details.Message", "ExpirationDate", "FactorSid", "HiddenDetails"]
    );
}

#[test]
fn a_form_requires_only_what_it_asks() {
    let forms = push_forms();
    for (name, form) in forms.as_object().expect("an object") {
        for required in form["required"].as_array().expect(name) {
            let required = required.as_str().expect(name);
            assert!(properties(form).contains_key(required), "{name}: {required}");
        }
    }
}
