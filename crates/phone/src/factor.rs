//! A factor as the server returns it, and the platforms for prompts.

use serde_json::{Map, Value};

use crate::error::PhoneError;
use crate::wire::{text, wire_date};

pub(crate) const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The way in which a device receives prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// Apple's push service, by device token.
    Apn(String),
    /// Firebase, by registration token.
    Fcm(String),
    /// Web Push, by the subscription's JSON text.
    WebPush(String),
    /// The server's own device stream.
    Stream,
    /// None: the device polls.
    None,
}

impl Platform {
    /// The value in requests and responses.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Apn(_) => "apn",
            Self::Fcm(_) => "fcm",
            Self::WebPush(_) => "webpush",
            Self::Stream => "stream",
            Self::None => "none",
        }
    }

    /// The push token, for the platforms that have one.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Apn(token) | Self::Fcm(token) | Self::WebPush(token) => Some(token),
            Self::Stream | Self::None => None,
        }
    }

    /// The form fields of the platform.
    pub(crate) fn form(&self) -> Vec<(&str, &str)> {
        let mut form = vec![("Config.NotificationPlatform", self.as_str())];
        form.extend(self.token().map(|token| ("Config.NotificationToken", token)));
        form
    }
}

/// The members of a factor that both mobile SDKs require.
pub(crate) struct Factor {
    pub(crate) sid: String,
    pub(crate) account_sid: String,
    pub(crate) credential_sid: String,
    pub(crate) verified: bool,
}

impl Factor {
    pub(crate) fn parse(body: &Map<String, Value>) -> Result<Self, PhoneError> {
        text(body, "friendly_name")?;
        wire_date(&text(body, "date_created")?)?;
        let config = body.get("config").and_then(Value::as_object);
        let config = config.ok_or_else(|| PhoneError::malformed("a factor without config"))?;
        Ok(Self {
            sid: text(body, "sid")?,
            account_sid: text(body, "account_sid")?,
            credential_sid: text(config, "credential_sid")?,
            verified: match text(body, "status")?.as_str() {
                "verified" => true,
                "unverified" => false,
                other => return Err(PhoneError::malformed(format!("a factor of status {other}"))),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::vectors;

    #[test]
    fn the_documented_factor_is_accepted() {
        let factor = Factor::parse(&vectors::factor()).unwrap();
        assert_eq!(factor.sid, vectors::FACTOR_SID);
        assert_eq!(factor.account_sid, vectors::ACCOUNT_SID);
        assert_eq!(factor.credential_sid, vectors::CREDENTIAL_SID);
        assert!(!factor.verified);
    }

    #[test]
    fn a_factor_that_an_sdk_would_reject_is_malformed() {
        let needed = ["sid", "account_sid", "friendly_name", "status", "date_created", "config"];
        for name in needed {
            let mut body = vectors::factor();
            body.insert(name.into(), Value::Null);
            assert!(matches!(Factor::parse(&body), Err(PhoneError::Malformed(_))), "{name}");
        }
        let mut body = vectors::factor();
        body.insert("date_created".into(), "2023-11-14T22:13:20.5Z".into());
        assert!(matches!(Factor::parse(&body), Err(PhoneError::Malformed(_))));
    }

    #[test]
    fn only_push_services_have_a_token() {
        assert_eq!(Platform::Stream.form(), [("Config.NotificationPlatform", "stream")]);
        let form = [("Config.NotificationPlatform", "apn"), ("Config.NotificationToken", "ab")];
        assert_eq!(Platform::Apn("ab".into()).form(), form);
    }
}
