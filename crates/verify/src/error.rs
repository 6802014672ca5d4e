//! Why a use case failed. `api` alone turns these errors into statuses and codes.

use std::time::Duration;

use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::device_token::DeviceTokenError;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::presence_check::CodeRefusal;
use countersign_domain::protection::PauseReason;
use countersign_domain::service_form::ServiceParameter;
use countersign_domain::sid::FactorSid;
use countersign_store::StoreError;

use crate::parameter::Parameter;

/// The result of a use case.
pub type VerifyResult<T> = Result<T, VerifyError>;

/// Why there is no proof of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// There is no answer of its own device.
    #[error("the challenge has no answer of its device")]
    NotAnswered,
    /// The answer was not signed by a device, or was given before the server kept such answers.
    #[error(
        "the answer was a code, the server's own, or was given before signed answers were kept"
    )]
    NotKept,
    /// The proof contains the code that the person is to type.
    #[error("the proof is available once the code was confirmed")]
    CodeIsOpen,
}

/// Why a use case failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The record does not exist for this caller: it is unknown, deleted, or another account's.
    #[error("not found")]
    NotFound,
    /// The factor that a parameter names does not exist for this caller.
    #[error("factor {0} not found")]
    FactorNotFound(FactorSid),
    /// The challenge has no proof: why.
    #[error("no proof: {0}")]
    NoProof(NoProof),
    /// The caller is known, and may not do this.
    #[error("forbidden")]
    Forbidden,
    /// A setting of a service that only the store can judge.
    #[error("invalid service parameter {0:?}: {1}")]
    ServiceParameter(ServiceParameter, Invalid),
    /// Any other value that only the store or the clock can judge.
    #[error("invalid {0}: {1}")]
    Parameter(Parameter, Invalid),
    /// The identity has an entity in the service.
    #[error("entity already exists")]
    EntityExists,
    /// The account creates too many entities in a second.
    #[error("entities rate limit exceeded")]
    TooManyEntities,
    /// The account makes too many requests in a second.
    #[error("too many requests")]
    TooManyRequests,
    /// Another factor of the entity has the same public key.
    #[error("factor already exists")]
    FactorExists,
    /// The entity has reached its limit of factors of this type: the limit.
    #[error("too many factors")]
    TooManyFactors(FactorType, u32),
    /// Too many factors were created for the entity today.
    #[error("too many factors today")]
    TooManyFactorsToday,
    /// The service has reached `limits.webhooks_per_service`: the limit.
    #[error("too many webhooks")]
    TooManyWebhooks(u32),
    /// The service has reached `limits.integrations_per_service`: the limit.
    #[error("too many integrations")]
    TooManyIntegrations(u32),
    /// The access token does not allow this enrolment: why.
    #[error("unauthorized factor creation: the access token {0}")]
    TokenNotForThis(Invalid),
    /// The signature or the code does not prove possession of the factor: why.
    #[error("factor verification failed: it {0}")]
    FactorNotProved(Invalid),
    /// The factor has been shown too many wrong codes in a row.
    #[error("too many wrong codes")]
    TooManyCodes,
    /// The factor has not been verified.
    #[error("factor is unverified")]
    FactorUnverified,
    /// The factor, or its entity, has reached its limit of challenges.
    #[error("challenge limit reached")]
    TooManyChallenges,
    /// The factor has as many pending challenges as it may have at a time.
    #[error("the device has too many pending challenges")]
    TooManyPending,
    /// The entity has approved none of its last push challenges, and is paused: how long still.
    #[error("the person has approved none of the last challenges, and gets no more for {} s", .0.as_secs())]
    TooManyInARow(Duration),
    /// The entity is paused by the person or by the application, as the reason says: it gets no push challenge.
    #[error("the entity is paused ({})", .0.as_str())]
    Paused(PauseReason),
    /// The challenge is no longer open.
    #[error("{0}")]
    ChallengeClosed(#[from] ChallengeClosedError),
    /// The answer is no signed token.
    #[error("malformed answer")]
    AnswerMalformed,
    /// The signature, a signed member or the code of an answer is wrong: which of them.
    #[error("challenge verification failed: it {0}")]
    AnswerRejected(Invalid),
    /// The number that came with an approval is wrong: how many tries are left.
    #[error("wrong presence number, {0} tries left")]
    WrongNumber(u8),
    /// A code of a challenge's presence is refused.
    #[error("presence code refused: {0}")]
    PresenceCode(CodeRefusal),
    /// The challenge has seen too many wrong answers.
    #[error("too many wrong answers")]
    TooManyAnswers,
    /// The factor receives no pushes.
    #[error("factor has platform none")]
    PlatformNone,
    /// The challenge has reached its limit of notifications.
    #[error("notification limit reached")]
    TooManyNotifications,
    /// The account has reached `limits.services_per_account`: the limit.
    #[error("an account may have {0} services")]
    TooManyServices(u32),
    /// The account has reached `limits.credentials_per_account`: the limit.
    #[error("an account may have {0} push credentials")]
    TooManyCredentials(u32),
    /// The account has reached `limits.api_keys_per_account`: the limit.
    #[error("an account may have {0} API keys: limits.api_keys_per_account")]
    TooManyApiKeys(u32),
    /// The account has reached `limits.entities_per_account`: the limit.
    #[error("an account may have {0} entities")]
    TooManyStoredEntities(u32),
    /// The account would exceed `limits.stored_bytes_per_account`: the limit.
    #[error("an account may have {0} bytes stored")]
    TooManyStoredBytes(u64),
    /// The account is suspended: nothing is sent for it.
    #[error("the account is suspended")]
    AccountSuspended,
    /// Concurrent requests keep changing the same record.
    #[error("conflict")]
    Conflict,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why credentials were refused. `api` returns 401 for each of these except [`AuthError::TooManyRequests`],
/// [`AuthError::TooManyFailures`] and [`AuthError::Store`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The user is unknown, or the secret is wrong.
    #[error("no account, API key or device has these credentials")]
    Unknown,
    /// The access token was not made by this server, or is incomplete.
    #[error("not an access token that this server made, or not the whole of it")]
    AccessToken,
    /// The access token expired: how long ago.
    #[error("expired {} s ago", .0.as_secs())]
    AccessTokenExpired(Duration),
    /// The device token is invalid.
    #[error("{0}")]
    Device(#[from] DeviceTokenError),
    /// The account makes too many requests in a second.
    #[error("too many requests")]
    TooManyRequests,
    /// The credentials are good, and their account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// Too many credentials failed from this address: how long these are not judged.
    #[error("too many failed credentials")]
    TooManyFailures(Duration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// Whether the credentials were judged and are not good.
    pub const fn is_of_credentials(&self) -> bool {
        match self {
            Self::Unknown | Self::AccessToken | Self::AccessTokenExpired(_) | Self::Device(_) => {
                true
            }
            Self::TooManyRequests | Self::TooManyFailures(_) | Self::Suspended | Self::Store(_) => {
                false
            }
        }
    }
}
