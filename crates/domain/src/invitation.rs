//! The link by which a person's browser becomes a device.

use url::{Host, Url};

/// What the link tells the browser; all of it stands in the fragment, which is sent to no server.
pub struct Invitation<'a> {
    /// The service, `VA…`.
    pub service: &'a str,
    /// The application's name for the person.
    pub identity: &'a str,
    /// The access token.
    pub token: &'a str,
    /// What the application calls itself.
    pub name: &'a str,
    /// The service's public key for Web Push.
    pub push_key: &'a str,
}

impl Invitation<'_> {
    /// The link, at a server of that URL.
    pub fn link(&self, server: &str) -> String {
        let mut fragment = url::form_urlencoded::Serializer::new(String::new());
        fragment
            .append_pair("service", self.service)
            .append_pair("identity", self.identity)
            .append_pair("token", self.token)
            .append_pair("name", self.name)
            .append_pair("push", self.push_key);
        let server = server.trim_end_matches('/');
        format!("{server}/authenticator#{}", fragment.finish())
    }
}

/// Whether a browser trusts the page with a key.
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
    fn a_link_tells_everything_behind_the_fragment_sign() {
        let invitation = Invitation {
            service: "VA1",
            identity: "sam-porter",
            token: "a..b-c_",
            name: "Owl & Co",
            push_key: "BK",
        };
        for server in ["https://verify.example.com", "https://verify.example.com/"] {
            assert_eq!(
                invitation.link(server),
                "https://verify.example.com/authenticator#service=VA1&identity=sam-porter&token=a..b-c_&name=Owl+%26+Co&push=BK"
            );
        }
    }

    #[test]
    fn a_browser_makes_keys_on_this_machine_and_over_https() {
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
