//! `[console]`: the operator's pages. `[admin]`: the operator's listener.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use countersign_domain::sid::AccountSid;
use countersign_verify::{SessionDurations, SignInRules};
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::{address_if_any, is_base, url_if_any};

/// `[admin]`: the operator's listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// The address that serves `/healthz`, `/readyz` and `/metrics` in plain HTTP. If absent, the main listener
    /// serves the first two, and `/metrics` is not served.
    #[serde(deserialize_with = "address_if_any")]
    pub listen: Option<SocketAddr>,
}

/// `[console]`: the operator's pages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// Whether the pages are served, at `/console`.
    pub enabled: bool,
    /// The listener that serves the pages.
    pub listen: ConsoleListener,
    /// The URL by which browsers reach the pages, without `/console`. If absent, `http.public_url`, or with `listen =
    /// "admin"` plain HTTP at `admin.listen`.
    #[serde(deserialize_with = "url_if_any")]
    pub public_url: Option<Url>,
    /// Seconds after which an operator must sign in again in any case; 300 to 2,592,000.
    pub session_seconds: u64,
    /// The account whose operators see what concerns the whole installation. If absent, those of the only account; with
    /// several accounts nobody.
    pub installation_account: Option<AccountSid>,
    /// Seconds without a request after which an operator must sign in again; 60 to `session_seconds`.
    pub session_idle_seconds: u64,
    /// Whether the token of an account, or the secret of an API key, signs in as well, for recovery.
    pub token_sign_in: bool,
    /// Whether an operator also approves a prompt on a device, which the first sign-in enrols.
    pub second_factor: bool,
}

/// The listener that serves the operator's pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleListener {
    /// `http.listen`.
    #[default]
    Main,
    /// `admin.listen` only.
    Admin,
}

impl Default for ConsoleSection {
    fn default() -> Self {
        let SessionDurations { max, idle } = SessionDurations::default();
        let SignInRules { by_token, second_factor } = SignInRules::default();
        Self {
            enabled: true,
            listen: ConsoleListener::Main,
            public_url: None,
            installation_account: None,
            session_seconds: max.as_secs(),
            session_idle_seconds: idle.as_secs(),
            token_sign_in: by_token,
            second_factor,
        }
    }
}

impl ConsoleSection {
    pub(super) fn check(&self, admin: &AdminSection) -> anyhow::Result<()> {
        ensure!(
            self.listen == ConsoleListener::Main || admin.listen.is_some(),
            "console.listen is \"admin\", and admin.listen is not set: set it to an address, for example 127.0.0.1:9090"
        );
        ensure!(
            (300..=2_592_000).contains(&self.session_seconds),
            "console.session_seconds must be 300 to 2592000"
        );
        ensure!(
            (60..=self.session_seconds).contains(&self.session_idle_seconds),
            "console.session_idle_seconds must be 60 to console.session_seconds, which is {}",
            self.session_seconds
        );
        self.public_url.as_ref().map_or(Ok(()), |url| is_base("console.public_url", url))
    }

    /// How long operators stay signed in.
    pub const fn sessions(&self) -> SessionDurations {
        SessionDurations {
            max: Duration::from_secs(self.session_seconds),
            idle: Duration::from_secs(self.session_idle_seconds),
        }
    }

    /// How people sign in.
    pub const fn sign_in(&self) -> SignInRules {
        SignInRules { by_token: self.token_sign_in, second_factor: self.second_factor }
    }
}
