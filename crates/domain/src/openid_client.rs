//! The settings of an integration that is a client of the OpenID provider.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::client_url::{ClientUrl, ClientUrls};
use crate::invalid::Invalid;
use crate::jws_key::JwsAlgorithm;

/// How a client learns of the answer to a question that it asked by CIBA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CibaMode {
    /// It may not ask by CIBA.
    #[default]
    Off,
    /// It asks the token endpoint.
    Poll,
    /// It is called, and then asks the token endpoint.
    Ping,
}

impl CibaMode {
    const ALL: [Self; 3] = [Self::Off, Self::Poll, Self::Ping];

    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Poll => "poll",
            Self::Ping => "ping",
        }
    }
}

impl FromStr for CibaMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(Invalid::because("must be off, poll or ping"))
    }
}

/// Whether a request by CIBA must carry a code of the person's authenticator app, so that nobody is asked who does not expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserCode {
    /// It need not, and none is judged.
    #[default]
    Off,
    /// It must.
    Required,
}

impl UserCode {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Required => "required",
        }
    }
}

impl FromStr for UserCode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "off" => Ok(Self::Off),
            "required" => Ok(Self::Required),
            _ => Err(Invalid::because("must be off or required")),
        }
    }
}

/// A client of the OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpenIdClient {
    /// Where the code flow may lead back to.
    #[serde(default)]
    pub redirect_uris: ClientUrls,
    /// How ID tokens are signed.
    #[serde(default)]
    pub id_token_alg: JwsAlgorithm,
    /// CIBA: how the client learns of the answer.
    #[serde(default)]
    pub ciba: CibaMode,
    /// CIBA: where the client is called in the mode `ping`.
    #[serde(default)]
    pub notification_endpoint: Option<ClientUrl>,
    /// CIBA: whether a request must carry a code.
    #[serde(default)]
    pub user_code: UserCode,
}

impl OpenIdClient {
    /// Checks that the client can be called if it must be.
    ///
    /// # Errors
    /// It is not said where.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.ciba == CibaMode::Ping && self.notification_endpoint.is_none() {
            return Err(Invalid::because("is required for the mode ping"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_called_says_where() {
        let ping = OpenIdClient { ciba: CibaMode::Ping, ..OpenIdClient::default() };
        assert!(ping.check().is_err());
        let endpoint = ClientUrl::parse("https://shop.example/ciba").ok();
        assert!(OpenIdClient { notification_endpoint: endpoint, ..ping }.check().is_ok());
        assert!(OpenIdClient::default().check().is_ok());
    }

    #[test]
    fn a_word_names_a_mode() {
        for mode in CibaMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!("push".parse::<CibaMode>().is_err());
        for wanted in [UserCode::Off, UserCode::Required] {
            assert_eq!(wanted.as_str().parse(), Ok(wanted));
        }
    }
}
