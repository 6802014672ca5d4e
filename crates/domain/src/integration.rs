//! An integration: a system that asks for approvals by a protocol of its own, such as an ssh server or a VPN gateway. Twilio has no
//! such resource.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::client_url::ClientUrls;
use crate::invalid::Invalid;
use crate::openid_client::OpenIdClient;
pub use crate::radius_client::{MessageAuthenticator, RadiusMode};
use crate::secret::{Sealed, Secret};
use crate::service_protection::PresenceList;
use crate::sid::{AccountSid, IntegrationSid, ServiceSid};
use crate::sites::Sites;
use crate::source_networks::SourceNetworks;
use crate::text::{FriendlyName, Identity};
use crate::time::Instant;
pub use crate::unknown_users::UnknownUsers;
use crate::user_mapping::UserMapping;
use crate::world::{Entropy, random};

/// How many seconds a prompt may live.
pub const PROMPT_SECONDS: RangeInclusive<u32> = 10..=600;

/// How many seconds a browser may stay signed in: five minutes to thirty days.
pub const SESSION_SECONDS: RangeInclusive<u32> = 300..=2_592_000;

/// The protocol of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntegrationKind {
    /// Clients of the Duo Auth API, and of Universal Prompt.
    Duo,
    /// RADIUS clients.
    Radius,
    /// Clients of the OpenID provider.
    OpenId,
    /// Keycloak, which asks for its own clients.
    Keycloak,
    /// Web servers that ask before each request whether its browser is signed in, and send others to the sign-in page.
    ForwardAuth,
}

impl IntegrationKind {
    const ALL: [Self; 5] =
        [Self::Duo, Self::Radius, Self::OpenId, Self::Keycloak, Self::ForwardAuth];

    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duo => "duo",
            Self::Radius => "radius",
            Self::OpenId => "openid",
            Self::Keycloak => "keycloak",
            Self::ForwardAuth => "forward_auth",
        }
    }

    /// The length of a secret. Clients of the Duo Auth API demand 40 characters; some RADIUS clients take no more than 32.
    const fn secret_length(self) -> usize {
        match self {
            Self::Duo | Self::OpenId | Self::Keycloak | Self::ForwardAuth => 40,
            Self::Radius => 32,
        }
    }

    /// Draws a secret of letters and digits.
    pub fn draw_secret(self, entropy: &dyn Entropy) -> Secret {
        const CHARACTERS: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let drawn = (0..self.secret_length()).map(|_| draw(CHARACTERS, entropy));
        Secret::new(drawn.map(char::from).collect::<String>())
    }
}

impl FromStr for IntegrationKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(Invalid::because("must be duo, radius, openid, keycloak or forward_auth"))
    }
}

/// One of `characters`. The first ones are more likely than the last by less than one in a million.
fn draw(characters: &[u8], entropy: &dyn Entropy) -> u8 {
    let number = u32::from_le_bytes(random(entropy));
    characters[number as usize % characters.len()]
}

/// The key by which a client names its integration: `DI` and 18 capital letters and digits. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntegrationKey([u8; 20]);

impl IntegrationKey {
    const PREFIX: &'static [u8; 2] = b"DI";

