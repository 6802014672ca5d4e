//! URLs of resources in responses. They are built from the configured public URL, never from the listening address or the
//! `Host` header (Twilio documentation).

use std::fmt;

use countersign_domain::entity::Owner;
use countersign_domain::sid::{ChallengeSid, FactorSid, ServiceSid};

/// The public URL of the server, such as `https://verify.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    base: String,
    host: String,
    https: bool,
}

/// The text is not an absolute http or https URL without user info, query and fragment.
#[derive(Debug, PartialEq, Eq)]
pub struct PublicUrlError;

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an http or https URL without user, query and fragment")
    }
}

impl std::error::Error for PublicUrlError {}

impl PublicUrl {
    /// Parses a URL. A trailing slash is ignored.
    ///
    /// # Errors
    /// [`PublicUrlError`].
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = url::Url::parse(text).map_err(|_| PublicUrlError)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(PublicUrlError);
        }
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            host: url.host_str().ok_or(PublicUrlError)?.to_owned(),
            https: url.scheme() == "https",
        })
    }

    /// The URL without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// The host without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the scheme is https.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// The URL of a path, which must begin with a slash.
    pub(crate) fn of(&self, path: fmt::Arguments<'_>) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn service(&self, sid: ServiceSid) -> String {
        self.of(format_args!("/v2/Services/{sid}"))
    }

    pub(crate) fn entity(&self, owner: &Owner) -> String {
        let Owner { service, identity, .. } = owner;
        self.of(format_args!("/v2/Services/{service}/Entities/{identity}"))
    }

    pub(crate) fn factor(&self, owner: &Owner, sid: FactorSid) -> String {
        format!("{}/Factors/{sid}", self.entity(owner))
    }

    pub(crate) fn challenge(&self, owner: &Owner, sid: ChallengeSid) -> String {
        format!("{}/Challenges/{sid}", self.entity(owner))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_is_ignored() {
        for text in ["https://verify.example.com", "https://verify.example.com/"] {
            let url = PublicUrl::parse(text).expect(text);
            assert_eq!(
                (url.as_str(), url.host()),
                ("https://verify.example.com", "verify.example.com")
            );
            assert!(url.is_https());
        }
        let url = PublicUrl::parse("http://127.0.0.1:8080/push/").expect("a URL");
        assert_eq!(url.of(format_args!("/v2/Services")), "http://127.0.0.1:8080/push/v2/Services");
    }

    #[test]
    fn rejects_urls_to_which_no_path_can_be_appended() {
        for text in [
            "",
            "verify.example.com",
            "ftp://a.example",
            "https://u@a.example",
            "https://a.example/?x",
            "https://a.example/#x",
        ] {
            assert_eq!(PublicUrl::parse(text), Err(PublicUrlError), "{text}");
        }
    }
}
