//! URLs that a client of the OpenID provider, or a Keycloak realm, is registered with. They are compared byte for byte, so they are
//! kept as they are written.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::invalid::Invalid;
use crate::text::bounded;

/// The most URLs of a list.
pub const MAX_URLS: usize = 16;

/// An absolute URL without user information and fragment: https, or http to this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientUrl(String);

impl ClientUrl {
    /// Parses a URL of up to 2,048 characters.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid =
            Invalid::because("must be an absolute https URL, or http to this machine");
        bounded(text, 1, 2_048)?;
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Invalid::because("must hold no spaces and no backslashes"));
        }
        let url = Url::parse(text).map_err(|_| FORM)?;
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(FORM),
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local);
        if !is_safe || !text[url.scheme().len()..].starts_with("://") {
            return Err(FORM);
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(Invalid::because("must hold no user name, and no @"));
        }
        if url.fragment().is_some() {
            return Err(Invalid::because("must have no fragment"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Up to [`MAX_URLS`] URLs, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientUrls(Vec<ClientUrl>);

impl ClientUrls {
    /// Parses URLs.
    ///
    /// # Errors
    /// One has another form or is given twice, or there are too many.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut all = Vec::new();
        for text in texts {
            let url = ClientUrl::parse(text)?;
            if all.contains(&url) {
                return Err(Invalid::because("must name each URL once"));
            }
            all.push(url);
            if all.len() > MAX_URLS {
                return Err(Invalid::because("must name at most 16 URLs"));
            }
        }
        Ok(Self(all))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URLs, as they were written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ClientUrl::as_str)
    }

    /// Whether one of them is this, byte for byte.
    pub fn has(&self, text: &str) -> bool {
        self.iter().any(|url| url == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_encrypted_or_leads_to_this_machine() {
        for good in [
            "https://shop.example/cb",
            "https://shop.example:8443/cb?tenant=7",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
        ] {
            assert_eq!(ClientUrl::parse(good).unwrap().as_str(), good);
        }
        for wrong in [
            "",
            "shop.example/cb",
            "http://shop.example/cb",
            "https:shop.example/cb",
            "https:///",
            "https://ann@shop.example/cb",
            "https://shop.example/cb#top",
            "https://shop.example/a b",
            "https:\\\\shop.example",
            "javascript:alert(1)",
            "myapp://cb",
        ] {
            assert!(ClientUrl::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_list_holds_each_url_once_and_compares_every_byte() {
        let of = |texts: &[&str]| ClientUrls::parse(texts.iter().copied());
        let one = of(&["https://shop.example/cb"]).unwrap();
        assert!(one.has("https://shop.example/cb"));
        for other in
            ["https://shop.example/cb/", "https://SHOP.example/cb", "https://shop.example/c"]
        {
            assert!(!one.has(other), "{other}");
        }
        assert!(of(&["https://a.example/", "https://a.example/"]).is_err());
        let many: Vec<_> = (0..=MAX_URLS).map(|n| format!("https://a.example/{n}")).collect();
        assert!(ClientUrls::parse(many.iter().map(String::as_str)).is_err());
        assert!(of(&[]).unwrap().is_empty());
    }
}
