//! Fetch Metadata: headers by which a browser describes the origin of a request (W3C Fetch Metadata Request Headers).
//!
//! A browser that once asked its user for Basic credentials adds them to every later request, including forms that another site
//! submits here. These headers reveal such requests. Other programs do not send them.

use http::{HeaderMap, HeaderName, Method};

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Reason for rejecting such a request.
pub(crate) const REASON: &str = "a browser sent this as a navigation, or for a page of another site without CORS: POST and DELETE \
     are accepted from scripts and programs only";

/// Whether a page caused this writing request without permission: by a navigation (a form or a link), or from another site
/// without CORS. Always false without Fetch Metadata.
pub(crate) fn is_forged(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    let is = |name: &HeaderName, words: &[&str]| {
        headers.get_all(name).iter().any(|value| words.iter().any(|word| value == *word))
    };
    let is_cors = headers.get(&MODE).is_some_and(|mode| mode == "cors");
    is(&MODE, &["navigate"]) || (is(&SITE, &["cross-site", "same-site"]) && !is_cors)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn headers(site: &'static str, mode: &'static str) -> HeaderMap {
        let given = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[rstest]
    #[case("", "", false)]
    #[case("same-origin", "cors", false)]
    #[case("same-origin", "same-origin", false)]
    #[case("cross-site", "cors", false)]
    #[case("same-site", "cors", false)]
    #[case("none", "cors", false)]
    #[case("", "cors", false)]
    #[case("cross-site", "no-cors", true)]
    #[case("same-site", "no-cors", true)]
    #[case("cross-site", "", true)]
    #[case("cross-site", "navigate", true)]
    #[case("same-site", "navigate", true)]
    #[case("same-origin", "navigate", true)]
    #[case("none", "navigate", true)]
    #[case("", "navigate", true)]
    fn only_requests_that_a_page_may_not_cause_are_forged(
        #[case] site: &'static str,
        #[case] mode: &'static str,
        #[case] forged: bool,
    ) {
        let headers = headers(site, mode);
        for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
            assert_eq!(is_forged(&method, &headers), forged, "{method}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!is_forged(&method, &headers), "{method}");
        }
    }

    #[test]
    fn a_repeated_header_hides_nothing() {
        let mut headers = headers("same-origin", "cors");
        headers.append("sec-fetch-mode", HeaderValue::from_static("navigate"));
        assert!(is_forged(&Method::POST, &headers));
    }
}
