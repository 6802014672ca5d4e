mod examples;
mod structure;
mod words;

use std::path::Path;

/// What `docs/openapi.json` is made for: a server that was just started.
const PUBLIC_URL: &str = "http://127.0.0.1:8080";

#[test]
fn the_copy_in_docs_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = super::text(PUBLIC_URL);
    if std::env::var_os("UPDATE_OPENAPI").is_some_and(|wish| wish == "1") {
        std::fs::write(&file, &text).expect("docs/ can be written");
    }
    let copy = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        copy == text,
        "docs/openapi.json is not what the code says; \
         UPDATE_OPENAPI=1 cargo nextest run -p countersign-api openapi writes it anew"
    );
}

#[test]
fn both_forms_of_the_document_say_the_same() {
    let text = super::text(PUBLIC_URL);
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(read, super::document(PUBLIC_URL));
}
