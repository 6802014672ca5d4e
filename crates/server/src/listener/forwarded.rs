//! Parses the addresses in `Forwarded` (RFC 7239) and `X-Forwarded-For`, from the last to the first. Which of them
//! are trusted is decided elsewhere.
//!
//! A line is read from its end: a proxy appends, so the elements of trusted proxies come first, whatever the client
//! wrote before them.

use std::borrow::Cow;
use std::iter;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

/// `X-Forwarded-For`.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The sender of a request, as named by the proxy that received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// An address.
    Address(IpAddr),
    /// Not disclosed (`unknown`, `_hidden`), or invalid.
    Hidden,
}

/// The nodes of `Forwarded`, from the last to the first.
pub(super) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Node> {
    elements(headers, header::FORWARDED).map(|element| forwarded_for(&element))
}

/// The nodes of `X-Forwarded-For`, from the last to the first.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Node> {
    elements(headers, X_FORWARDED_FOR).map(|element| node(&value(&element)))
}

/// The elements of a list over several lines, from the last to the first. Empty elements are skipped (RFC 9110
/// §5.6.1).
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Cow<'_, str>> {
    let lines = headers.get_all(name).into_iter().rev();
    let elements = lines.flat_map(|line| split(line.as_bytes(), b','));
    elements.map(String::from_utf8_lossy).filter(|element| !element.trim().is_empty())
}

/// The parts of a text between separators outside of quotes, from the last to the first.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let at = (0..text.len()).rev().find(|&at| {
            if text[at] == b'"' && !(is_quoted && is_escaped(&text[..at])) {
                is_quoted = !is_quoted;
            }
            text[at] == separator && !is_quoted
        });
        rest = at.map(|at| &text[..at]);
        Some(at.map_or(text, |at| &text[at + 1..]))
    })
}

/// Whether a byte after `before` is escaped by a backslash that is not escaped itself.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The node of an element such as `for="[2001:db8::1]:4711";proto=https`. It is hidden if the element names none, or
/// two.
fn forwarded_for(element: &str) -> Node {
    let pairs = split(element.as_bytes(), b';').map(String::from_utf8_lossy);
    let mut found = None;
    for pair in pairs {
        let Some((name, of_name)) = pair.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("for") && found.replace(node(&value(of_name))).is_some()
        {
            return Node::Hidden;
        }
    }
    found.unwrap_or(Node::Hidden)
}

/// A value without its quotes.
fn value(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Cow::Owned(plain)
}

/// A node: an address with or without a port. IPv6 may lack brackets, as in `X-Forwarded-For`.
fn node(text: &str) -> Node {
    let alone = || text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = alone().or_else(with_port).or_else(|| with_odd_port(text));
    address.map_or(Node::Hidden, |address: IpAddr| Node::Address(address.to_canonical()))
}

/// `[2001:db8::1]`, and either family with an obfuscated port such as `192.0.2.1:_p`.
fn with_odd_port(text: &str) -> Option<IpAddr> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, port) = inner.split_once(']')?;
        let is_alone = port.is_empty() || port.strip_prefix(':').is_some_and(is_obfuscated);
        return address.parse::<Ipv6Addr>().ok().filter(|_| is_alone).map(IpAddr::V6);
    }
    let (address, port) = text.split_once(':')?;
    address.parse().ok().filter(|_| is_obfuscated(port))
}

