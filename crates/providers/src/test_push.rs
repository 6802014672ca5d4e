//! A test push, which tells whether a credential works.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::address::{Address, Platform};
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::prospect::{Push, Target};
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, Message};
use countersign_domain::world::{Clock, Entropy, random};

use crate::apns::{Apns, ProviderTokens};
use crate::codes;
use crate::credential_provider::CredentialProvider;
use crate::fcm::Fcm;
use crate::guard::Guard;
use crate::outgoing::Outgoing;
use crate::seam::Provider;
use crate::source::{CredentialSource, OpenedCredential, Unavailable};

/// A device token that Apple cannot know: its response shows whether it accepts the credential.
const UNKNOWN_TOKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The TTL of a test push.
const TTL: Duration = Duration::from_secs(60);

/// A test push.
#[derive(Debug, Clone)]
pub struct TestPush {
    /// The account, whose calls to addresses of its own choice are bounded together.
    pub account: AccountSid,
    /// The credential to test.
    pub credential: OpenedCredential,
    /// The device's push token; not needed for a dry run with Apple.
    pub token: Option<String>,
    /// The app on the device.
    pub app_id: AppId,
    /// The message to show.
    pub message: Message,
    /// Whether no device is to show anything: Google only validates the push, Apple gets one for a device that does not exist.
    pub is_dry_run: bool,
}

/// The verdict of a test push about the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestConclusion {
    /// The push service accepts the credential.
    Works,
    /// The push service rejects the credential, or it cannot be used.
    Rejected,
    /// The push service rejects this push, which says nothing about the credential.
    PushRejected,
    /// The push service asks for fewer pushes, and judged none.
    Throttled,
    /// The push service cannot be reached, or fails.
    Unreachable,
    /// This server failed.
    ServerError,
}

impl TestConclusion {
    /// Whether the credential works; `None` if the test does not tell.
    pub const fn works(self) -> Option<bool> {
        match self {
            Self::Works => Some(true),
            Self::Rejected => Some(false),
            Self::PushRejected | Self::Throttled | Self::Unreachable | Self::ServerError => None,
        }
    }

    /// The conclusion, as a sentence without its full stop.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "the credential works",
            Self::Rejected => "the credential does not work",
            Self::PushRejected => {
                "the push service refuses this push, which says nothing about the credential: compare the app id and the token"
            }
            Self::Throttled => {
                "the push service asks for fewer pushes, which says nothing about the credential: try again later"
            }
            Self::Unreachable => {
                "the push service cannot be reached or fails, which says nothing about the credential: try again, or check the network and the settings of [outgoing]"
            }
            Self::ServerError => {
                "this server failed, which says nothing about the credential: see its log"
            }
        }
    }

    fn of(attempt: &Attempt) -> Self {
        match (attempt.outcome, attempt.provider_status) {
            (Outcome::Accepted | Outcome::Acknowledged | Outcome::Gone { .. }, _) => Self::Works,
            (Outcome::Refused { breaks_credential: true }, _) => Self::Rejected,
            (Outcome::Later { .. }, Some(429)) => Self::Throttled,
            (Outcome::Later { .. }, _) if attempt.code == Some(codes::INTERNAL) => {
                Self::ServerError
            }
            (Outcome::Later { .. }, _) => Self::Unreachable,
            (Outcome::Refused { .. }, Some(_)) => Self::PushRejected,
            // No request was sent: the credential cannot be used, or the call could not be made.
            (Outcome::Refused { .. }, None) => match attempt.code {
                None | Some(codes::INTERNAL | codes::BAD_ADDRESS) => Self::ServerError,
                Some(_) => Self::Rejected,
            },
            (Outcome::Unacknowledged | Outcome::Offline, _) => Self::ServerError,
        }
    }
}

/// The result of a test push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The attempt, as a delivery would record it.
    pub attempt: Attempt,
    /// Its verdict about the credential.
    pub conclusion: TestConclusion,
    /// The meaning of the response, for an operator.
    pub explanation: String,
}

