//! The operator's contact in VAPID tokens (RFC 8292, section 2.1).

use std::fmt;

use countersign_domain::invalid::Invalid;
use url::{Host, Url};

/// Sent if no contact is configured: most push services check only that there is a URI.
const PLACEHOLDER: &str = "mailto:operator@countersign.invalid";
/// Reserved top-level names (RFC 2606, RFC 6761).
const RESERVED: [&str; 5] = ["test", "example", "invalid", "localhost", "localdomain"];
/// Names for examples (RFC 2606, section 3).
const EXAMPLES: [&str; 3] = ["example.com", "example.net", "example.org"];

/// The contact in every VAPID token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VapidSubject {
    /// A `mailto:` or `https:` URI of the operator's.
    Given(String),
    /// A URI that reaches nobody: of this machine, or of a name that is reserved for examples and tests.
    Placeholder(String),
    /// Not configured.
    #[default]
    Missing,
}

impl VapidSubject {
    /// Parses a `mailto:` or `https:` URI. Spaces around it and after `mailto:` are removed: Apple rejects them.
    ///
    /// # Errors
    /// The text is no such URI.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid::because(
            "must be a mailto: or https: URI, for example mailto:ops@your-domain.com",
        );
        let url = Url::parse(text.trim()).map_err(|_| FORM)?;
        let hosts = match url.scheme() {
            "https" => vec![url.host().map(|host| host.to_owned()).ok_or(FORM)?],
            "mailto" => mailboxes(url.path()).ok_or(FORM)?,
            _ => return Err(FORM),
        };
        let uri = match url.scheme() {
            "mailto" => format!("mailto:{}", url.as_str()["mailto:".len()..].trim()),
            _ => url.to_string(),
        };
        let is_placeholder = hosts.iter().any(reaches_nobody);
        Ok(if is_placeholder { Self::Placeholder(uri) } else { Self::Given(uri) })
    }

    /// The `sub` claim.
    pub(super) fn claim(&self) -> &str {
        match self {
            Self::Given(uri) | Self::Placeholder(uri) => uri,
            Self::Missing => PLACEHOLDER,
        }
    }

    /// Why Apple would reject it, as the end of a sentence that begins with the setting; `None` if it would not.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Given(_) => None,
            Self::Placeholder(uri) => Some(format!("is {uri}, by which nobody is reached")),
            Self::Missing => Some("is not set".to_owned()),
        }
    }
}

impl fmt::Display for VapidSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(uri) | Self::Placeholder(uri) => f.write_str(uri),
            Self::Missing => f.write_str("none"),
        }
    }
}

/// Whether a subscription belongs to a browser of Apple's.
pub(super) fn is_apple(endpoint: &Url) -> bool {
    endpoint.domain().is_some_and(|name| is_within(name.trim_end_matches('.'), "push.apple.com"))
}

/// The hosts of a list of mailboxes.
fn mailboxes(path: &str) -> Option<Vec<Host>> {
    let host = |mailbox: &str| {
        let (user, host) = mailbox.trim().rsplit_once('@')?;
        let has_user = !user.is_empty() && !user.contains(char::is_whitespace);
        Host::parse(host).ok().filter(|_| has_user)
    };
    path.split(',').map(host).collect()
}

fn reaches_nobody(host: &Host) -> bool {
    let name = match host {
        Host::Domain(name) => name.trim_end_matches('.'),
        Host::Ipv4(ip) => return ip.is_loopback() || ip.is_unspecified() || ip.is_private(),
        Host::Ipv6(ip) => return ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    last.is_none_or(|last| RESERVED.contains(&last))
        || EXAMPLES.iter().any(|example| is_within(name, example))
}

fn is_within(name: &str, domain: &str) -> bool {
    let before = name.strip_suffix(domain);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("mailto:ops@owlbank.com", "mailto:ops@owlbank.com")]
    #[case(" mailto: ops@owlbank.com ", "mailto:ops@owlbank.com")]
    #[case("MAILTO:ops@owlbank.com", "mailto:ops@owlbank.com")]
    #[case("mailto:ops@owlbank.com,it@owlbank.com", "mailto:ops@owlbank.com,it@owlbank.com")]
    #[case("mailto:ops@notexample.com", "mailto:ops@notexample.com")]
    #[case("https://owlbank.com/contact", "https://owlbank.com/contact")]
    #[case("https://owlbank.com", "https://owlbank.com/")]
    fn a_uri_of_the_operators_is_given(#[case] text: &str, #[case] uri: &str) {
        let subject = VapidSubject::parse(text).unwrap();
        assert_eq!(subject, VapidSubject::Given(uri.to_owned()));
        assert_eq!((subject.claim(), subject.problem()), (uri, None));
    }

    #[rstest]
    #[case("mailto:operator@countersign.invalid")]
    #[case("mailto:you@example.com")]
    #[case("mailto:you@mail.example.org")]
    #[case("mailto:ops@owlbank.com,you@example.com")]
    #[case("mailto:root@localhost")]
    #[case("mailto:root@localhost.localdomain")]
    #[case("mailto:ops@owlbank")]
    #[case("https://localhost:8080")]
    #[case("https://countersign.test/x")]
    #[case("https://verify.EXAMPLE.com./")]
    #[case("https://127.0.0.1")]
    #[case("https://[::1]")]
    #[case("https://10.0.0.7")]
    fn an_example_or_this_machine_is_a_placeholder(#[case] text: &str) {
        let subject = VapidSubject::parse(text).unwrap();
        assert!(matches!(subject, VapidSubject::Placeholder(_)), "{text}");
        assert!(subject.problem().unwrap().contains("nobody"));
    }

    #[rstest]
    #[case("")]
    #[case("ops@owlbank.com")]
    #[case("http://owlbank.com")]
    #[case("mailto:")]
    #[case("mailto:ops")]
    #[case("mailto:@owlbank.com")]
    #[case("https:")]
    fn anything_else_is_no_subject(#[case] text: &str) {
        assert!(VapidSubject::parse(text).unwrap_err().to_string().contains("mailto:"), "{text}");
    }

    #[test]
    fn apple_subscriptions_are_recognised_by_their_host() {
        for (endpoint, expected) in [
            ("https://web.push.apple.com/QAb", true),
            ("https://WEB.push.apple.com./QAb", true),
            ("https://push.apple.com/QAb", true),
            ("https://web.push.apple.com.evil.net/x", false),
            ("https://webpush.apple.com/x", false),
            ("https://fcm.googleapis.com/x", false),
            ("https://127.0.0.1/x", false),
        ] {
            assert_eq!(is_apple(&Url::parse(endpoint).unwrap()), expected, "{endpoint}");
        }
    }
}
