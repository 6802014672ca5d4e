//! The link that enrols a person's browser as a device.

use url::{Host, Url};

/// The content of the link. It is in the fragment of the URL, which browsers send to no server.
pub struct Invitation<'a> {
    /// The SID of the service.
    pub service: &'a str,
    /// The application's name for the person.
    pub identity: &'a str,
    /// The access token.
    pub token: &'a str,
    /// The service's public key for Web Push.
    pub push_key: &'a str,
}

impl Invitation<'_> {
    /// The link to the server with this URL.
    pub fn link(&self, server: &str) -> String {
        let mut fragment = url::form_urlencoded::Serializer::new(String::new());
        fragment
            .append_pair("service", self.service)
            .append_pair("identity", self.identity)
            .append_pair("token", self.token)
            .append_pair("push", self.push_key);
        let server = server.trim_end_matches('/');
        format!("{server}/authenticator#{}", fragment.finish())
    }
}

/// Whether a browser lets the page make a key: over https, or on this machine.
pub fn is_safe(server: &Url) -> bool {
    let is_here = match server.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_here || server.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_its_content_in_the_fragment() {
        let invitation =
            Invitation { service: "VA1", identity: "sam-porter", token: "a..b-c_", push_key: "BK" };
        for server in ["https://verify.example.com", "https://verify.example.com/"] {
            assert_eq!(
                invitation.link(server),
                "https://verify.example.com/authenticator#service=VA1&identity=sam-porter&token=a..b-c_&push=BK"
            );
        }
    }

    #[test]
    fn a_page_is_safe_on_this_machine_and_over_https() {
        for (url, safe) in [
            ("https://verify.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://10.0.0.7:8080", false),
            ("http://verify.example.com", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }
}
