//! The security log: accepted and refused credentials, and every change to the records that they are judged by.
//!
//! An entry is a `tracing` event of the target [`TARGET`], with the fields `event`, `outcome`, `address`, `via`, `account`,
//! `operator`, `subject` and `reason`. Unknown fields are absent. Every field is a fixed word, a SID, an address or the name of an
//! operator. No text of a caller is repeated, so no entry holds a secret or can be forged. Actions of a person at the console are
//! kept in the audit trail as well. The subscriber limits the number of entries per event and address.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// A RADIUS client. The address of a datagram can be forged.
    Radius,
    /// The command line, or the server itself when it starts.
    Command,
}

impl Via {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Radius => "radius",
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

/// The most entries of one request that the audit trail keeps.
const MAX_NOTED: usize = 64;

/// An entry of an operator's request, as the audit trail keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) event: Event,
    pub(crate) subject: Option<String>,
    pub(crate) refusal: Option<String>,
}

/// The person at the console on whose behalf a request runs, and what was done so far.
pub(crate) struct Acting {
    /// The account that the person is signed in to.
    pub(crate) account: AccountSid,
    /// The person's name in the audit trail.
    pub(crate) name: String,
    /// The route of the request, which names actions without a name of their own.
    pub(crate) route: String,
    noted: Mutex<Vec<Noted>>,
    /// Whether an action stored its entry by its own command.
    has_entry: AtomicBool,
}

impl Acting {
    pub(crate) fn new(account: AccountSid, name: String, route: &str) -> Self {
        let (noted, has_entry) = (Mutex::default(), AtomicBool::new(false));
        Self { account, name, route: route.to_owned(), noted, has_entry }
    }

    /// Whether the request has no entry so far.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_entry.load(Ordering::Relaxed)
            && self.noted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the entries since the last call.
    pub(crate) fn take(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, noted: Noted) {
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_NOTED {
            all.push(noted);
        }
    }
}

tokio::task_local! {
    static ORIGIN: Origin;
    static ACTING: Arc<Acting>;
}

/// The person at the console on whose behalf this runs.
pub(crate) fn person() -> Option<Arc<Acting>> {
    ACTING.try_with(Arc::clone).ok()
}

/// Runs `work` on behalf of a person at the console.
pub(crate) async fn acting<F: Future>(acting: Arc<Acting>, work: F) -> F::Output {
    ACTING.scope(acting, work).await
}

/// Notes an entry for the audit trail and returns the name of the person who acts, if one does.
fn note(event: Event, subject: Option<String>, refusal: Option<String>) -> Option<String> {
    let noted = Noted { event, subject, refusal };
    let note = |acting: &Arc<Acting>| {
        acting.note(noted);
        acting.name.clone()
    };
    ACTING.try_with(note).ok()
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
    SignInPage "sign_in_page";
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
    OpenIdTokens "openid.tokens";
    SigningKeyCreated "signing_key.created";
    ServiceCreated "service.created";
    ServiceUpdated "service.updated";
    ServiceDeleted "service.deleted";
    OperatorCreated "operator.created";
    OperatorChanged "operator.changed";
    OperatorDeleted "operator.deleted";
    OperatorLink "operator.link";
    SecondFactorAsked "second_factor.asked";
    SecondFactorInvited "second_factor.invited";
    SecondFactorForgotten "second_factor.forgotten";
    SessionEnded "session.ended";
    ConsoleAction "console.action";
    SettingsReloaded "settings.reloaded";
    RotationBegun "master_key.rotation_begun";
    RotationFinished "master_key.rotation_finished";
    RotationAbandoned "master_key.rotation_abandoned";
}

/// Logs that `subject` was created, changed, used or ended.
pub fn done(event: Event, account: impl Into<Option<AccountSid>>, subject: impl Display) {
    let operator = note(event, Some(subject.to_string()), None);
    write(event, account.into(), &subject, operator);
}

/// Logs an action whose entry of the audit trail its own command has stored.
pub(crate) fn done_with_entry(
    event: Event,
    account: Option<AccountSid>,
    subject: &str,
    by: &Acting,
) {
    by.has_entry.store(true, Ordering::Relaxed);
    write(event, account, &subject, Some(by.name.clone()));
}

fn write(
    event: Event,
    account: Option<AccountSid>,
    subject: &dyn Display,
    operator: Option<String>,
) {
    let (Origin { address, via }, event) = (origin(), event.as_str());
    tracing::info!(
        target: TARGET,
        event,
        outcome = "success",
        address = address.map(display),
        via = via.as_str(),
        account = account.map(display),
        operator = operator.map(display),
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
    let operator = note(event, subject.map(ToString::to_string), Some(reason.to_string()));
    let event = event.as_str();
    tracing::warn!(
        target: TARGET,
        event,
        outcome = "failure",
        address = address.map(display),
        via = via.as_str(),
        account = account.map(display),
        operator = operator.map(display),
        subject = subject.map(display),
        reason = %reason,
        "{event}: failure"
    );
}

pub(crate) fn origin() -> Origin {
    ORIGIN.try_with(|origin| *origin).unwrap_or(Origin::THIS_PROCESS)
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
