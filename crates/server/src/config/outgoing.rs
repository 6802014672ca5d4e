//! `[outgoing]`: calls to push services.

use std::path::PathBuf;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{list, url_if_any};

/// `[outgoing]`: calls to push services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outgoing {
    /// Apple's production environment; another URL for a stand-in.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_url: Option<Url>,
    /// Apple's sandbox; likewise.
    #[serde(deserialize_with = "url_if_any")]
    pub apns_sandbox_url: Option<Url>,
    /// Google's FCM; likewise.
    #[serde(deserialize_with = "url_if_any")]
    pub fcm_url: Option<Url>,
    /// Files of certificate authorities to trust besides the system's, in PEM. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub roots: Vec<PathBuf>,
    /// A proxy for calls to Apple and Google.
    #[serde(deserialize_with = "url_if_any")]
    pub proxy: Option<Url>,
    /// Networks that may be called although they are private, also by plain http, such as `10.1.0.0/16`; with a port,
    /// such as `10.1.0.0/16:8443` or `[fd00::/8]:8443`, at that one only. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Name servers for addresses that strangers made up, such as `10.0.0.2` or `10.0.0.2:5353`; the system's if there are
    /// none. A list, or one text with commas.
    #[serde(deserialize_with = "list")]
    pub name_servers: Vec<String>,
    /// Whom a browser's push service can turn to: a `mailto:` or `https:` URI. If absent, `http.public_url` where that is
    /// https and no placeholder.
    pub vapid_subject: Option<String>,
}

impl Outgoing {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let schemes = |key, url: &Option<Url>, schemes: &[&str]| {
            let is_one = |url: &Url| schemes.contains(&url.scheme()) && url.host().is_some();
            // Not shown: it may hold a password.
            ensure!(
                url.as_ref().is_none_or(is_one),
                "{key} must be a URL with a host that begins with {}://",
                schemes.join(":// or ")
            );
            Ok(())
        };
        for (key, url) in [
            ("outgoing.apns_url", &self.apns_url),
            ("outgoing.apns_sandbox_url", &self.apns_sandbox_url),
            ("outgoing.fcm_url", &self.fcm_url),
        ] {
            schemes(key, url, &["https", "http"])?;
        }
        schemes("outgoing.proxy", &self.proxy, &["http", "https"])
    }
}
