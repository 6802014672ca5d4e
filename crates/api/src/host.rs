//! The host of a request. A missing or ambiguous host is rejected: a proxy and this server could interpret it differently.

use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Version};

/// Describes what is wrong with the host of a request.
pub(crate) fn fault(request: &Request) -> Option<&'static str> {
    let mut named = request.headers().get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Some("is given more than once");
    }
    match (first, request.uri().authority()) {
        (Some(host), Some(authority)) if !is_same(host, authority, request.uri().scheme_str()) => {
            Some("is not the host of the request's target")
        }
        (Some(_), _) => None,
        // HTTP/2 has the authority instead; HTTP/1.0 has neither.
        (None, Some(_)) if request.version() >= Version::HTTP_2 => None,
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) => Some("is missing"),
    }
}

/// Whether both contain the same host and port.
fn is_same(host: &HeaderValue, authority: &Authority, scheme: Option<&str>) -> bool {
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let default = if scheme == Some("https") { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    host.host().eq_ignore_ascii_case(authority.host()) && port(&host) == port(authority)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Version::HTTP_11, "/", &["a"], None)]
    #[case(Version::HTTP_11, "/", &[], Some("is missing"))]
    #[case(Version::HTTP_11, "/", &["a", "a"], Some("is given more than once"))]
    #[case(Version::HTTP_11, "http://a/", &[], Some("is missing"))]
    #[case(Version::HTTP_11, "http://a/", &["A"], None)]
    #[case(Version::HTTP_11, "http://a/", &["b"], Some("is not the host of the request's target"))]
    #[case(Version::HTTP_10, "/", &[], None)]
    #[case(Version::HTTP_2, "https://a/", &[], None)]
    #[case(Version::HTTP_2, "https://a/", &["a:443"], None)]
    #[case(Version::HTTP_2, "https://a/", &["a:80"], Some("is not the host of the request's target"))]
    #[case(Version::HTTP_2, "https://a/", &["a", "b"], Some("is given more than once"))]
    #[case(Version::HTTP_2, "/", &[], Some("is missing"))]
    fn a_request_has_exactly_one_host(
        #[case] version: Version,
        #[case] target: &str,
        #[case] hosts: &[&str],
        #[case] expected: Option<&str>,
    ) {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        assert_eq!(fault(&request.body(Body::empty()).expect("a request")), expected);
    }
}
