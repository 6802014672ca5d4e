//! Errors of pages, and the pages that show them.
//!
//! An error travels as an extension of an empty response until the last layer of the router draws it, because only that layer
//! has the session and the console.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::role::Role;
use countersign_store::StoreError;
use countersign_verify::{AuthError, VerifyError};
use countersign_web::body::BodyError;
use http::StatusCode;

use crate::form::{KeptForm, TooManyFields};

/// Reason why a page cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageError {
    /// Nobody is signed in.
    SignedOut,
    /// The session of a form is over. Contains the form.
    Over(KeptForm),
    /// The sign-in waits for its second factor.
    SecondFactor,
    /// Unknown page, or nothing of that name in this account.
    NotFound,
    /// The form belongs to another session, or to no page of the console.
    Forged,
    /// The operator has another role than the one that is needed.
    Role { needs: Role, role: Role },
    /// The request was rejected, with a reason.
    Refused(String),
    /// Too many attempts to sign in. Contains the time until the next one is checked.
    TooMany(Duration),
    /// The form could not be read.
    Unread(BodyError),
    /// The account exceeds its rate of requests, or its number of concurrent ones.
    Busy,
    /// The database cannot be reached.
    Unavailable,
    /// An error of the server.
    Internal,
}

impl PageError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut | Self::Over(_) | Self::SecondFactor => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forged | Self::Role { .. } => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Unread(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unread(BodyError::Late) => StatusCode::REQUEST_TIMEOUT,
            Self::Unread(BodyError::Broken) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Why an action was not done, for the audit trail.
    pub(crate) fn refusal(&self) -> &'static str {
        match self {
            Self::Role { .. } => "the role does not allow it",
            Self::Forged => "the form was not of this session",
            _ => self.words().0,
        }
    }

    /// Where a person goes on instead, if they do not see the error.
    pub(crate) const fn way(&self) -> Option<&'static str> {
        match self {
            Self::SignedOut => Some("/sign-in"),
            Self::SecondFactor => Some("/sign-in/device"),
            _ => None,
        }
    }

    /// Seconds after which a retry can succeed, if waiting helps.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Unavailable | Self::Busy => Some(1),
            Self::TooMany(wait) => Some(wait.as_millis().div_ceil(1_000).max(1).try_into().ok()?),
            _ => None,
        }
    }

    /// Title and text of the page.
    pub(crate) fn words(&self) -> (&'static str, String) {
        let (title, text) = match self {
            Self::SignedOut | Self::Over(_) => {
                ("Sign in", "You are not signed in, or your session is over.")
            }
            Self::SecondFactor => ("Sign in", "Your sign-in is not complete."),
            Self::NotFound => (
                "Page not found",
                "No page has this address, or the resource does not exist in your account.",
            ),
            Self::Forged => (
                "This form was rejected",
                "It was made for another session, or did not come from a page of this console. Go back, load the page \
                 again and send it once more. Nothing was changed.",
            ),
            Self::Role { needs, role } => {
                return (
                    "Your role does not allow this",
                    format!(
                        "This needs the role “{needs}”, and yours is “{role}”. Nothing was changed."
                    ),
                );
            }
            Self::Refused(why) => return ("Rejected", why.clone()),
            Self::TooMany(wait) if *wait <= Duration::from_secs(60) => {
                let seconds = self.retry_after().unwrap_or(1);
                return (
                    "Too many attempts",
                    format!(
                        "Somebody tries to sign in as this user from many addresses, so each address has one attempt every \
                         ten seconds: wait {seconds} s and try again."
                    ),
                );
            }
            Self::TooMany(_) => (
                "Too many attempts",
                "Too many attempts from this address failed. Wait ten minutes at most and try again; from another address you can \
                 sign in at once.",
            ),
            Self::Unread(fault) => {
                return (
                    "This form was rejected",
                    format!("The form cannot be read: {fault}. Nothing was changed."),
                );
            }
            Self::Busy => (
                "Too many requests",
                "This account, its devices and its pages make more requests than one account may, a second or at a time. Load \
                 the page again in a moment.",
            ),
            Self::Unavailable => (
                "The database cannot be reached",
                "The server runs, but its database does not answer. Load the page again in a moment; the server's log \
                 has the details.",
            ),
            Self::Internal => ("Internal error", "The server's log has the details."),
        };
        (title, text.to_owned())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<VerifyError> for PageError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NotFound => Self::NotFound,
            VerifyError::Store(error) => error.into(),
            VerifyError::Parameter(parameter, why) => {
                Self::Refused(format!("The {parameter} {why}."))
            }
            VerifyError::ServiceParameter(_, why) => Self::Refused(format!("The setting {why}.")),
            VerifyError::FactorUnverified => Self::Refused(
                "The device has not proved its key yet, so it cannot be challenged.".into(),
            ),
            VerifyError::TooManyChallenges => Self::Refused(
                "The limit of challenges for the device or the person is reached. Try again later."
                    .into(),
            ),
            VerifyError::TooManyInARow(left) => Self::Refused(format!(
                "The person has approved none of the last challenges, and gets no more for {} minutes.",
                left.as_secs().div_ceil(60)
            )),
            VerifyError::ChallengeClosed(ChallengeClosedError::Expired) => {
                Self::Refused("The challenge has expired.".into())
            }
            other => {
                let mut words = other.to_string();
                if let Some(first) = words.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                Self::Refused(format!("{words}."))
            }
        }
    }
}

impl From<TooManyFields> for PageError {
    fn from(_: TooManyFields) -> Self {
        Self::Refused("The form has too many fields.".into())
    }
}

impl From<BodyError> for PageError {
    fn from(fault: BodyError) -> Self {
        Self::Unread(fault)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "A page of the console cannot be shown: {error}");
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Corrupt(_) => Self::Internal,
        }
    }
}

impl From<AuthError> for PageError {
    fn from(fault: AuthError) -> Self {
        match fault {
            AuthError::Store(error) => error.into(),
            AuthError::TooManyRequests => Self::Busy,
            AuthError::TooManyFailures(wait) => Self::TooMany(wait),
            _ => Self::SignedOut,
        }
    }
}
