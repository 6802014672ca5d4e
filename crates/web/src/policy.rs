//! The response headers that restrict what a browser does with a page.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Scripts, styles, images and requests only from this server, none inline, no `blob:`.
const CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Browser features that no page uses.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), bluetooth=(), browsing-topics=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), serial=(), usb=()";

/// The headers of what belongs to a page.
#[derive(Debug)]
pub struct Policy(HeaderMap);

/// The headers that browsers obey also on a file that a page loads. The others count on documents and workers only, and would be
/// most of what a first visit transfers.
const OF_FILES: [HeaderName; 3] = [
    REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
    HeaderName::from_static("cross-origin-resource-policy"),
];

impl Policy {
    /// The rules of all pages, and those of one page: `content` is added to the Content-Security-Policy, `permissions` to the
    /// Permissions-Policy, each in the syntax of its header.
    ///
    /// # Panics
    /// A rule has characters that a header cannot hold.
    pub fn new(content: &str, permissions: &str) -> Self {
        let text = |text: String| HeaderValue::try_from(text).expect("rules fit into a header");
        let fixed = HeaderValue::from_static;
        let headers = [
            (CONTENT_SECURITY_POLICY, text(format!("{CONTENT}; {content}"))),
            (
                HeaderName::from_static("permissions-policy"),
                text(format!("{permissions}, {PERMISSIONS}")),
            ),
            // An enrolment link holds a secret, so it is never sent as a referrer.
            (REFERRER_POLICY, fixed("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            // For browsers without `frame-ancestors`.
            (X_FRAME_OPTIONS, fixed("DENY")),
            (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
            (HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
        ];
        Self(headers.into_iter().collect())
    }

    /// Sets the headers of a script, a style sheet, a bitmap or data that a page loads.
    pub fn apply_to_file(&self, headers: &mut HeaderMap) {
        for name in OF_FILES {
            if let Some(value) = self.0.get(&name) {
                headers.insert(name, value.clone());
            }
        }
    }

    /// Sets the headers of a document or a worker, replacing any present ones.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_adds_rules_and_removes_none() {
        let policy = Policy::new("form-action 'none'", "camera=(self)");
        let mut headers = HeaderMap::new();
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("unsafe-url"));
        policy.apply(&mut headers);
        assert_eq!(headers.get_all(REFERRER_POLICY).iter().collect::<Vec<_>>(), ["no-referrer"]);
        let content = headers[CONTENT_SECURITY_POLICY].to_str().expect("text");
        let rules: Vec<_> = content.split("; ").collect();
        assert!(rules.contains(&"default-src 'none'") && rules.contains(&"form-action 'none'"));
        let permissions = headers["permissions-policy"].to_str().expect("text");
        assert!(permissions.starts_with("camera=(self), ") && permissions.contains("usb=()"));
        let mut headers = HeaderMap::new();
        policy.apply_to_file(&mut headers);
        assert_eq!(headers.len(), OF_FILES.len());
    }
}
