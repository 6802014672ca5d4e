//! A webhook: the URL that an application is told of events at (Twilio Verify v2, Webhooks resource).

use std::str::FromStr;

use crate::invalid::Invalid;
use crate::sid::{AccountSid, ServiceSid, WebhookSid};
use crate::text::FriendlyName;
use crate::time::Instant;

/// The type of an event that a webhook can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `*`: all events of Twilio's, without those that this server adds.
    All,
    /// A factor was created, and is unverified.
    FactorCreated,
    /// A factor was verified.
    FactorVerified,
    /// A factor was deleted.
    FactorDeleted,
    /// A challenge was approved.
    ChallengeApproved,
    /// A challenge was denied.
    ChallengeDenied,
    /// A challenge was not answered in time. Not an event of Twilio's.
    ChallengeExpired,
    /// A challenge was denied by a person who did not cause it. Not an event of Twilio's.
    ChallengeReported,
    /// A device has received a push. Not an event of Twilio's.
    NotificationDelivered,
    /// A push cannot be delivered. Not an event of Twilio's.
    NotificationFailed,
    /// A push was not delivered within its TTL. Not an event of Twilio's.
    NotificationExpired,
}

const WORDS: [(EventType, &str); 11] = [
    (EventType::All, "*"),
    (EventType::FactorCreated, "factor.created"),
    (EventType::FactorVerified, "factor.verified"),
    (EventType::FactorDeleted, "factor.deleted"),
    (EventType::ChallengeApproved, "challenge.approved"),
    (EventType::ChallengeDenied, "challenge.denied"),
    (EventType::ChallengeExpired, "challenge.expired"),
    (EventType::ChallengeReported, "challenge.reported"),
    (EventType::NotificationDelivered, "notification.delivered"),
    (EventType::NotificationFailed, "notification.failed"),
    (EventType::NotificationExpired, "notification.expired"),
];

impl EventType {
    /// The word in requests, in responses and in the database.
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(event, _)| *event == self).map_or("", |(_, word)| word)
    }

    /// Whether a word is an event that this release knows.
    pub fn is_known(word: &str) -> bool {
        WORDS.iter().any(|(_, known)| *known == word)
    }
}

impl FromStr for EventType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        WORDS
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(event, _)| *event)
            .ok_or(Invalid::because("must be * or a known event, such as challenge.approved"))
    }
}

/// The version of the body that a webhook receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookVersion {
    /// The short body.
    V1,
    /// The long body, with the details of the challenge.
    V2,
}

impl WebhookVersion {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl FromStr for WebhookVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(Invalid::because("must be v1 or v2")),
        }
    }
}

/// An absolute http or https URL without user information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// Parses a URL into its normal form (WHATWG URL): lower-case host, a path, no dot segments, escapes where needed, and no fragment,
    /// which is never sent. The same text is shown, signed and called. Spaces, backslashes and missing slashes are refused, because
    /// they are most likely mistakes.
    ///
    /// # Errors
    /// The URL is not absolute, has another scheme or user information, or is longer than 2,048 characters, as written or in its normal
    /// form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        crate::text::bounded(text, 1, 2_048)?;
        let url = Self::from_stored(text)?;
        crate::text::bounded(&url.0, 1, 2_048)?;
        Ok(url)
    }

    /// Parses a stored URL. Older releases stored it as written.
    ///
    /// # Errors
    /// Those of [`WebhookUrl::parse`] except the length.
    pub fn from_stored(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid::because("must be an absolute http or https URL");
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Invalid::because("must hold no spaces and no backslashes"));
        }
        let mut url = url::Url::parse(text).map_err(|_| FORM)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FORM);
        }
        let rest = text[url.scheme().len()..].strip_prefix("://").ok_or(FORM)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(FORM);
        }
        if authority.contains('@') {
            return Err(Invalid::because("must not hold a user name or a password"));
        }
        url.set_fragment(None);
        Ok(Self(url.into()))
    }

    /// The URL in its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its SID.
    pub sid: WebhookSid,
    /// The account that it belongs to.
    pub account: AccountSid,
    /// The service whose events it subscribes to.
    pub service: ServiceSid,
    /// A name for the operator's use.
    pub friendly_name: FriendlyName,
    /// The events that it subscribes to.
    pub event_types: Vec<EventType>,
    /// The URL that is called.
    pub url: WebhookUrl,
    /// Whether it is called.
    pub enabled: bool,
    /// The version of the body that it receives.
    pub version: WebhookVersion,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_absolute_and_without_user_information() {
        for good in [
            "https://owlbank.example.com/hook",
            "http://127.0.0.1:8081/",
            "https://[::1]/hook?tenant=7&at=me@example.com",
        ] {
            assert_eq!(WebhookUrl::parse(good).unwrap().as_str(), good);
        }
        for wrong in [
            "",
            "owlbank.example.com/hook",
            "/hook",
            "ftp://owlbank.example.com",
            "file:///etc/passwd",
            "https://",
            "https:owlbank.example.com",
            "https:///owlbank.example.com",
            "https:\\\\owlbank.example.com",
            " https://owlbank.example.com",
            "https://owlbank.example.com/a b",
            "https://owl\nbank.example.com",
            "https://ann@owlbank.example.com",
            "https://ann:secret@owlbank.example.com",
            "https://@owlbank.example.com",
        ] {
            assert!(WebhookUrl::parse(wrong).is_err(), "{wrong:?}");
        }
        let long = format!("https://owlbank.example.com/{}", "x".repeat(2_048));
        assert!(WebhookUrl::parse(&long).is_err());
    }

    #[test]
    fn a_url_is_stored_in_its_normal_form() {
        for (written, normal) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081/"),
            ("HTTPS://OwlBank.Example.COM/Hook", "https://owlbank.example.com/Hook"),
            ("https://owlbank.example.com:443/hook", "https://owlbank.example.com/hook"),
            ("https://owlbank.example.com?tenant=7", "https://owlbank.example.com/?tenant=7"),
            ("https://owlbank.example.com/a/../b/./c", "https://owlbank.example.com/b/c"),
            ("https://owlbank.example.com/hook#part", "https://owlbank.example.com/hook"),
            (
                "https://owlbank.example.com/h?who=o'neill",
                "https://owlbank.example.com/h?who=o%27neill",
            ),
            (
                "https://owlbank.example.com/zoë?x=ü",
                "https://owlbank.example.com/zo%C3%AB?x=%C3%BC",
            ),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://[::ffff:7f00:1]/", "http://[::ffff:7f00:1]/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
        ] {
            let url = WebhookUrl::parse(written).unwrap();
            assert_eq!(url.as_str(), normal, "{written}");
            assert_eq!(
                WebhookUrl::parse(url.as_str()),
                Ok(url),
                "the normal form of a normal form is the same"
            );
        }
        let grows = format!("https://owlbank.example.com/{}", "ü".repeat(400));
        assert!(WebhookUrl::parse(&grows).is_err(), "too long once it is escaped");
    }

    #[test]
    fn only_the_exact_words_are_parsed() {
        for (event, word) in WORDS {
            assert_eq!(event.as_str(), word);
            assert_eq!(word.parse(), Ok(event));
        }
        for wrong in ["", "challenge", "challenge.Approved", "challenge.*", "challenge.created"] {
            assert!(wrong.parse::<EventType>().is_err(), "{wrong}");
        }
    }
}
