//! How a phone becomes a factor: what it tells the server about itself, and what it needs back.

use std::fmt;

use reqwest::Method;

use crate::clock::Clock;
use crate::error::Error;
use crate::factor::{Factor, Platform, SDK_VERSION};
use crate::key::DeviceKey;
use crate::phone::Phone;
use crate::registration::Registration;
use crate::server::{Call, Server};

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
