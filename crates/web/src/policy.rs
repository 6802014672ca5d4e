//! The response headers that restrict what a browser does with a page.

use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
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

/// The kinds of files that browsers never run as a document: no script of theirs runs in a context of its own.
const INERT: [&str; 5] =
    ["text/javascript", "text/css", "application/json", "image/png", "text/plain"];

/// The headers that browsers obey on inert files. The others count on documents and workers only, and would be most of what a first
/// visit transfers.
const OF_INERT_FILES: [HeaderName; 3] = [
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

    /// Sets the headers of a file that a page loads: all of them, unless its type says that no browser makes a document of it. The
    /// response has its `Content-Type` already.
    pub fn apply_to_file(&self, headers: &mut HeaderMap) {
        if !is_inert(headers) {
            return self.apply(headers);
        }
        for name in OF_INERT_FILES {
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

fn is_inert(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default());
    kind.is_some_and(|kind| INERT.contains(&kind))
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
    }

    #[test]
    fn documents_have_every_rule_and_inert_files_have_three() {
        let policy = Policy::new("form-action 'none'", "camera=(self)");
        let ruled = |kind: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            policy.apply_to_file(&mut headers);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{kind:?}");
            assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{kind:?}");
            headers.contains_key(CONTENT_SECURITY_POLICY)
        };
        for kind in INERT {
            assert!(!ruled(Some(kind)), "{kind}");
        }
        assert!(!ruled(Some("text/javascript; charset=utf-8")));
        for kind in ["text/html; charset=utf-8", "image/svg+xml", "application/xml", "font/woff2"] {
            assert!(ruled(Some(kind)), "{kind}");
        }
        assert!(ruled(None), "a response without a body may be about a document");
    }
}
