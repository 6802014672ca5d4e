//! JSON whose objects keep the order in which they were written: generators make positional arguments of the order of a
//! form's parameters, and the maps of `serde_json` sort their keys.

use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A piece of the description.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Where order does not matter.
    Leaf(Value),
    /// A list.
    List(Vec<Self>),
    /// An object, in order.
    Object(Vec<(String, Self)>),
}

impl Node {
    /// An object with these members.
    pub(crate) fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::Leaf(value)
    }
}

impl From<Map<String, Value>> for Node {
    fn from(members: Map<String, Value>) -> Self {
        Self::Leaf(Value::Object(members))
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Leaf(text.into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Leaf(text.into())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl From<Node> for Value {
    fn from(node: Node) -> Self {
        match node {
            Node::Leaf(value) => value,
            Node::List(items) => items.into_iter().map(Self::from).collect(),
            Node::Object(members) => {
                members.into_iter().map(|(name, value)| (name, Self::from(value))).collect()
            }
        }
    }
}
