//! What a browser may do with a page, and who may do something with it.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Scripts, styles, pictures and calls: from this server only, and none inline. `blob:` is nowhere.
const CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

const PERMISSIONS: &str = "accelerometer=(), autoplay=(), bluetooth=(), browsing-topics=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=()";

/// The headers of everything that belongs to a page.
#[derive(Debug)]
pub struct Policy(HeaderMap);

impl Policy {
    /// The rules of all pages, and a page's own: `content` goes into its Content-Security-Policy, `permissions` into its
    /// Permissions-Policy, each in that header's language.
    ///
    /// # Panics
    /// What is handed in does not fit into a header.
    pub fn new(content: &str, permissions: &str) -> Self {
        let text = |text: String| HeaderValue::try_from(text).expect("rules fit into a header");
        let fixed = HeaderValue::from_static;
        let headers = [
            (CONTENT_SECURITY_POLICY, text(format!("{CONTENT}; {content}"))),
            (
                HeaderName::from_static("permissions-policy"),
                text(format!("{permissions}, {PERMISSIONS}")),
            ),
            // The fragment of an enrolment link is never sent anywhere; neither is the rest.
            (REFERRER_POLICY, fixed("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            // For browsers that do not know `frame-ancestors`.
            (X_FRAME_OPTIONS, fixed("DENY")),
            (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
            (HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
        ];
        Self(headers.into_iter().collect())
    }

    /// Puts them on a response, in place of any that are there.
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
    fn a_page_adds_rules_and_takes_none_away() {
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
}