/// Sends a test push and explains the response. A process that also delivers pushes passes the guard and the tokens that it
/// delivers with.
///
/// # Errors
/// The token or the settings for outgoing calls cannot be used, or the push service does not exist any more.
pub async fn send_test_push(
    test: TestPush,
    outgoing: Outgoing,
    guard: &Guard,
    apple: Arc<ProviderTokens>,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<TestReport, TestPushError> {
    outgoing.check().map_err(TestPushError::Outgoing)?;
    let push = push(&test, &*clock, entropy)?;
    let (kind, is_dry_run) = (test.credential.kind, test.is_dry_run);
    let source = Arc::new(SingleCredential(Arc::new(test.credential)));
    let attempt = match kind {
        CredentialType::Apn => {
            let apns = Apns::new(outgoing, Arc::clone(&clock), apple);
            CredentialProvider::new(apns, source, clock).send(&push).await
        }
        CredentialType::Fcm => {
            let fcm = Fcm::new(outgoing, guard.clone(), Arc::clone(&clock));
            let fcm = if is_dry_run { fcm.dry_run() } else { fcm };
            CredentialProvider::new(fcm, source, clock).send(&push).await
        }
        CredentialType::Gcm => {
            return Err(TestPushError::Gcm);
        }
    };
    Ok(judge(attempt, kind, is_dry_run))
}

/// Why no test push was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestPushError {
    /// The settings for outgoing calls cannot be used.
    #[error("the settings of [outgoing] cannot be used: {0}")]
    Outgoing(Invalid),
    /// The push token is missing or malformed.
    #[error("the push token {0}")]
    Token(Invalid),
    /// GCM does not exist any more.
    #[error("Google has switched GCM off: use a credential of type fcm")]
    Gcm,
}

/// A source with a single credential.
struct SingleCredential(Arc<OpenedCredential>);

#[async_trait]
impl CredentialSource for SingleCredential {
    async fn credential(
        &self,
        _: CredentialSid,
    ) -> Result<Option<Arc<OpenedCredential>>, Unavailable> {
        Ok(Some(Arc::clone(&self.0)))
    }
}

fn push(test: &TestPush, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Push, TestPushError> {
    let platform = match test.credential.kind {
        CredentialType::Apn => Platform::Apn,
        CredentialType::Fcm | CredentialType::Gcm => Platform::Fcm,
    };
    let unknown = (platform == Platform::Apn && test.is_dry_run).then_some(UNKNOWN_TOKEN);
    let address = Address::new(platform, unknown.or(test.token.as_deref()), false);
    Ok(Push {
        notification: NotificationSid::from_bytes(random(entropy)),
        challenge: ChallengeSid::from_bytes(random(entropy)),
        factor: FactorSid::from_bytes(random(entropy)),
        message: test.message.clone(),
        manner: PromptManner::default(),
        target: Target {
            account: test.account,
            service: ServiceSid::from_bytes([0; 16]),
            address: address.map_err(|bad| TestPushError::Token(bad.0))?,
            app_id: test.app_id.clone(),
            credential: Some(test.credential.sid),
            user_verification: UserVerification::None,
        },
        expires_at: clock.now() + TTL,
        once: false,
    })
}

fn judge(attempt: Attempt, kind: CredentialType, is_dry_run: bool) -> TestReport {
    let token_unknown = attempt.code == Some(codes::APNS_TOKEN);
    let (conclusion, explanation) = match attempt.outcome {
        Outcome::Accepted if is_dry_run => {
            (TestConclusion::Works, "The push service would accept this push.".to_owned())
        }
        Outcome::Accepted => {
            (TestConclusion::Works, "The push service accepted the push.".to_owned())
        }
        _ if kind == CredentialType::Apn && is_dry_run && token_unknown => {
            let text = "Apple takes the credential. Nothing was sent to a device.";
            (TestConclusion::Works, text.to_owned())
        }
        // A device that is gone counts as well: the push was read and understood.
        _ => (TestConclusion::of(&attempt), explain(attempt.code)),
    };
    TestReport { attempt, conclusion, explanation }
}

fn explain(code: Option<ErrorCode>) -> String {
    code.and_then(codes::explain).unwrap_or("The push service gave no reason.").to_owned()
}

#[cfg(test)]
mod tests;
