//! The document has every code of the error table and no other.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{document, operations, resolved};
use crate::openapi::{PUBLIC_URL, text};
use crate::rows;

fn numbers(captures: &regex::Captures<'_>) -> (u16, u32) {
    (captures[1].parse().expect("a status"), captures[2].parse().expect("a code"))
}

#[test]
fn every_code_of_the_table_is_described_and_no_other() {
    let pattern = Regex::new(r"\b(\d{3})/(\d{5})\b").expect("a pattern");
    let text = text(PUBLIC_URL);
    let described: BTreeSet<_> =
        pattern.captures_iter(&text).map(|captures| numbers(&captures)).collect();
    let table: BTreeSet<_> = rows::ALL.iter().map(|row| (row.status.as_u16(), row.code)).collect();
    assert_eq!(described, table);
}

#[test]
fn an_operation_quotes_the_table_and_has_a_response_for_each_of_its_errors() {
    let document = document();
    let pattern = Regex::new(r"(?m)^- (\d{3})/(\d{5}): (.*)$").expect("a pattern");
    let mut seen = 0;
    for (path, method, operation) in operations(&document) {
        let description = operation["description"].as_str().expect(path);
        for captures in pattern.captures_iter(description) {
            let (status, code) = numbers(&captures);
            let is_quoted = rows::ALL.iter().any(|row| {
                (row.status.as_u16(), row.code, row.text) == (status, code, &captures[3])
            });
            assert!(is_quoted, "{method} {path}: {}", &captures[0]);
            let response = &operation["responses"][status.to_string()];
            assert!(response["$ref"].is_string(), "{method} {path}: {status}");
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen} errors");
}

#[test]
fn a_response_of_an_error_names_codes_of_its_status() {
    let document = document();
    let pattern = Regex::new(r"\b(\d{3})/(\d{5})\b").expect("a pattern");
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect(path) {
            let description = resolved(&document, response)["description"].as_str();
            for captures in pattern.captures_iter(description.expect(path)) {
                assert_eq!(&captures[1], status.as_str(), "{method} {path}");
            }
        }
    }
}

#[test]
fn every_error_has_the_body_of_an_error() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect(path) {
            if status.starts_with('4') || status.starts_with('5') {
                let response = resolved(&document, response);
                let body: &Value = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(body, "#/components/schemas/error_body", "{method} {path} {status}");
            }
        }
    }
}
