//! The document is consistent.

use std::collections::HashSet;

use serde_json::Value;

use super::{document, operations, resolved};
use crate::openapi::{PUBLIC_URL, text};

/// Calls `see` with each value in the document and its place.
fn each<'a>(value: &'a Value, place: &str, see: &mut impl FnMut(&str, &'a Value)) {
    see(place, value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                each(member, &format!("{place}/{name}"), see);
            }
        }
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                each(item, &format!("{place}/{nth}"), see);
            }
        }
        _ => {}
    }
}

#[test]
fn every_reference_has_a_target_and_every_component_is_used() {
    let document = document();
    let mut named = HashSet::new();
    each(&document, "#", &mut |place, value| {
        if let Some(to) = value.get("$ref").and_then(Value::as_str) {
            let pointer = to.strip_prefix('#').expect(to);
            assert!(document.pointer(pointer).is_some(), "{place} names {to}");
            named.insert(to.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers", "parameters"] {
        for name in document["components"][kind].as_object().expect(kind).keys() {
            let place = format!("#/components/{kind}/{name}");
            assert!(named.contains(&place), "{place} is not used");
        }
    }
}

#[test]
fn every_operation_has_a_unique_id_and_a_known_tag() {
    let document = document();
    let tags: HashSet<_> = document["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| tag["name"].as_str().expect("a name"))
        .collect();
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect(path);
        assert!(ids.insert(id), "{method} {path}: {id} is taken");
        assert!(tags.contains(operation["tags"][0].as_str().expect(path)), "{method} {path}");
    }
    assert_eq!(ids.len(), 63);
}

#[test]
fn every_parameter_of_a_path_is_declared() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let limiter: Vec<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let parameters = parameters.iter().map(|parameter| resolved(&document, parameter));
        let in_path = parameters.filter(|parameter| parameter["in"] == "path");
        let declared: Vec<_> = in_path
            .inspect(|parameter| assert_eq!(parameter["required"], true, "{path}"))
            .map(|parameter| parameter["name"].as_str().expect(path))
            .collect();
        assert_eq!(declared, limiter, "{method} {path}");
    }
}

#[test]
fn every_response_has_the_five_headers_of_cross_origin_requests() {
    let document = document();
    let responses = document["components"]["responses"].as_object().expect("responses");
    let own = operations(&document)
        .flat_map(|(path, _, operation)| operation["responses"].as_object().expect(path).iter());
    for (status, response) in responses.iter().chain(own) {
        // Pages of other origins get no logo.
        let is_image = response["content"].get("image/png").is_some();
        if response.get("$ref").is_some() || is_image {
            continue;
        }
        let headers = response["headers"].as_object().expect(status);
        let cross_origin = headers.keys().filter(|name| name.starts_with("Access-Control-"));
        assert_eq!(cross_origin.count(), 5, "{status}");
    }
}

#[test]
fn only_five_operations_need_no_credentials() {
    let document = document();
    let open: Vec<_> = operations(&document)
        .filter(|(_, _, operation)| operation["security"] == serde_json::json!([]))
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id"))
        .collect();
    let known =
        ["FetchHealth", "FetchDescription", "FetchReadiness", "OpenStream", "FetchServiceLogo"];
    assert_eq!(open, known);
}

/// Generated methods take required parameters by position.
#[test]
fn the_parameters_of_a_form_keep_their_order() {
    let text = text(PUBLIC_URL);
    let webhook = text.split("\"CreateWebhookRequest\"").nth(1).expect("the form of a webhook");
    let limiter = ["FriendlyName", "EventTypes", "WebhookUrl", "Status", "Version"]
        .map(|name| webhook.find(&format!("\"{name}\": {{")).expect(name));
    assert!(limiter.is_sorted(), "{limiter:?}");
}
