//! The security log: accepted and refused credentials, and every change to the records that they are judged by.
//!
//! An entry is a `tracing` event of the target [`TARGET`], with the fields `event`, `outcome`, `address`, `via`, `account`,
//! `subject` and `reason`. Unknown fields are absent. Every field is a fixed word, a SID or an address. No text of a caller is
//! repeated, so no entry holds a secret or can be forged. The subscriber limits the number of entries per event and address.

use std::fmt::{self, Display};
use std::net::IpAddr;

use countersign_domain::sid::AccountSid;

/// The `tracing` target of every entry.
pub const TARGET: &str = "countersign::security";

/// The interface that a caller used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The API or the console.
    Http,
    /// The stream of a device.
    Stream,
    /// The command line, or the server itself when it starts.
    Command,
}

impl Via {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Command => "command",
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address, if there is one.
    pub address: Option<IpAddr>,
    /// The interface.
    pub via: Via,
}

impl Origin {
    /// Outside of [`from`]: this process.
    const THIS_PROCESS: Self = Self { address: None, via: Via::Command };
}

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Runs `work` with an origin that its entries are written with.
pub async fn from<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}

macro_rules! events {
    ($($event:ident $name:literal;)*) => {
        /// The subject of an entry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each name is its word in the log")]
        pub enum Event {
            $($event),*
        }

        impl Event {
            /// All events, for the test of their documentation.
            pub const ALL: &'static [Self] = &[$(Self::$event),*];

            /// The word in the field `event`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$event => $name),*
                }
            }
        }
    };
}

events! {
    Credentials "credentials";
    Throttle "throttle";
    SignIn "sign_in";
    SignOut "sign_out";
    SignInThrottle "sign_in_throttle";
    FactorCreated "factor.created";
    FactorVerified "factor.verified";
    FactorDeleted "factor.deleted";
    EntityDeleted "entity.deleted";
    EntityPaused "entity.paused";
    EntityResumed "entity.resumed";
    Answer "challenge.answer";
    ChallengeReported "challenge.reported";
    AccountCreated "account.created";
    AccountSuspended "account.suspended";
    AccountResumed "account.resumed";
    TokenRotated "token.rotated";
    TokenPromoted "token.promoted";
    TokensEvicted "tokens.evicted";
    ApiKeyCreated "api_key.created";
    ApiKeyRevoked "api_key.revoked";
    CredentialCreated "credential.created";
    CredentialUpdated "credential.updated";
    CredentialDeleted "credential.deleted";
    WebhookCreated "webhook.created";
    WebhookUpdated "webhook.updated";
    WebhookDeleted "webhook.deleted";
    IntegrationCreated "integration.created";
    IntegrationUpdated "integration.updated";
    IntegrationRotated "integration.rotated";
    IntegrationDeleted "integration.deleted";
    ServiceCreated "service.created";
    ServiceUpdated "service.updated";
    ServiceDeleted "service.deleted";
    SettingsReloaded "settings.reloaded";
}

/// Logs that `subject` was created, changed, used or ended.
pub fn done(event: Event, account: impl Into<Option<AccountSid>>, subject: impl Display) {
    let (Origin { address, via }, account) = (origin(), account.into());
    let event = event.as_str();
    tracing::info!(
        target: TARGET,
        event,
        outcome = "success",
        address = address.map(display),
        via = via.as_str(),
        account = account.map(display),
        subject = %subject,
        "{event}: success"
    );
}

/// Logs a refusal. `subject` is the record that the caller named, if that has the form of a SID; `reason` is a fixed sentence of
/// this server.
pub fn refused(
    event: Event,
    account: impl Into<Option<AccountSid>>,
    subject: Option<&dyn Display>,
    reason: &dyn Display,
) {
    let (Origin { address, via }, account) = (origin(), account.into());
    let event = event.as_str();
    tracing::warn!(
        target: TARGET,
        event,
        outcome = "failure",
        address = address.map(display),
        via = via.as_str(),
        account = account.map(display),
        subject = subject.map(display),
        reason = %reason,
        "{event}: failure"
    );
}

fn origin() -> Origin {
    ORIGIN.try_with(|origin| *origin).unwrap_or(Origin::THIS_PROCESS)
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
