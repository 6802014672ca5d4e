//! The request that a web server asks about.

use http::{HeaderMap, Method};
use url::{Position, Url};

/// The longest path that a browser is sent back to, in bytes. From a longer one it is sent to the start of its site.
const LONGEST_PATH: usize = 2_048;

/// A request of a browser to a protected site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProtectedRequest {
    /// The site: scheme, host and port, in normal form.
    pub(super) site: String,
    /// The path and the query to which the browser comes back.
    pub(super) path: String,
    /// Whether the browser can be sent to a page: it wants one, and has no body to lose.
    pub(super) wants_page: bool,
}

impl ProtectedRequest {
    /// The request that nginx names in `X-Original-URL`; `None` if it names none.
    pub(super) fn of_nginx(headers: &HeaderMap) -> Option<Self> {
        let method = text(headers, "x-original-method").unwrap_or("GET");
        Self::of(text(headers, "x-original-url")?, method, headers)
    }

    /// The request that Caddy or Traefik names in `X-Forwarded-Proto`, `-Host`, `-Uri` and `-Method`; `None` if it names none.
    pub(super) fn of_forwarded(headers: &HeaderMap) -> Option<Self> {
        let part = |name| text(headers, name);
        let (scheme, host) = (part("x-forwarded-proto")?, part("x-forwarded-host")?);
        let uri = part("x-forwarded-uri").filter(|uri| uri.starts_with('/'))?;
        let method = part("x-forwarded-method").unwrap_or("GET");
        Self::of(&format!("{scheme}://{host}{uri}"), method, headers)
    }

    fn of(url: &str, method: &str, headers: &HeaderMap) -> Option<Self> {
        let (site, path) = split(url)?;
        let is_fetched = method == Method::GET.as_str() || method == Method::HEAD.as_str();
        let mode = headers.get("sec-fetch-mode");
        let is_navigation = mode.is_none_or(|mode| mode == "navigate");
        let path = if is_fetched { path } else { "/".to_owned() };
        Some(Self { site, path, wants_page: is_fetched && is_navigation })
    }
}

/// The only value of a header.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(value)
}

/// A URL in its site and its path with the query.
fn split(url: &str) -> Option<(String, String)> {
    let url = Url::parse(url).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
        return None;
    }
    let site = url[..Position::BeforePath].to_owned();
    let path = url[Position::BeforePath..Position::AfterQuery].to_owned();
    let path = if path.len() <= LONGEST_PATH { path } else { "/".to_owned() };
    Some((site, path)).filter(|_| url.password().is_none())
}

/// Whether headers name a page; `Some(false)` if the way back to it leads elsewhere.
pub(super) fn fuzz(url: &str, uri: &str) -> Option<bool> {
    let value = |text: &str| text.parse::<http::HeaderValue>().ok();
    let mut headers = HeaderMap::new();
    headers.insert("x-original-url", value(url)?);
    headers.insert("x-forwarded-proto", http::HeaderValue::from_static("https"));
    headers.insert("x-forwarded-host", http::HeaderValue::from_static("wiki.example.com"));
    headers.insert("x-forwarded-uri", value(uri)?);
    let leads_there = |asked: &ProtectedRequest| {
        let back = Url::parse(&format!("{}{}", asked.site, asked.path));
        back.is_ok_and(|back| back[..Position::BeforePath] == asked.site)
            && asked.path.starts_with('/')
    };
    let (one, two) =
        (ProtectedRequest::of_nginx(&headers), ProtectedRequest::of_forwarded(&headers));
    let is_own = two.as_ref().is_none_or(|asked| asked.site == "https://wiki.example.com");
    if one.is_none() && two.is_none() {
        return None;
    }
    Some(is_own && one.iter().chain(&two).all(leads_there))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn asked(site: &str, path: &str, wants_page: bool) -> Option<ProtectedRequest> {
        Some(ProtectedRequest { site: site.into(), path: path.into(), wants_page })
    }

    #[test]
    fn nginx_names_the_whole_address() {
        let of = |url| ProtectedRequest::of_nginx(&headers(&[("x-original-url", url)]));
        let site = "https://wiki.example.com";
        assert_eq!(of("https://wiki.example.com/a?b=c"), asked(site, "/a?b=c", true));
        assert_eq!(of("https://WIKI.example.com:443/a#b"), asked(site, "/a", true));
        assert_eq!(
            of("https://wiki.example.com//evil.example"),
            asked(site, "//evil.example", true)
        );
        for wrong in
            ["", "/a", "ftp://wiki.example.com/", "https://a@wiki.example.com/", "https://"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let twice = headers(&[("x-original-url", site), ("x-original-url", site)]);
        let mut more = twice.clone();
        more.append("x-original-url", HeaderValue::from_static("https://other.example"));
        assert_eq!(ProtectedRequest::of_nginx(&more), None, "which of them is meant is not known");
    }

    #[test]
    fn caddy_and_traefik_name_its_parts() {
        let parts = [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "wiki.example.com:8080"),
            ("x-forwarded-uri", "/a?b"),
        ];
        let site = "http://wiki.example.com:8080";
        assert_eq!(ProtectedRequest::of_forwarded(&headers(&parts)), asked(site, "/a?b", true));
        let with = |name, value| {
            ProtectedRequest::of_forwarded(&headers(&[&parts[..], &[(name, value)]].concat()))
        };
        assert_eq!(with("x-forwarded-method", "POST"), asked(site, "/", false));
        assert_eq!(with("sec-fetch-mode", "cors"), asked(site, "/a?b", false));
        assert_eq!(with("sec-fetch-mode", "navigate"), asked(site, "/a?b", true));
        assert_eq!(ProtectedRequest::of_forwarded(&headers(&parts[..2])), None);
        let odd = [parts[0], parts[1], ("x-forwarded-uri", "@evil.example/")];
        assert_eq!(ProtectedRequest::of_forwarded(&headers(&odd)), None);
    }

    #[test]
    fn nobody_is_sent_back_to_a_very_long_path() {
        let long = format!("https://wiki.example.com/{}", "a".repeat(LONGEST_PATH));
        assert_eq!(split(&long).map(|(_, path)| path).as_deref(), Some("/"));
    }
}
