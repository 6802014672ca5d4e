//! The sites that forward-auth protects, to which a browser may be sent back after a sign-in.

use serde::{Deserialize, Serialize};
use url::{Position, Url};

use crate::invalid::Invalid;
use crate::text::bounded;

/// The most sites of an integration.
pub const MAX_SITES: usize = 20;

/// The longest site, in characters.
const LONGEST: usize = 512;

/// Sites, each once, at most [`MAX_SITES`]: scheme, host, and port unless it is the usual one, in normal form. They are compared
/// byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sites(Vec<String>);

impl Sites {
    /// Parses sites, such as `https://wiki.example.com`.
    ///
    /// # Errors
    /// One of them is none in normal form, or is given twice; or there are too many.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut sites: Vec<String> = Vec::new();
        for text in texts {
            check(text)?;
            if sites.iter().any(|known| known == text) {
                return Err(Invalid::because("must name each site once"));
            }
            if sites.len() == MAX_SITES {
                return Err(Invalid::because("must name at most 20 sites"));
            }
            sites.push(text.to_owned());
        }
        Ok(Self(sites))
    }

    /// The sites, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether no site is named.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them, to the byte.
    pub fn contain(&self, site: &str) -> bool {
        self.iter().any(|known| known == site)
    }
}

fn check(text: &str) -> Result<(), Invalid> {
    const FORM: Invalid = Invalid::because(
        "must be sites, such as https://wiki.example.com: http or https, a host in lower case, and a port unless it is the usual \
         one, without a path",
    );
    bounded(text, 1, LONGEST)?;
    let url = Url::parse(text).map_err(|_| FORM)?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_bare = url.username().is_empty() && url.password().is_none();
    if is_web && is_bare && &url[..Position::BeforePath] == text { Ok(()) } else { Err(FORM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Sites, Invalid> {
        Sites::parse(texts.iter().copied())
    }

    #[test]
    fn sites_are_normal_distinct_and_few() {
        let right = ["https://a.example", "http://localhost:8080", "https://[2001:db8::1]"];
        assert_eq!(parse(&right).unwrap().iter().collect::<Vec<_>>(), right);
        for wrong in [
            "",
            "a.example",
            "//a.example",
            "ftp://a.example",
            "javascript:alert(1)",
            "https://ann@a.example",
            "https://a.example/",
            "https://a.example/b",
            "https://a.example?b",
            "https://a.example#b",
            "https://A.example",
            "https://a.example:443",
            "https:a.example",
            "https://a.example\\b",
            " https://a.example",
            "https://ö.example",
        ] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
        assert!(parse(&["https://a.example", "https://a.example"]).is_err());
        let all: Vec<_> = (0..=MAX_SITES).map(|n| format!("https://s{n}.example")).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        assert!(parse(&all[1..]).is_ok() && parse(&all).is_err());
    }

    #[test]
    fn a_site_is_known_to_the_byte() {
        let known = parse(&["https://a.example"]).unwrap();
        assert!(known.contain("https://a.example"));
        for other in [
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "http://a.example",
            "https://a.example.evil.example",
            "https://a.exampl",
            "",
        ] {
            assert!(!known.contain(other), "{other}");
        }
    }
}
