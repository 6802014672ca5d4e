//! The security log: who was let in and who was not, and every change to what that is judged by.
//!
//! A line is an event of the target [`TARGET`], with the fields `event`, `outcome`, `address`, `via`, `account`,
//! `subject` and `reason`; those that are not known are absent. Every field is a fixed word, a SID or an address: nothing
//! that a caller wrote is repeated, so no line holds a secret or can be forged. Whoever collects log lines bounds how
//! many of them are written for each event and address.

use std::fmt::{self, Display};
use std::net::IpAddr;

use countersign_domain::sid::AccountSid;

/// The target of every line.
pub const TARGET: &str = "countersign::security";

/// By which door a caller came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The API or the console.
    Http,
    /// A device's stream.
    Stream,
    /// The command line, or the server itself at its start.
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

/// From where the work at hand was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address, if there is one.
    pub address: Option<IpAddr>,
    /// The door.
    pub via: Via,
}

impl Origin {
    /// Outside of [`from`]: the process itself.
    const HERE: Self = Self { address: None, via: Via::Command };
}

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Does some work in the name of a caller: lines that it writes have the caller's address.
pub async fn from<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}

macro_rules! events {
    ($($event:ident $name:literal;)*) => {
        /// What a line is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum Event {
            $($event),*
        }

        impl Event {
            /// All of them, for the documentation to be held against.
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
    Answer "challenge.answer";
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
    ServiceCreated "service.created";
    ServiceUpdated "service.updated";
    ServiceDeleted "service.deleted";
    SettingsReloaded "settings.reloaded";
}

/// Something was done: what is there by `subject` was made, changed or ended.
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

/// Something was refused, or a caller is refused from now on. `subject` is what was claimed or meant, as far as it has the
/// form of a SID; `reason` is a sentence of ours.
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
    ORIGIN.try_with(|origin| *origin).unwrap_or(Origin::HERE)
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
