//! Settings with a form of their own: lists, addresses, URLs.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::ensure;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use url::Url;

/// Reads a list, or, where only one text can be written (the environment, `--set`), a text with commas.
pub(super) fn list<'de, D: Deserializer<'de>, T: From<String>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts, or one text with commas between them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(text.split(',').map(|word| word.trim().to_owned()).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = texts.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }

    let texts = from.deserialize_any(Texts)?;
    Ok(texts.into_iter().filter(|text| !text.is_empty()).map(T::from).collect())
}

/// An address to listen on.
struct Address(SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "an address and a port, such as 127.0.0.1:8080, localhost:8080, [::1]:8080, or :8080 for \
                                all addresses of this machine";
        let text = String::deserialize(from)?;
        let address = parse_address(text.trim()).map(Self);
        address.ok_or_else(|| Error::invalid_value(Unexpected::Str(&text), &EXPECTED))
    }
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    match host {
        "" | "*" => Some((Ipv6Addr::UNSPECIFIED, port).into()),
        _ if host.eq_ignore_ascii_case("localhost") => Some((Ipv4Addr::LOCALHOST, port).into()),
        _ => None,
    }
}

/// An address to listen on.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    Address::deserialize(from).map(|address| address.0)
}

/// An address to listen on, if there is one.
pub(super) fn address_if_any<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let found = Option::<Address>::deserialize(from)?;
    Ok(found.map(|address| address.0))
}

/// A URL.
struct Link(Url);

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Url::parse(text.trim()).map(Self).map_err(|why| {
            let expected = format!("a URL such as https://verify.example.com ({why})");
            Error::invalid_value(Unexpected::Str(&text), &expected.as_str())
        })
    }
}

/// A URL, if there is one.
pub(super) fn url_if_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let found = Option::<Link>::deserialize(from)?;
    Ok(found.map(|link| link.0))
}

/// Checks that a URL, if there is one, has a host and one of these schemes.
pub(super) fn has_scheme(key: &str, url: Option<&Url>, schemes: &[&str]) -> anyhow::Result<()> {
    let has = |url: &Url| schemes.contains(&url.scheme()) && url.host().is_some();
    // Not shown: a password may be in it.
    ensure!(
        url.is_none_or(has),
        "{key} must be a URL with a host that begins with {}://",
        schemes.join(":// or ")
    );
    Ok(())
}

/// Checks that the URLs of pages can begin with a URL.
pub(super) fn is_base(key: &str, url: &Url) -> anyhow::Result<()> {
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "{key} must be an http or https URL"
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "{key} must have no user and no password"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "{key} must have no query and no fragment"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_people_write_it() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
            (":8080", "[::]:8080"),
            ("*:8080", "[::]:8080"),
        ] {
            assert_eq!(parse_address(text), address.parse().ok(), "{text}");
        }
        for text in
            ["", "8080", "127.0.0.1", "localhost", "::1:8080:x", ":", ":99999", "a.example:80"]
        {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }
}