    /// Draws a key.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 20];
        key[..2].copy_from_slice(Self::PREFIX);
        key[2..].fill_with(|| draw(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", entropy));
        Self(key)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for IntegrationKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let form = Invalid::because("must be DI and 18 capital letters and digits");
        let key: [u8; 20] = text.as_bytes().try_into().map_err(|_| form.clone())?;
        let is_valid = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        if key.starts_with(Self::PREFIX) && key.iter().all(is_valid) {
            Ok(Self(key))
        } else {
            Err(form)
        }
    }
}

impl fmt::Display for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The settings of an integration that an application can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationSettings {
    /// A name, which prompts show.
    pub friendly_name: FriendlyName,
    /// The identity of a user name.
    #[serde(default)]
    pub users: UserMapping,
    /// The treatment of users without a device.
    #[serde(default)]
    pub unknown_users: UnknownUsers,
    /// The presence proofs of an approval; `None`: those of the service.
    #[serde(default)]
    pub presence: Option<PresenceList>,
    /// Where requests may come from.
    #[serde(default)]
    pub networks: SourceNetworks,
    /// How long a prompt lives, within [`PROMPT_SECONDS`].
    #[serde(default = "prompt_seconds")]
    pub prompt_seconds: u32,
    /// Duo: whether signatures without a date are accepted, which can be replayed.
    #[serde(default)]
    pub legacy: bool,
    /// Duo: the addresses to which Universal Prompt may lead browsers back; none: it is off.
    #[serde(default)]
    pub duo_redirect_uris: ClientUrls,
    /// RADIUS: how the client learns of the answer.
    #[serde(default)]
    pub radius_mode: RadiusMode,
    /// RADIUS: whether requests must be authenticated.
    #[serde(default)]
    pub message_authenticator: MessageAuthenticator,
    /// OpenID: what the client is registered with.
    #[serde(default)]
    pub openid: OpenIdClient,
    /// Keycloak: the issuers of the realms that ask, which answers go back to.
    #[serde(default)]
    pub keycloak_issuers: ClientUrls,
    /// Forward-auth: the sites that it protects.
    #[serde(default)]
    pub sites: Sites,
    /// Forward-auth: how long a browser stays signed in, within [`SESSION_SECONDS`].
    #[serde(default = "session_seconds")]
    pub session_seconds: u32,
}

/// A setting without which an integration of its kind cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntegrationPart {
    /// The networks of RADIUS clients.
    Networks,
    /// Where a client of the OpenID provider is called.
    NotificationEndpoint,
    /// The issuers of Keycloak's realms.
    KeycloakIssuers,
    /// The sites that forward-auth protects.
    Sites,
}

const fn session_seconds() -> u32 {
    8 * 60 * 60
}

const fn prompt_seconds() -> u32 {
    60
}

impl IntegrationSettings {
    /// The settings of an integration of that name, with all others at their defaults.
    pub fn named(friendly_name: FriendlyName) -> Self {
        Self {
            friendly_name,
            users: UserMapping::default(),
            unknown_users: UnknownUsers::default(),
            presence: None,
            networks: SourceNetworks::default(),
            prompt_seconds: prompt_seconds(),
            legacy: false,
            duo_redirect_uris: ClientUrls::default(),
            radius_mode: RadiusMode::default(),
            message_authenticator: MessageAuthenticator::default(),
            openid: OpenIdClient::default(),
            keycloak_issuers: ClientUrls::default(),
            sites: Sites::default(),
            session_seconds: session_seconds(),
        }
    }

    /// Checks what an integration of this kind needs.
    ///
    /// # Errors
    /// The part that is missing, and why it is needed.
    pub fn check(&self, kind: IntegrationKind) -> Result<(), (IntegrationPart, Invalid)> {
        let (part, why) = match kind {
            IntegrationKind::Radius if self.networks.is_empty() => (
                IntegrationPart::Networks,
                Invalid::because("is required for radius, whose clients are known by it"),
            ),
            IntegrationKind::Keycloak if self.keycloak_issuers.is_empty() => (
                IntegrationPart::KeycloakIssuers,
                Invalid::because("is required for keycloak, whose answers go there"),
            ),
            IntegrationKind::OpenId => {
                let checked = self.openid.check();
                return checked.map_err(|why| (IntegrationPart::NotificationEndpoint, why));
            }
            IntegrationKind::ForwardAuth if self.sites.is_empty() => (
                IntegrationPart::Sites,
                Invalid::because("is required for forward_auth, which protects them"),
            ),
            _ => return Ok(()),
        };
        Err((part, why))
    }
}

