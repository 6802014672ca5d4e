//! Why a use case came to nothing, in our own words. `api` alone turns them into statuses and codes.

use std::time::Duration;

use countersign_domain::challenge::CannotAnswer;
use countersign_domain::device_token::TokenFault;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::sid::FactorSid;
use countersign_store::StoreError;

/// Why a use case was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Nothing of that name is there for this caller: unknown, deleted, or somebody else's.
    #[error("not found")]
    NotFound,
    /// The factor that a parameter names is not there for this caller.
    #[error("factor {0} not found")]
    FactorNotFound(FactorSid),
    /// The caller is known, and may not do this.
    #[error("forbidden")]
    Forbidden,
    /// A service parameter that only the store or the clock could judge.
    #[error("invalid service parameter {0}: {1}")]
    ServiceParameter(&'static str, Invalid),
    /// Any other parameter that only the store or the clock could judge.
    #[error("invalid parameter {0}: {1}")]
    Parameter(&'static str, Invalid),
    /// The identity has an entity in the service.
    #[error("entity already exists")]
    EntityExists,
    /// Entities are made too fast in this account.
    #[error("entities rate limit exceeded")]
    TooManyEntities,
    /// The account makes too many requests.
    #[error("too many requests")]
    TooManyRequests,
    /// A living factor of the entity has the same public key.
    #[error("factor already exists")]
    FactorExists,
    /// The entity has as many factors of this type as it may have, which is so many.
    #[error("too many factors")]
    TooManyFactors(FactorType, u32),
    /// Too many factors were made for the entity today.
    #[error("too many factors today")]
    TooManyFactorsToday,
    /// The service has as many webhooks as it may have: so many, by `limits.webhooks_per_service`.
    #[error("too many webhooks")]
    TooManyWebhooks(u32),
    /// The access token is used up, or is for another identity or service: which of them.
    #[error("unauthorized factor creation: the access token {0}")]
    TokenNotForThis(Invalid),
    /// The signature or the code does not prove possession of the factor: why.
    #[error("factor verification failed: it {0}")]
    FactorNotProved(Invalid),
    /// The factor has seen too many wrong codes in a row.
    #[error("too many wrong codes")]
    TooManyCodes,
    /// The factor has not been verified.
    #[error("factor is unverified")]
    FactorUnverified,
    /// The factor, or its entity, has been asked too often.
    #[error("challenge limit reached")]
    TooManyChallenges,
    /// The challenge is no longer open.
    #[error("{0}")]
    CannotAnswer(#[from] CannotAnswer),
    /// The answer is no signed token at all.
    #[error("malformed answer")]
    AnswerMalformed,
    /// The answer's signature, a signed member or the code is wrong: which of them.
    #[error("challenge verification failed: it {0}")]
    AnswerRejected(Invalid),
    /// The challenge has seen too many wrong answers.
    #[error("too many wrong answers")]
    TooManyAnswers,
    /// The factor gets no pushes.
    #[error("factor has platform none")]
    PlatformNone,
    /// The challenge has as many notifications as it may have.
    #[error("notification limit reached")]
    TooManyNotifications,
    /// The account has as many services as it may have: so many, by `limits.services_per_account`.
    #[error("an account may have {0} services")]
    TooManyServices(u32),
    /// The account has as many push credentials as it may have: so many, by `limits.credentials_per_account`.
    #[error("an account may have {0} push credentials")]
    TooManyCredentials(u32),
    /// The account has as many API keys as it may have: so many, by `limits.api_keys_per_account`.
    #[error("an account may have {0} API keys: limits.api_keys_per_account")]
    TooManyApiKeys(u32),
    /// The account has as many entities as it may have: so many, by `limits.entities_per_account`.
    #[error("an account may have {0} entities")]
    TooManyStoredEntities(u32),
    /// The account would have more bytes stored than it may have: so many, by `limits.stored_bytes_per_account`.
    #[error("an account may have {0} bytes stored")]
    TooManyStoredBytes(u64),
    /// The account is suspended: nothing is sent for it.
    #[error("the account is suspended")]
    AccountSuspended,
    /// Others keep changing the same record.
    #[error("conflict")]
    Conflict,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a caller is not who they say they are. Always a 401, except for the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFault {
    /// Unknown user, wrong secret, or neither.
    #[error("no account, API key or device has these credentials")]
    Unknown,
    /// An access token that we did not make.
    #[error("not an access token that this server made, or not the whole of it")]
    AccessToken,
    /// An access token whose time has been over for this long.
    #[error("expired {} s ago", .0.as_secs())]
    AccessTokenExpired(Duration),
    /// A device token that is not good enough.
    #[error("{0}")]
    Device(#[from] TokenFault),
    /// The account makes too many requests.
    #[error("too many requests")]
    TooManyRequests,
    /// The credentials are good, and their account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// Too many credentials failed from this address; these are not judged for that long.
    #[error("too many failed credentials")]
    TooManyFailures(Duration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthFault {
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
