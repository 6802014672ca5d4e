//! The refusals of the door: a status, and a word of the protocol (RFC 6749 section 5.2, CIBA Core sections 11 and 13). A description
//! names no person and repeats nothing that was sent.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use countersign_verify::{AuthError, VerifyError};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::binding::BindingError;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is malformed: why.
    InvalidRequest(&'static str),
    /// No integration of this service has this client id, the secret is not its own, or it may not be used from here.
    InvalidClient,
    /// The client was given no such right, or has used it.
    InvalidGrant,
    /// The scope does not hold `openid`.
    InvalidScope,
    /// The client is not registered for this.
    UnauthorizedClient,
    /// There is no such grant.
    UnsupportedGrant,
    /// The access token is none, or is over.
    InvalidToken,
    /// Nobody can be asked by this hint.
    UnknownUser,
    /// The client must send a code of the person.
    MissingUserCode,
    /// The code is wrong.
    InvalidUserCode,
    /// The message cannot be shown: why.
    InvalidBindingMessage(&'static str),
    /// The person may not be asked now.
    NotAsked,
    /// The person denied.
    Denied,
    /// The person has not answered yet.
    Pending,
    /// The client asks too often.
    SlowDown,
    /// The person has not answered in time.
    Expired,
    /// Too much is going on: when to try again.
    Busy(Duration),
    /// Too many bad credentials came from this address: when to try again.
    TooManyFailures(Duration),
    /// A part of the server is not to be reached.
    Unavailable,
}

impl Refusal {
    /// The status of the response.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::NotAsked => StatusCode::FORBIDDEN,
            Self::TooManyFailures(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy(_) | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The word of the protocol.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrant => "unsupported_grant_type",
            Self::InvalidToken => "invalid_token",
            Self::UnknownUser => "unknown_user_id",
            Self::MissingUserCode => "missing_user_code",
            Self::InvalidUserCode => "invalid_user_code",
            Self::InvalidBindingMessage(_) => "invalid_binding_message",
            Self::NotAsked | Self::Denied => "access_denied",
            Self::Pending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::Expired => "expired_token",
            Self::Busy(_) | Self::TooManyFailures(_) | Self::Unavailable => {
                "temporarily_unavailable"
            }
        }
    }

    /// A text for those who set the client up.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(why) | Self::InvalidBindingMessage(why) => why,
            Self::InvalidClient => "no client of this service has this id and this secret",
            Self::InvalidGrant => "this client was given no such right, or has used it",
            Self::InvalidScope => "the scope must hold openid",
            Self::UnauthorizedClient => "the client is not registered for this grant",
            Self::UnsupportedGrant => "there is no such grant",
            Self::InvalidToken => "the access token is none, or is over",
            Self::UnknownUser => "nobody can be asked by this hint",
            Self::MissingUserCode => "a code of the person's authenticator app is required",
            Self::InvalidUserCode => "the code is wrong or was used before",
            Self::NotAsked => "the person may not be asked now",
            Self::Denied => "the person denied",
            Self::Pending => "the person has not answered yet",
            Self::SlowDown => "ask at longer intervals",
            Self::Expired => "the person has not answered in time",
            Self::Busy(_) => "too many requests",
            Self::TooManyFailures(_) => "too many bad credentials came from this address",
            Self::Unavailable => "the server cannot answer now",
        }
    }

    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Busy(left) | Self::TooManyFailures(left) => Some(left.as_secs().max(1)),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }

    /// The value of `WWW-Authenticate`, for an error that credentials can mend.
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::InvalidClient => Some("Basic realm=\"countersign\""),
            Self::InvalidToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.word(), "error_description": self.description()});
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl From<BindingError> for Refusal {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::Message(why) => Self::InvalidBindingMessage(why),
            BindingError::Presence => Self::NotAsked,
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::TooManyRequests => Self::Busy(Duration::from_secs(1)),
            AuthError::TooManyFailures(left) => Self::TooManyFailures(left),
            AuthError::Store(error) => {
                tracing::warn!(%error, "the client of a request could not be read");
                Self::Unavailable
            }
            AuthError::Suspended
            | AuthError::Unknown
            | AuthError::AccessToken
            | AuthError::AccessTokenExpired(_)
            | AuthError::Device(_) => Self::InvalidClient,
        }
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Store(_) | VerifyError::Conflict => {
                tracing::warn!(%error, "a person could not be asked");
                Self::Unavailable
            }
            VerifyError::TooManyRequests
            | VerifyError::TooManyChallenges
            | VerifyError::TooManyStoredBytes(_) => Self::Busy(Duration::from_secs(1)),
            VerifyError::TooManyInARow(_)
            | VerifyError::Paused(_)
            | VerifyError::TooManyPending
            | VerifyError::AccountSuspended => Self::NotAsked,
            _ => Self::UnknownUser,
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::protection::PauseReason;
    use countersign_store::StoreError;

    use super::*;

    #[test]
    fn a_refusal_says_its_word_and_when_to_ask_again() {
        let busy = Refusal::Busy(Duration::from_millis(1)).into_response();
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            (&busy.headers()[RETRY_AFTER], &busy.headers()[CACHE_CONTROL]),
            (&"1".parse().unwrap(), &"no-store".parse().unwrap())
        );
        let stranger = Refusal::InvalidClient.into_response();
        assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
        assert!(stranger.headers().contains_key(WWW_AUTHENTICATE));
        assert_eq!(Refusal::Denied.status(), StatusCode::BAD_REQUEST);
        assert_eq!(Refusal::NotAsked.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn unknown_users_and_unverified_factors_have_one_error() {
        for error in [VerifyError::NotFound, VerifyError::FactorUnverified] {
            assert_eq!(Refusal::from(error), Refusal::UnknownUser);
        }
        let paused = VerifyError::Paused(PauseReason::Reported);
        assert_eq!(Refusal::from(paused), Refusal::NotAsked);
        let away = VerifyError::Store(StoreError::Unavailable("away".to_owned()));
        assert_eq!(Refusal::from(away), Refusal::Unavailable);
    }
}
