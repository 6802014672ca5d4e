//! The document compared with the code.

mod errors;
mod forms;
mod limits;
mod routes;
mod scene;
mod served;
mod structure;
mod views;

use serde_json::Value;

use super::{PUBLIC_URL, text};

fn document() -> Value {
    serde_json::from_str(&text(PUBLIC_URL)).expect("JSON")
}

/// Path, method and operation of each operation.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The properties of the form with that title.
fn form<'a>(document: &'a Value, title: &str) -> &'a Value {
    let forms = operations(document).map(|(_, _, operation)| {
        &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    });
    let mut found = forms.filter(|schema| schema["title"] == title);
    &found.next().expect(title)["properties"]
}

/// The value that a `$ref` names, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect(reference);
            document.pointer(pointer).expect(reference)
        }
        None => value,
    }
}

#[test]
fn the_version_is_that_of_the_server() {
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_url_begins_with_the_public_url() {
    let text = text("https://verify.example.com/");
    assert!(!text.contains(PUBLIC_URL));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["servers"][0]["url"], "https://verify.example.com");
    let service = &document["components"]["schemas"]["verify.v2.service"]["examples"][0];
    let url = "https://verify.example.com/v2/Services/VA00000000000000000000000000000001";
    assert_eq!(service["url"], url);
}
