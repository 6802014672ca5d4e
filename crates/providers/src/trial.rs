//! A push by hand, for whoever sets a credential up and wants to know whether it works.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::address::{Address, Platform};
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::{Push, Target};
use countersign_domain::sid::{
    AccountSid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, Message};
use countersign_domain::world::{Clock, Entropy, random};

use crate::apns::{Apns, ProviderTokens};
use crate::codes;
use crate::fcm::Fcm;
use crate::guard::Guard;
use crate::keyed::Keyed;
use crate::outgoing::Outgoing;
use crate::seam::Provider;
use crate::source::{CredentialSource, OpenedCredential, Unavailable};

/// A device token that Apple cannot know: what it says of it shows whether it knows us.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// How long a push by hand lives.
const TTL: Duration = Duration::from_secs(60);

/// What to try.
#[derive(Debug, Clone)]
pub struct Trial {
    /// For this account, whose calls to addresses of its own choice are bounded together.
    pub account: AccountSid,
    /// With this credential.
    pub credential: OpenedCredential,
    /// To this device; for a dry run with Apple there need be none.
    pub token: Option<String>,
    /// The app on it.
    pub app_id: AppId,
    /// What it is to show.
    pub message: Message,
    /// Nothing is to be shown: Google only looks at the push, Apple is sent one for a device that does not exist.
    pub dry: bool,
}

/// What a try says of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The push service takes it.
    Works,
    /// The push service refuses it, or it cannot be used at all.
    Refused,
    /// The push service refuses this push, and says nothing of the credential.
    PushRefused,
    /// The push service wants fewer pushes, and judged none.
    Throttled,
    /// The push service cannot be reached, or has a fault.
    Unreachable,
    /// This server failed.
    OurFault,
}

impl Standing {
    /// Whether the credential works; `None` if the try does not tell.
    pub const fn works(self) -> Option<bool> {
        match self {
            Self::Works => Some(true),
            Self::Refused => Some(false),
            Self::PushRefused | Self::Throttled | Self::Unreachable | Self::OurFault => None,
        }
    }

    /// The conclusion, as a sentence without its full stop.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "the credential works",
            Self::Refused => "the credential does not work",
            Self::PushRefused => {
                "the push service refuses this push, which says nothing of the credential: compare the app id and the token"
            }
            Self::Throttled => {
                "the push service asks for fewer pushes, which says nothing of the credential: try again later"
            }
            Self::Unreachable => {
                "the push service cannot be reached or fails, which says nothing of the credential: try again, or look at the network and at outgoing.…"
            }
            Self::OurFault => {
                "this server failed, which says nothing of the credential: its log may say more"
            }
        }
    }

    fn of(attempt: &Attempt) -> Self {
        match (attempt.outcome, attempt.provider_status) {
            (Outcome::Accepted | Outcome::Acknowledged | Outcome::Gone { .. }, _) => Self::Works,
            (Outcome::Refused { breaks_credential: true }, _) => Self::Refused,
            (Outcome::Later { .. }, Some(429)) => Self::Throttled,
            (Outcome::Later { .. }, _) if attempt.code == Some(codes::INTERNAL) => Self::OurFault,
            (Outcome::Later { .. }, _) => Self::Unreachable,
            (Outcome::Refused { .. }, Some(_)) => Self::PushRefused,
            // Nobody was asked: either the credential cannot be used, or the call could not be made.
            (Outcome::Refused { .. }, None) => match attempt.code {
                None | Some(codes::INTERNAL | codes::BAD_ADDRESS) => Self::OurFault,
                Some(_) => Self::Refused,
            },
            (Outcome::Unacknowledged | Outcome::Offline, _) => Self::OurFault,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The attempt, as a delivery would have recorded it.
    pub attempt: Attempt,
    /// What it says of the credential.
    pub standing: Standing,
    /// What it means, in words.
    pub words: String,
}

/// Sends one push with a credential and says what the answer means. A process that pushes besides hands in the guard and the
/// tokens that it pushes with.
///
/// # Errors
/// The token, or the settings for outgoing calls, are no use, or there is no such push service.
pub async fn try_credential(
    trial: Trial,
    outgoing: Outgoing,
    guard: &Guard,
    apple: Arc<ProviderTokens>,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Finding, Untried> {
    outgoing.check().map_err(Untried::Outgoing)?;
    let push = push(&trial, &*clock, entropy)?;
    let (kind, dry) = (trial.credential.kind, trial.dry);
    let source = Arc::new(Only(Arc::new(trial.credential)));
    let attempt = match kind {
        CredentialType::Apn => {
            let apns = Apns::new(outgoing, Arc::clone(&clock), apple);
            Keyed::new(apns, source, clock).send(&push).await
        }
        CredentialType::Fcm => {
            let fcm = Fcm::new(outgoing, guard.clone(), Arc::clone(&clock));
            let fcm = if dry { fcm.dry() } else { fcm };
            Keyed::new(fcm, source, clock).send(&push).await
        }
        CredentialType::Gcm => {
            return Err(Untried::Gcm);
        }
    };
    Ok(judge(attempt, kind, dry))
}

/// Why nothing was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untried {
    /// The settings of outgoing calls cannot be used.
    #[error("the settings of outgoing calls cannot be used: {0}")]
    Outgoing(Invalid),
    /// No address can be made of the push token, or there is none.
    #[error("the push token {0}")]
    Token(Invalid),
    /// No such push service exists any more.
    #[error("Google has switched GCM off: use a credential of type fcm")]
    Gcm,
}

/// The one credential there is.
struct Only(Arc<OpenedCredential>);

#[async_trait]
impl CredentialSource for Only {
    async fn credential(
        &self,
        _: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable> {
        Ok(Some(Arc::clone(&self.0)))
    }
}

fn push(trial: &Trial, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Push, Untried> {
    let platform = match trial.credential.kind {
        CredentialType::Apn => Platform::Apn,
        CredentialType::Fcm | CredentialType::Gcm => Platform::Fcm,
    };
    let nobody = (platform == Platform::Apn && trial.dry).then_some(NOBODY);
    let address = Address::new(platform, nobody.or(trial.token.as_deref()), false);
    Ok(Push {
        notification: NotificationSid::from_bytes(random(entropy)),
        challenge: ChallengeSid::from_bytes(random(entropy)),
        factor: FactorSid::from_bytes(random(entropy)),
        message: trial.message.clone(),
        target: Target {
            account: trial.account,
            service: ServiceSid::from_bytes([0; 16]),
            address: address.map_err(|bad| Untried::Token(bad.0))?,
            app_id: trial.app_id.clone(),
            credential: Some(trial.credential.sid),
        },
        expires_at: clock.now() + TTL,
        once: false,
    })
}

fn judge(attempt: Attempt, kind: CredentialType, dry: bool) -> Finding {
    let token_unknown = attempt.code == Some(codes::APNS_TOKEN);
    let (standing, words) = match attempt.outcome {
        Outcome::Accepted if dry => {
            (Standing::Works, "The push service would take this push.".to_owned())
        }
        Outcome::Accepted => (Standing::Works, "The push service took the push.".to_owned()),
        _ if kind == CredentialType::Apn && dry && token_unknown => {
            let words = "Apple takes the credential. Nothing was sent to a device.";
            (Standing::Works, words.to_owned())
        }
        // A device that is gone: the push was read and understood.
        _ => (Standing::of(&attempt), explain(attempt.code)),
    };
    Finding { attempt, standing, words }
}

fn explain(code: Option<ErrorCode>) -> String {
    code.and_then(codes::explain).unwrap_or("The push service gave no reason.").to_owned()
}

#[cfg(test)]
mod tests;