/// An integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Its SID.
    pub sid: IntegrationSid,
    /// The account that it belongs to.
    pub account: AccountSid,
    /// The service whose people it asks.
    pub service: ServiceSid,
    /// Its protocol.
    pub kind: IntegrationKind,
    /// The key by which its client names it.
    pub key: IntegrationKey,
    /// The secret that its client shares with this server.
    pub secret: Sealed,
    /// The settings that an application can change.
    pub settings: IntegrationSettings,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

impl Integration {
    /// The identity of a user name.
    ///
    /// # Errors
    /// The name has none.
    pub fn identity(&self, user_name: &str) -> Result<Identity, Invalid> {
        self.settings.users.identity(self.service, user_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up from zero.
    struct Counter(std::sync::Mutex<u8>);

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            let mut next = self.0.lock().unwrap();
            for byte in bytes {
                *byte = *next;
                *next = next.wrapping_add(13);
            }
        }
    }

    fn entropy() -> Counter {
        Counter(std::sync::Mutex::new(0))
    }

    #[test]
    fn keys_and_secrets_have_the_form_that_clients_check() {
        let entropy = entropy();
        let key = IntegrationKey::draw(&entropy);
        assert_eq!(key.as_str().parse(), Ok(key));
        assert_eq!((key.as_str().len(), &key.as_str()[..2]), (20, "DI"));
        assert_ne!(IntegrationKey::draw(&entropy), key);
        for wrong in
            ["", "DI", "DIXYZV6YM8IFYVWBINC", "DIXYZV6YM8IFYVWBINCa", "XXXYZV6YM8IFYVWBINCA"]
        {
            assert!(wrong.parse::<IntegrationKey>().is_err(), "{wrong}");
        }
        for (kind, length) in [
            (IntegrationKind::Duo, 40),
            (IntegrationKind::Radius, 32),
            (IntegrationKind::OpenId, 40),
            (IntegrationKind::Keycloak, 40),
            (IntegrationKind::ForwardAuth, 40),
        ] {
            let secret = kind.draw_secret(&entropy);
            assert_eq!(secret.expose().len(), length);
            assert!(secret.expose().bytes().all(|c| c.is_ascii_alphanumeric()));
            assert_ne!(kind.draw_secret(&entropy).expose(), secret.expose());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }

    #[test]
    fn settings_of_another_release_are_read_and_all_members_are_written() {
        let read: IntegrationSettings =
            serde_json::from_str(r#"{"friendly_name":"ssh","later":1}"#).unwrap();
        assert_eq!(read, IntegrationSettings::named(FriendlyName::parse("ssh").unwrap()));
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written.as_object().unwrap().len(), 14);
        assert_eq!(written["prompt_seconds"], 60);
    }

    #[test]
    fn a_kind_needs_what_it_cannot_work_without() {
        let settings = IntegrationSettings::named(FriendlyName::parse("vpn").unwrap());
        let missing =
            |settings: &IntegrationSettings, kind| settings.check(kind).err().map(|(part, _)| part);
        assert_eq!(missing(&settings, IntegrationKind::Duo), None);
        assert_eq!(missing(&settings, IntegrationKind::OpenId), None);
        let networks = Some(IntegrationPart::Networks);
        assert_eq!(missing(&settings, IntegrationKind::Radius), networks);
        let issuers = Some(IntegrationPart::KeycloakIssuers);
        assert_eq!(missing(&settings, IntegrationKind::Keycloak), issuers);
        let networks = SourceNetworks::parse(["192.0.2.1"].into_iter()).unwrap();
        let keycloak_issuers =
            ClientUrls::parse(["https://sso.example/realms/main"].into_iter()).unwrap();
        assert_eq!(missing(&settings, IntegrationKind::ForwardAuth), Some(IntegrationPart::Sites));
        let sites = Sites::parse(["https://wiki.example.com"].into_iter()).unwrap();
        let settings = IntegrationSettings { networks, keycloak_issuers, sites, ..settings };
        assert_eq!(missing(&settings, IntegrationKind::ForwardAuth), None);
        assert_eq!(missing(&settings, IntegrationKind::Radius), None);
        assert_eq!(missing(&settings, IntegrationKind::Keycloak), None);
    }
}
