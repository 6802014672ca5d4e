//! Calls, as OpenAPI says them.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::bodies::IDENTITY;
use super::kind::Kind;
use super::node::Node;
use super::operations::{self, Answer, Callers, Operation};
use super::parameter::{Parameter, body, required};
use super::reference::reference;
use super::words::FORM_TYPES;
use super::{examples, responses, schemas};
use crate::rows;

/// The name of the one way to say who is calling; generated clients call it so.
pub(super) const SECURITY: &str = "accountSid_authToken";

/// Every path, in the order of the table.
pub(super) fn all(public_url: &str) -> Node {
    let mut paths: Vec<(String, Vec<(String, Node)>)> = Vec::new();
    for operation in operations::all() {
        let method = (operation.method.word().to_owned(), one(operation, public_url));
        match paths.iter_mut().find(|(path, _)| path == operation.path) {
            Some((_, methods)) => methods.push(method),
            None => paths.push((operation.path.to_owned(), vec![method])),
        }
    }
    Node::object(paths.into_iter().map(|(path, methods)| (path, Node::Object(methods))))
}

fn one(operation: &Operation, public_url: &str) -> Node {
    let security =
        if operation.callers == Callers::Anybody { json!([]) } else { json!([{ SECURITY: [] }]) };
    let mut members = vec![
        ("operationId", operation.id.into()),
        ("tags", json!([operation.tag]).into()),
        ("summary", operation.words.into()),
        ("description", description(operation).into()),
        ("security", security.into()),
    ];
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        members.push(("parameters", Node::List(parameters)));
    }
    if !operation.form.is_empty() {
        members.push(("requestBody", body(format!("{}Request", operation.id), operation.form)));
    }
    members.push(("responses", answers(operation, public_url)));
    Node::object(members)
}

/// Who may call it, and which refusals are its own.
fn description(operation: &Operation) -> String {
    let mut text = format!("{} {}", operation.words, operation.callers.words());
    for (nth, row) in operation.refusals.iter().enumerate() {
        let lead = if nth == 0 { "\n\nRefused with:\n" } else { "" };
        let status = row.status.as_u16();
        text = format!("{text}{lead}\n- {status}/{}: {}", row.code, row.text);
    }
    text
}

fn parameters(operation: &Operation) -> Vec<Node> {
    let segments: Vec<&str> = operation.path.split('/').collect();
    let within = segments.windows(2).filter_map(|pair| {
        let name = pair[1].strip_prefix('{')?.strip_suffix('}')?;
        Some(in_path(name, pair[0]).outside("path"))
    });
    let filters = operation.query.iter().map(|parameter| parameter.outside("query"));
    let mut all: Vec<Node> = within.chain(filters).collect();
    if matches!(operation.answer, Answer::Listed(..)) {
        all.extend(paging());
    }
    all
}

/// What stands in a path after `noun`. The names are not those of our router: generators make arguments of them.
fn in_path(name: &str, noun: &str) -> Parameter {
    match (name, noun) {
        ("Identity", _) => {
            required("Identity", IDENTITY, "The application's own name for the person.")
        }
        ("FormType", _) => required("FormType", Kind::Named(&FORM_TYPES), "Which form."),
        ("ServiceSid", _) => required("ServiceSid", Kind::Sid("VA"), "Which service."),
        ("ChallengeSid", _) => required("ChallengeSid", Kind::Sid("YC"), "Which challenge."),
        ("FactorSid", _) => required("FactorSid", Kind::Sid("YF"), "Which factor."),
        (_, "Services") => required("Sid", Kind::Sid("VA"), "Which service."),
        (_, "Factors") => required("Sid", Kind::Sid("YF"), "Which factor."),
        (_, "Challenges") => required("Sid", Kind::Sid("YC"), "Which challenge."),
        (_, "Notifications") => required("Sid", Kind::Sid("NT"), "Which notification."),
        (_, "AccessTokens") => required("Sid", Kind::Sid("YK"), "Which access token."),
        (_, "Webhooks") => required("Sid", Kind::Sid("YW"), "Which webhook."),
        (_, _) => required("Sid", Kind::Sid("CR"), "Which credential."),
    }
}

/// The same for every list.
fn paging() -> [Node; 3] {
    let query = |name: &str, words: &str, schema: Value| {
        json!({"name": name, "in": "query", "description": words, "schema": schema}).into()
    };
    // Twilio's is of 64 bits, which shows in generated signatures.
    let size = json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": 1000});
    [
        query("PageSize", "The most items of a page; 50 if absent.", size),
        query(
            "Page",
            "What the client counts; only echoed.",
            json!({"type": "integer", "minimum": 0}),
        ),
        query(
            "PageToken",
            "Where the page begins, as a URL of the list says it.",
            json!({"type": "string"}),
        ),
    ]
}

fn answers(operation: &Operation, public_url: &str) -> Node {
    let shown = |schema: &str| {
        let example = examples::of(schema, public_url);
        Some((Node::from(reference(schema)), Some(example)))
    };
    let (status, words, body) = match operation.answer {
        Answer::Made(schema) => (StatusCode::CREATED, "It is made.", shown(schema)),
        Answer::Shown(schema) => (StatusCode::OK, "Here it is.", shown(schema)),
        Answer::Listed(key, schema) => {
            let page = schemas::page(format!("{}Response", operation.id), key, schema);
            let example = examples::page(operation.path, key, schema, public_url);
            (StatusCode::OK, "One page.", Some((page, Some(example))))
        }
        Answer::Deleted => (StatusCode::NO_CONTENT, "It is gone.", None),
        Answer::Described => {
            let anything = json!({"type": "object"}).into();
            (StatusCode::OK, "This description.", Some((anything, None)))
        }
        Answer::Upgraded => (StatusCode::SWITCHING_PROTOCOLS, "The WebSocket is open.", None),
    };
    let also: &[&str] = match operation.id {
        "FetchChallenge" => &["Twilio-Verify-Signature-Fields"],
        _ => &[],
    };
    let good = (status.as_str().to_owned(), responses::answer(words, also, body));
    let refusals = refusals(operation);
    let bad =
        refusals.iter().map(|status| (status.as_str().to_owned(), responses::refusal(*status)));
    Node::object(std::iter::once(good).chain(bad))
}

/// The statuses of all that can go wrong.
fn refusals(operation: &Operation) -> BTreeSet<StatusCode> {
    let mut rows = vec![&rows::TOO_MANY_REQUESTS, &rows::INTERNAL, &rows::UNAVAILABLE];
    if operation.path.contains('{') {
        rows.extend([&rows::PARAMETER, &rows::NOT_FOUND]);
    }
    if matches!(operation.answer, Answer::Listed(..)) {
        rows.push(&rows::PAGE_SIZE);
    }
    if !operation.form.is_empty() {
        rows.extend([&rows::MISSING, &rows::BODY_TOO_LARGE]);
    }
    if operation.callers != Callers::Anybody {
        rows.extend([&rows::AUTHENTICATE, &rows::FORBIDDEN]);
    }
    rows.iter().chain(operation.refusals).map(|row| row.status).collect()
}

/// How callers say who they are.
pub(super) fn security() -> Map<String, Value> {
    let words = "An application sends its account's SID and token, or an API key and its secret. A device sends the \
                 user name `token` and, as password, an access token to enrol and a JWT signed with its factor's key \
                 afterwards.";
    let scheme = json!({"type": "http", "scheme": "basic", "description": words});
    Map::from_iter([(SECURITY.to_owned(), scheme)])
}
