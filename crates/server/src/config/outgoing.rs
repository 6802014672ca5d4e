//! `[outgoing]`: calls to push services.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{has_scheme, list, url_if_any};

/// `[outgoing]`: calls to push services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutgoingSection {
    /// The URL of Apple's production environment, or of a stand-in.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_url: Option<Url>,
    /// The URL of Apple's sandbox, or of a stand-in.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_sandbox_url: Option<Url>,
    /// The URL of Google's FCM, or of a stand-in.
    #[serde(deserialize_with = "url_if_any")]
    pub fcm_url: Option<Url>,
    /// Files of certificate authorities in PEM that are trusted besides the system's. A list, or one text with
    /// commas.
    #[serde(deserialize_with = "list")]
    pub roots: Vec<PathBuf>,
    /// The proxy for calls to Apple and Google.
    #[serde(deserialize_with = "url_if_any")]
    pub proxy: Option<Url>,
    /// Private networks that may be called, also over plain HTTP, such as `10.1.0.0/16`; with a port, such as
    /// `10.1.0.0/16:8443` or `[fd00::/8]:8443`, at that port only. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Name servers for hosts that tenants or devices chose, such as `10.0.0.2` or `10.0.0.2:5353`; the system's if
    /// empty. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub name_servers: Vec<String>,
    /// The contact for a browser's push service: a `mailto:` or `https:` URI. If absent, `http.public_url` where that
    /// is HTTPS and no placeholder.
    pub vapid_subject: Option<String>,
}

impl OutgoingSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, url) in [
            ("outgoing.apns_url", &self.apns_url),
            ("outgoing.apns_sandbox_url", &self.apns_sandbox_url),
            ("outgoing.fcm_url", &self.fcm_url),
        ] {
            has_scheme(key, url.as_ref(), &["https", "http"])?;
        }
        has_scheme("outgoing.proxy", self.proxy.as_ref(), &["http", "https"])
    }
}
