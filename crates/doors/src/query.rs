//! Values in the query of a URL.

use url::form_urlencoded;

/// The most values that are looked at.
const VALUES: usize = 16;

/// The first value of a name; empty if it is not there.
pub(crate) fn in_query(query: Option<&str>, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(VALUES);
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
