//! The parameters of forms and queries. From these tables both the bodies of the description and the draft-07 schemas
//! of `GET /v2/Forms/form-push` are made.

use serde_json::{Map, Value, json};

use super::kind::{Dialect, Kind};
use super::node::Node;

/// When a parameter must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Always.
    Required,
    /// Always for a push factor, never for another: the description cannot say so, the form can.
    ForPush,
    /// Never.
    Optional,
    /// Never, and it means nothing for a push factor.
    ForCodes,
}

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// As the API spells it.
    pub(crate) name: &'static str,
    /// What it can be.
    pub(crate) kind: Kind,
    /// When it must be given.
    pub(crate) need: Need,
    /// What it means.
    pub(crate) words: &'static str,
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, kind: Kind, words: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::Required, words }
}

/// One that must be given for a push factor.
pub(crate) const fn for_push(name: &'static str, kind: Kind, words: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::ForPush, words }
}

/// One that may be given.
pub(crate) const fn optional(name: &'static str, kind: Kind, words: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::Optional, words }
}

/// One that concerns only factors that answer with codes.
pub(crate) const fn for_codes(name: &'static str, kind: Kind, words: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::ForCodes, words }
}

impl Parameter {
    /// Its schema, with words.
    pub(crate) fn schema(&self, dialect: Dialect) -> Map<String, Value> {
        self.kind.explained(dialect, self.words)
    }

    /// As a parameter of a query or a path.
    pub(crate) fn outside(&self, place: &str) -> Node {
        let mut members = vec![("name", self.name.into()), ("in", place.into())];
        if self.need == Need::Required {
            members.push(("required", Value::Bool(true).into()));
        }
        members.push(("description", self.words.into()));
        members.push(("schema", self.kind.schema(Dialect::OpenApi).into()));
        Node::object(members)
    }
}

/// The body of a POST, whose schema is called `title`.
pub(crate) fn body(title: String, parameters: &[Parameter]) -> Node {
    let properties = parameters
        .iter()
        .map(|parameter| (parameter.name, parameter.schema(Dialect::OpenApi).into()));
    let mut schema = vec![
        ("type", "object".into()),
        ("title", title.into()),
        ("properties", Node::object(properties)),
    ];
    let names = |is_named: fn(&&Parameter) -> bool| {
        parameters.iter().filter(is_named).map(|parameter| parameter.name).collect::<Vec<_>>()
    };
    let required = names(|parameter| parameter.need == Need::Required);
    let is_required = !required.is_empty();
    if is_required {
        schema.push(("required", json!(required).into()));
    }
    let mut content = vec![("schema", Node::object(schema))];
    let lists = names(|parameter| matches!(parameter.kind, Kind::Repeated(..)));
    if !lists.is_empty() {
        // Without it, some generators join the values of a list with commas.
        let repeated = |name| (name, json!({"style": "form", "explode": true}).into());
        content.push(("encoding", Node::object(lists.into_iter().map(repeated))));
    }
    let form = Node::object([("application/x-www-form-urlencoded", Node::object(content))]);
    Node::object([("required", Value::Bool(is_required).into()), ("content", form)])
}
