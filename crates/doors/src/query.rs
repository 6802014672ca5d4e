//! Values in the query of a URL.

use url::form_urlencoded::{self, Serializer};

/// The most values that are looked at.
const VALUES: usize = 16;

/// The first value of a name; empty if it is not there.
pub(crate) fn in_query(query: Option<&str>, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).take(VALUES);
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A URL without a fragment, with more values in its query.
pub(crate) fn with_query<'a>(
    url: &str,
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let more = Serializer::new(String::new()).extend_pairs(values).finish();
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_added_to_those_that_a_url_has() {
        let of = |url| with_query(url, [("code", "a b"), ("state", "&\r\n#")]);
        assert_eq!(of("https://a.example/cb"), "https://a.example/cb?code=a+b&state=%26%0D%0A%23");
        assert_eq!(
            of("https://a.example/?t=7"),
            "https://a.example/?t=7&code=a+b&state=%26%0D%0A%23"
        );
    }
}
