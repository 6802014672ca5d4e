//! What answers hold: the properties of every resource, in the order of Twilio's description.

mod ours;
mod verify;

use serde_json::{Value, json};

use super::kind::{Dialect, Kind};
use super::node::Node;
use super::reference::reference;
use super::words;

/// A schema with a name.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Its name: Twilio's where there is one, since generators name classes after it.
    pub(crate) name: &'static str,
    /// What is called so.
    pub(crate) words: &'static str,
    /// Its properties.
    pub(crate) properties: &'static [Property],
}

/// One property of an answer.
#[derive(Debug)]
pub(crate) struct Property {
    /// As it stands in the JSON.
    pub(crate) name: &'static str,
    /// What it can be.
    pub(crate) kind: Kind,
    /// What it means.
    pub(crate) words: &'static str,
}

const fn property(name: &'static str, kind: Kind, words: &'static str) -> Property {
    Property { name, kind, words }
}

const ACCOUNT: Property = property("account_sid", Kind::Sid("AC"), "Whose it is.");
const SERVICE_SID: Property =
    property("service_sid", Kind::Sid("VA"), "The service it belongs to.");
const ENTITY_SID: Property = property("entity_sid", Kind::Sid("YE"), "The entity it belongs to.");
const IDENTITY: Property =
    property("identity", Kind::Text, "The application's own name for the person.");
const CREATED: Property = property("date_created", Kind::Date, "When it was made, in UTC.");
const UPDATED: Property = property("date_updated", Kind::Date, "When it last changed, in UTC.");
const URL: Property = property("url", Kind::Url, "Where it is found.");
const LINKS: Property = property("links", Kind::Links, "Where its parts are found, by name.");

/// Every schema that has properties.
pub(crate) fn all() -> impl Iterator<Item = &'static Schema> {
    verify::ALL.iter().chain(ours::ALL)
}

/// The schemas of the description: resources, then words.
pub(crate) fn components() -> Node {
    let resources = all().map(|schema| (schema.name, schema.node()));
    let words = words::ALL.iter().map(|words| (words.name, words.schema().into()));
    Node::object(resources.chain(words))
}

impl Schema {
    fn node(&self) -> Node {
        let properties = self.properties.iter().map(|property| (property.name, property.node()));
        Node::object([
            ("type", "object".into()),
            ("description", self.words.into()),
            ("properties", Node::object(properties)),
        ])
    }
}

impl Property {
    fn node(&self) -> Node {
        let mut schema = self.kind.explained(Dialect::OpenApi, self.words);
        if self.kind.may_be_null() {
            schema.insert("nullable".into(), Value::Bool(true));
        }
        schema.into()
    }
}

/// One page of a list of what `schema` describes.
pub(crate) fn page(title: String, key: &str, schema: &str) -> Node {
    let items = json!({"type": "array", "items": reference(schema)});
    let meta = reference(ours::PAGE_META.name);
    Node::object([
        ("type", "object".into()),
        ("title", title.into()),
        ("properties", Node::object([(key, items.into()), ("meta", meta.into())])),
    ])
}
