//! A webhook: where an application hears what happened (wire reference §2.7, §6).

use std::str::FromStr;

use crate::invalid::Invalid;
use crate::sid::{AccountSid, ServiceSid, WebhookSid};
use crate::text::FriendlyName;
use crate::time::Instant;

/// What a webhook can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `*`: all of Twilio's, none of ours.
    All,
    /// A factor was made; it receives no challenges yet.
    FactorCreated,
    /// A device proved that it holds its key.
    FactorVerified,
    /// A factor was removed.
    FactorDeleted,
    /// The person said yes.
    ChallengeApproved,
    /// The person said no.
    ChallengeDenied,
    /// Ours: nobody answered in time.
    ChallengeExpired,
    /// Ours: a device has the push.
    NotificationDelivered,
    /// Ours: a push cannot be delivered.
    NotificationFailed,
    /// Ours: a push was not delivered within its TTL.
    NotificationExpired,
}

const WORDS: [(EventType, &str); 10] = [
    (EventType::All, "*"),
    (EventType::FactorCreated, "factor.created"),
    (EventType::FactorVerified, "factor.verified"),
    (EventType::FactorDeleted, "factor.deleted"),
    (EventType::ChallengeApproved, "challenge.approved"),
    (EventType::ChallengeDenied, "challenge.denied"),
    (EventType::ChallengeExpired, "challenge.expired"),
    (EventType::NotificationDelivered, "notification.delivered"),
    (EventType::NotificationFailed, "notification.failed"),
    (EventType::NotificationExpired, "notification.expired"),
];

impl EventType {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(event, _)| *event == self).map_or("", |(_, word)| word)
    }
}

impl EventType {
    /// Whether a word names an event that this release knows.
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

/// Which body a webhook receives (wire reference §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookVersion {
    /// The short one.
    V1,
    /// The long one.
    V2,
}

impl WebhookVersion {
    /// The word on the wire and in the database.
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

/// An absolute http or https URL without user info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// Takes a URL and keeps it in its normal form (WHATWG URL): lower-case host, a path, no dot segments, escapes where
    /// they are needed, and no fragment, which is never sent. So what is shown, signed and called is one text. Spaces,
    /// backslashes and missing slashes are refused: they are more likely mistakes.
    ///
    /// # Errors
    /// Not absolute, another scheme, user info, or longer than 2,048 characters, as written or in its normal form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        crate::text::bounded(text, 1, 2_048)?;
        let url = Self::from_stored(text)?;
        crate::text::bounded(&url.0, 1, 2_048)?;
        Ok(url)
    }

    /// Reads a URL that was stored, also by a release that kept it as written.
    ///
    /// # Errors
    /// As [`WebhookUrl::parse`], length apart.
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

    /// Its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its SID.
    pub sid: WebhookSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The service whose events it hears.
    pub service: ServiceSid,
    /// What the operator calls it.
    pub friendly_name: FriendlyName,
    /// What it hears.
    pub event_types: Vec<EventType>,
    /// Where it listens.
    pub url: WebhookUrl,
    /// Whether it is called at all.
    pub enabled: bool,
    /// Which body it receives.
    pub version: WebhookVersion,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_absolute_and_without_user_info() {
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
    fn a_url_is_kept_in_the_form_in_which_it_is_called() {
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
            assert_eq!(WebhookUrl::parse(url.as_str()), Ok(url), "the normal form is its own");
        }
        let grows = format!("https://owlbank.example.com/{}", "ü".repeat(400));
        assert!(WebhookUrl::parse(&grows).is_err(), "too long once it is escaped");
    }

    #[test]
    fn events_are_known_by_their_exact_words() {
        for (event, word) in WORDS {
            assert_eq!(event.as_str(), word);
            assert_eq!(word.parse(), Ok(event));
        }
        for wrong in ["", "challenge", "challenge.Approved", "challenge.*", "challenge.created"] {
            assert!(wrong.parse::<EventType>().is_err(), "{wrong}");
        }
    }
}
