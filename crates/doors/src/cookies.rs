//! Cookies: those that a browser sends, and those that a door sets.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The name of a cookie of one host. Over https the browser makes sure that no other host of the domain has set it.
pub(crate) fn host_cookie(name: &str, is_https: bool) -> String {
    if is_https { format!("__Host-{name}") } else { name.to_owned() }
}

/// Sets a cookie for all paths of the host, which scripts cannot read and other sites do not send along, except when they lead
/// to a page. It ends with the browser, or after `seconds`; 0 deletes it.
pub(crate) fn set_cookie(
    headers: &mut HeaderMap,
    name: &str,
    value: &str,
    seconds: Option<u64>,
    is_https: bool,
) {
    let mut text = format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/");
    if let Some(seconds) = seconds {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    if is_https {
        text.push_str("; Secure");
    }
    if let Ok(cookie) = HeaderValue::try_from(text) {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("ab=1; a=2"));
        headers.append(COOKIE, HeaderValue::from_static("c=x=y"));
        assert_eq!(cookie(&headers, "a"), Some("2"));
        assert_eq!(cookie(&headers, "c"), Some("x=y"));
        assert_eq!(cookie(&headers, "b"), None);
    }

    #[test]
    fn over_https_a_cookie_is_of_its_host_alone() {
        let mut headers = HeaderMap::new();
        set_cookie(&mut headers, &host_cookie("a", true), "1", Some(9), true);
        assert_eq!(
            headers[SET_COOKIE],
            "__Host-a=1; HttpOnly; SameSite=Lax; Path=/; Max-Age=9; Secure"
        );
        assert_eq!(host_cookie("a", false), "a");
    }
}
