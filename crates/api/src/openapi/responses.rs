//! Answers: what every one of them carries, and what refusals look like.

use http::StatusCode;
use serde_json::{Value, json};

use super::node::Node;

/// The five headers that let a page of any origin read the answer.
const CROSS_ORIGIN: [(&str, &str, &str); 5] = [
    ("Access-Control-Allow-Origin", "string", "Any origin may read the answer: `*`."),
    ("Access-Control-Allow-Methods", "string", "The methods that a page may use."),
    ("Access-Control-Allow-Headers", "string", "The headers that a page may send."),
    ("Access-Control-Allow-Credentials", "boolean", "Always `true`."),
    ("Access-Control-Expose-Headers", "string", "The headers that a page may read."),
];

/// Refusals that any call may meet, with what each status means here.
pub(super) const REFUSALS: [(StatusCode, &str); 10] = [
    (
        StatusCode::BAD_REQUEST,
        "A parameter is missing (20001) or not taken (60306, or what the call names); `details` says which and why.",
    ),
    (
        StatusCode::UNAUTHORIZED,
        "The credentials are missing or wrong (20003, 201xx). A device compares `Date` with its clock and tries once \
         more.",
    ),
    (
        StatusCode::FORBIDDEN,
        "The credentials are good, but not for this (20403, or what the call names).",
    ),
    (
        StatusCode::NOT_FOUND,
        "There is no such thing (20404), or it belongs to another account, service or identity.",
    ),
    (StatusCode::CONFLICT, "Something is in the way (20409, or what the call names)."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large (20413)."),
    (StatusCode::UPGRADE_REQUIRED, "The call is for WebSockets only (20426)."),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "Too much at once (20429) or a limit is reached (what the call names). Nothing was done.",
    ),
    (StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours (20500)."),
    (StatusCode::SERVICE_UNAVAILABLE, "Not now (20503); try again in a moment."),
];

/// The headers of the description.
pub(super) fn headers() -> Node {
    let cross_origin = CROSS_ORIGIN.map(|(name, kind, words)| (name, header(kind, words)));
    let more = [
        (
            "Retry-After",
            header(
                "integer",
                "After how many seconds a repeat can succeed; absent where waiting alone does not help.",
            ),
        ),
        ("WWW-Authenticate", header("string", "How to say who is calling: `Basic`.")),
        (
            "Twilio-Verify-Signature-Fields",
            header(
                "string",
                "While the challenge is pending: the members that the device signs, with commas between them.",
            ),
        ),
    ];
    Node::object(cross_origin.into_iter().chain(more))
}

fn header(kind: &str, words: &str) -> Node {
    json!({"description": words, "schema": {"type": kind}}).into()
}

/// The refusals of the description.
pub(super) fn refusals() -> Node {
    Node::object(REFUSALS.map(|(status, words)| {
        let also: &[&str] = match status {
            StatusCode::UNAUTHORIZED => &["WWW-Authenticate"],
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => &["Retry-After"],
            _ => &[],
        };
        let body = super::reference::reference("error_body");
        (name(status), answer(words, also, Some((body.into(), None))))
    }))
}

/// A refusal, by reference.
pub(super) fn refusal(status: StatusCode) -> Node {
    json!({"$ref": format!("#/components/responses/{}", name(status))}).into()
}

/// `NotFound` for 404.
fn name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().split(' ').collect()
}

/// An answer with the five headers and `also`; `body` is its schema and an example.
pub(super) fn answer(words: &str, also: &[&str], body: Option<(Node, Option<Value>)>) -> Node {
    let names = CROSS_ORIGIN.iter().map(|(name, ..)| name).chain(also);
    let headers =
        names.map(|name| (*name, json!({"$ref": format!("#/components/headers/{name}")}).into()));
    let mut members = vec![("description", words.into()), ("headers", Node::object(headers))];
    if let Some((schema, example)) = body {
        let mut content = vec![("schema", schema)];
        content.extend(example.map(|example| ("example", example.into())));
        let content = Node::object(content);
        members.push(("content", Node::object([("application/json", content)])));
    }
    Node::object(members)
}
