//! Enrolment of a phone as a factor.

use std::fmt;

use reqwest::Method;

use crate::clock::Clock;
use crate::error::PhoneError;
use crate::factor::{Factor, Platform, SDK_VERSION};
use crate::key::DeviceKey;
use crate::phone::Phone;
use crate::registration::Registration;
use crate::server::{Call, Server};

/// Everything the server needs to create a factor.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The service, `VA…`.
    pub service_sid: String,
    /// The application's identifier of the person.
    pub identity: String,
    /// The person's name for this phone.
    pub friendly_name: String,
    /// The application's id; on iOS also the default APNs topic.
    pub app_id: String,
    /// The platform for prompts.
    pub platform: Platform,
    /// Whether the phone asks its person for the number of a challenge. The mobile SDKs do not.
    pub takes_numbers: bool,
    /// The credentials for the enrolment.
    pub authority: Authority,
}

/// Credentials that permit an enrolment.
#[derive(Clone)]
pub enum Authority {
    /// The access token that the application obtained for this person.
    AccessToken(String),
    /// The account's own credentials: for tests and tools, never on a real phone.
    Account {
        /// The account, `AC…`.
        sid: String,
        /// One of its auth tokens.
        auth_token: String,
    },
}

impl Enrolment {
    /// An enrolment for the device stream. Change the public fields for other platforms.
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
            takes_numbers: false,
            authority,
        }
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

/// Shows the kind of credentials, never the secret.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessToken(_) => f.write_str("AccessToken(···)"),
            Self::Account { sid, .. } => write!(f, "Account({sid}, ···)"),
        }
    }
}

impl Phone {
    /// Creates a key and a factor and verifies the factor. Afterwards the phone can be challenged.
    pub async fn enrol(server: &Server, enrolment: &Enrolment) -> Result<Self, PhoneError> {
        let phone = Self::create(server, enrolment, DeviceKey::generate()?).await?;
        phone.verify().await?;
        Ok(phone)
    }

    /// Creates a factor with this key and leaves it unverified.
    ///
    /// A 401 is final, as in the mobile SDKs: the credentials are not the device's, so its clock cannot be the cause.
    pub async fn create(
        server: &Server,
        enrolment: &Enrolment,
        key: DeviceKey,
    ) -> Result<Self, PhoneError> {
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
        if enrolment.takes_numbers {
            form.push(("Config.Presence", "number"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_authority() {
        let account = Authority::Account { sid: "AC1".into(), auth_token: "hush".into() };
        for authority in [account, Authority::AccessToken("hush".into())] {
            let enrolment = Enrolment::new("VA1", "alice", authority);
            assert!(!format!("{enrolment:?}").contains("hush"));
        }
    }
}