fn is_obfuscated(port: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    port.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(may_be))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn of(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let value = |line: &&str| HeaderValue::from_bytes(line.as_bytes()).expect("a header");
        lines.iter().map(|line| (name.clone(), value(line))).collect()
    }

    /// Nodes as text, with `-` for a hidden one.
    fn said(nodes: impl Iterator<Item = Node>) -> String {
        let said = nodes.map(|node| match node {
            Node::Address(address) => address.to_string(),
            Node::Hidden => "-".to_owned(),
        });
        said.collect::<Vec<_>>().join(" ")
    }

    #[rstest]
    #[case(&["for=192.0.2.43"], "192.0.2.43")]
    #[case(&["For=192.0.2.43;proto=https;by=203.0.113.43"], "192.0.2.43")]
    #[case(&["proto=https; for=192.0.2.43 ;host=example.com"], "192.0.2.43")]
    #[case(&["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17 192.0.2.43")]
    #[case(&["for=192.0.2.43", "for=198.51.100.17,for=203.0.113.5"], "203.0.113.5 198.51.100.17 192.0.2.43")]
    #[case(&[r#"for="192.0.2.43:47011""#], "192.0.2.43")]
    #[case(&["for=192.0.2.43:47011"], "192.0.2.43")]
    #[case(&[r#"for="192.0.2.43:_odd""#], "192.0.2.43")]
    #[case(&[r#"for="[2001:db8:cafe::17]""#], "2001:db8:cafe::17")]
    #[case(&[r#"for="[2001:db8:cafe::17]:4711""#], "2001:db8:cafe::17")]
    #[case(&[r#"for="[2001:db8:cafe::17]:_a.b-c""#], "2001:db8:cafe::17")]
    #[case(&["for=[2001:db8:cafe::17]"], "2001:db8:cafe::17")]
    #[case(&[r#"for="[::ffff:192.0.2.1]""#], "192.0.2.1")]
    #[case(&[r#"for="192.0\.2.1""#], "192.0.2.1")]
    #[case(&["for=unknown, for=192.0.2.1"], "192.0.2.1 -")]
    #[case(&["for=_gazonk, for=_SEVKISEK"], "- -")]
    #[case(&[r#"by="a,b;for=6.6.6.6";for=192.0.2.1"#], "192.0.2.1")]
    #[case(&["for=192.0.2.1,, ,"], "192.0.2.1")]
    #[case(&["proto=https"], "-")]
    #[case(&["for=192.0.2.1;for=192.0.2.2"], "-")]
    #[case(&["for="], "-")]
    #[case(&["192.0.2.1"], "-")]
    #[case(&["for=192.0.2.256"], "-")]
    #[case(&["for=192.0.2.1:99999"], "-")]
    #[case(&[r#"for="192.0.2.1"#], "-")]
    #[case(&[r#"for="[2001:db8::1]x""#], "-")]
    #[case(&["for=ex\u{e4}mple"], "-")]
    fn the_nodes_of_forwarded(#[case] lines: &[&str], #[case] expected: &str) {
        assert_eq!(said(forwarded(&of(&header::FORWARDED, lines))), expected, "{lines:?}");
    }

    #[rstest]
    #[case(&["192.0.2.1"], "192.0.2.1")]
    #[case(&["192.0.2.1, 2001:db8::1", "198.51.100.1:80"], "198.51.100.1 2001:db8::1 192.0.2.1")]
    #[case(&["[2001:db8::1]:443,[2001:db8::2]"], "2001:db8::2 2001:db8::1")]
    #[case(&[r#""192.0.2.1""#], "192.0.2.1")]
    #[case(&["unknown, 192.0.2.1"], "192.0.2.1 -")]
    #[case(&["fe80::1%eth0"], "-")]
    #[case(&["localhost"], "-")]
    #[case(&["", ","], "")]
    fn the_nodes_of_x_forwarded_for(#[case] lines: &[&str], #[case] expected: &str) {
        assert_eq!(said(x_forwarded_for(&of(&X_FORWARDED_FOR, lines))), expected, "{lines:?}");
    }

    proptest! {
        /// A proxy appends to the received line, or adds a line.
        #[test]
        fn the_element_that_a_proxy_appended_is_found_whatever_precedes_it(
            sent in r#"[ -~]{0,60}|(for="?[0-9a-f:.\[\]\\]{0,12}"?[,;]?){0,5}"#,
            own_line: bool,
            (written, address) in prop::sample::select(&[
                ("for=192.0.2.7", "192.0.2.7"),
                (r#"for="[2001:db8::7]:443";proto=https"#, "2001:db8::7"),
            ][..]),
        ) {
            let joined = format!("{sent}, {written}");
            let lines = if own_line { vec![&sent[..], written] } else { vec![&joined[..]] };
            let first = forwarded(&of(&header::FORWARDED, &lines)).next();
            prop_assert_eq!(first, Some(Node::Address(address.parse().unwrap())));
        }
    }
}
