//! The description of our API, for generators of clients and for readers.
//!
//! It is made from tables: the parameters of every form (`bodies`), the properties of every answer (`schemas`) and
//! every call (`operations`). Operations, schemas and arguments have the names, the types and the order of Twilio's
//! description, so that a client that is generated from ours takes the place of one that is generated from Twilio's.
//! It is OpenAPI 3.0, which generators understand best. `docs/openapi.json` is a copy, which a test compares.

pub(crate) mod bodies;
mod examples;
pub(crate) mod kind;
mod node;
mod operations;
pub(crate) mod parameter;
mod paths;
mod reference;
mod responses;
mod schemas;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use serde_json::{Value, json};

use node::Node;

/// The description of the server that the world sees at `public_url`.
pub fn document(public_url: &str) -> Value {
    describe(public_url).into()
}

/// The same as text, in the order that generators make positional arguments of; a [`Value`] sorts its members.
pub fn text(public_url: &str) -> String {
    let mut text = serde_json::to_string_pretty(&describe(public_url))
        .expect("a tree of texts and numbers is JSON");
    text.push('\n');
    text
}

fn describe(public_url: &str) -> Node {
    let public_url = public_url.trim_end_matches('/');
    let info = json!({
        "title": "Countersign",
        "description": "Push approval on a person's own device, as Twilio Verify v2 does it: an application asks, the \
                        device signs the answer. What goes beyond Twilio's API is marked as ours.",
        "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"},
        "version": env!("CARGO_PKG_VERSION"),
    });
    let components = Node::object([
        ("securitySchemes", paths::security().into()),
        ("headers", responses::headers()),
        ("responses", responses::refusals()),
        ("schemas", schemas::components()),
    ]);
    Node::object([
        ("openapi", "3.0.3".into()),
        ("info", info.into()),
        ("servers", json!([{ "url": public_url }]).into()),
        ("tags", tags()),
        ("paths", paths::all(public_url)),
        ("components", components),
    ])
}

/// Each class once, in the order of its first call.
fn tags() -> Node {
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations::all() {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
    }
    Node::List(tags.into_iter().map(|tag| json!({"name": tag}).into()).collect())
}
