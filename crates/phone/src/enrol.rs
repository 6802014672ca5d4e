//! How a phone becomes a factor: what it tells the server about itself, and what it needs back.

use std::fmt;

use reqwest::Method;
use serde_json::{Map, Value};

use crate::challenge::wire_date;
use crate::clock::Clock;
use crate::error::Error;
use crate::key::DeviceKey;
use crate::phone::{Phone, Registration};
use crate::server::{Call, Server};

pub(crate) const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything a server must know to make a factor of this phone.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The service, `VA…`.
    pub service_sid: String,
    /// The application's name for the person.
    pub identity: String,
    /// What the person calls this phone.
    pub friendly_name: String,
    /// The application's id; on iOS also the default APNs topic.
    pub app_id: String,
    /// Where prompts are to be sent.
    pub platform: Platform,
    /// Who allows it.
    pub authority: Authority,
}

/// Where a device wants its prompts.
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
    /// Nowhere: the device asks.
    None,
}

/// Whose permission a device enrols with.
#[derive(Clone)]
pub enum Authority {
    /// The token that the application's backend got for this person.
    AccessToken(String),
    /// The account itself: for tests and tools, never on a real phone.
    Account {
        /// The account, `AC…`.
        sid: String,
        /// One of its auth tokens.
        auth_token: String,
    },
}

impl Enrolment {
    /// An enrolment for the device stream; change the public fields for anything else.
    pub fn new(
        service_sid: impl Into<String>,
        identity: impl Into<String>,
        authority: Authority,
    ) -> Self {
        Self {
            service_sid: service_sid.into(),
            identity: identity.into(),
            friendly_name: "Virtual phone".into(),
            app_id: "countersign.phone".into(),
            platform: Platform::Stream,
            authority,
        }
    }
}

impl Platform {
    /// The word on the wire.
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

    /// The form fields that say it.
    pub(crate) fn form(&self) -> Vec<(&str, &str)> {
        let mut form = vec![("Config.NotificationPlatform", self.as_str())];
        form.extend(self.token().map(|token| ("Config.NotificationToken", token)));
        form
    }
}

impl Authority {
    fn credentials(&self) -> (&str, &str) {
        match self {
            Self::AccessToken(token) => ("token", token),
            Self::Account { sid, auth_token } => (sid, auth_token),
        }
    }
}

/// Shows which kind it is, and never the secret.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessToken(_) => f.write_str("AccessToken(···)"),
            Self::Account { sid, .. } => write!(f, "Account({sid}, ···)"),
        }
    }
}

impl Phone {
    /// Makes a key and a factor, and verifies the factor: afterwards the phone can be challenged.
    pub async fn enrol(server: &Server, enrolment: &Enrolment) -> Result<Self, Error> {
        let phone = Self::create(server, enrolment, DeviceKey::generate()?).await?;
        phone.verify().await?;
        Ok(phone)
    }

    /// Makes a factor with a given key, and leaves it unverified.
    ///
    /// As in the mobile SDKs, a 401 is final here: the credentials are not the device's, so its
    /// clock is not to blame.
    pub async fn create(
        server: &Server,
        enrolment: &Enrolment,
        key: DeviceKey,
    ) -> Result<Self, Error> {
        let public_key = key.public_key_base64()?;
        let mut form = vec![
            ("FriendlyName", enrolment.friendly_name.as_str()),
            ("FactorType", "push"),
            ("Binding.PublicKey", &public_key),
            ("Binding.Alg", "ES256"),
            ("Config.SdkVersion", SDK_VERSION),
            ("Config.AppId", &enrolment.app_id),
        ];
        form.extend(enrolment.platform.form());
        let (service, identity) = (&enrolment.service_sid, &enrolment.identity);
        let path = ["v2", "Services", service, "Entities", identity, "Factors"];
        let call = Call { method: Method::POST, url: server.url(&path)?, form: &form };

        let answer = server.send(&call, enrolment.authority.credentials()).await?;
        let factor = Factor::parse(&answer.accepted()?.object()?)?;
        let registration = Registration {
            service_sid: service.clone(),
            identity: identity.clone(),
            account_sid: factor.account_sid,
            factor_sid: factor.sid,
            credential_sid: factor.credential_sid,
            friendly_name: enrolment.friendly_name.clone(),
            app_id: enrolment.app_id.clone(),
        };
        let clock = Clock::new(server.local_time(), 0);
        Ok(Self::new(server.clone(), registration, key, clock))
    }
}

/// What both mobile SDKs read from a factor; each is missing at the peril of the app.
pub(crate) struct Factor {
    pub(crate) sid: String,
    pub(crate) account_sid: String,
    pub(crate) credential_sid: String,
    pub(crate) verified: bool,
}

impl Factor {
    pub(crate) fn parse(body: &Map<String, Value>) -> Result<Self, Error> {
        text(body, "friendly_name")?;
        wire_date(&text(body, "date_created")?)?;
        let config = body.get("config").and_then(Value::as_object);
        let config = config.ok_or_else(|| Error::malformed("a factor without config"))?;
        Ok(Self {
            sid: text(body, "sid")?,
            account_sid: text(body, "account_sid")?,
            credential_sid: text(config, "credential_sid")?,
            verified: match text(body, "status")?.as_str() {
                "verified" => true,
                "unverified" => false,
                other => return Err(Error::malformed(format!("a factor of status {other}"))),
            },
        })
    }
}

/// A member that must be a string.
pub(crate) fn text(body: &Map<String, Value>, name: &str) -> Result<String, Error> {
    let value = body.get(name).and_then(Value::as_str);
    let value = value.ok_or_else(|| Error::malformed(format!("{name} is not a string")))?;
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::vectors;

    #[test]
    fn the_documented_factor_is_understood() {
        let factor = Factor::parse(&vectors::factor()).unwrap();
        assert_eq!(factor.sid, vectors::FACTOR_SID);
        assert_eq!(factor.account_sid, vectors::ACCOUNT_SID);
        assert_eq!(factor.credential_sid, vectors::CREDENTIAL_SID);
        assert!(!factor.verified);
    }

    #[test]
    fn a_factor_that_an_sdk_would_not_read_is_malformed() {
        let needed = ["sid", "account_sid", "friendly_name", "status", "date_created", "config"];
        for name in needed {
            let mut body = vectors::factor();
            body.insert(name.into(), Value::Null);
            assert!(matches!(Factor::parse(&body), Err(Error::Malformed(_))), "{name}");
        }
        let mut body = vectors::factor();
        body.insert("date_created".into(), "2023-11-14T22:13:20.5Z".into());
        assert!(matches!(Factor::parse(&body), Err(Error::Malformed(_))));
    }

    #[test]
    fn only_push_services_have_a_token() {
        assert_eq!(Platform::Stream.form(), [("Config.NotificationPlatform", "stream")]);
        let form = [("Config.NotificationPlatform", "apn"), ("Config.NotificationToken", "ab")];
        assert_eq!(Platform::Apn("ab".into()).form(), form);
    }

    #[test]
    fn debug_does_not_show_the_authority() {
        let account = Authority::Account { sid: "AC1".into(), auth_token: "hush".into() };
        for authority in [account, Authority::AccessToken("hush".into())] {
            let enrolment = Enrolment::new("VA1", "alice", authority);
            assert!(!format!("{enrolment:?}").contains("hush"));
        }
    }
}
