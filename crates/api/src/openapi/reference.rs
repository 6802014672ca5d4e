//! References within the description.

use serde_json::{Value, json};

/// Names a schema of the description.
pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
