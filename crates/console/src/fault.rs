//! Why there is no page, as a page. A fault travels as an extension of an empty response until the router's last layer
//! draws it: only there the session and the place of the console are at hand.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_domain::challenge::ChallengeClosedError;
use countersign_store::StoreError;
use countersign_verify::{AuthError, VerifyError};
use countersign_web::body::BodyError;
use http::StatusCode;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody is signed in.
    SignedOut,
    /// There is no such page, or nothing of that name in this account.
    NotFound,
    /// The form is of another session, or of no page of ours.
    Forged,
    /// It was refused, for that reason.
    Refused(String),
    /// There were too many tries to sign in; another one is judged after this long.
    TooMany(Duration),
    /// The form could not be read.
    Unread(BodyError),
    /// The account makes more requests a second than it may, or has too many in work.
    Busy,
    /// The database cannot be reached.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Fault {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Unread(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unread(BodyError::Late) => StatusCode::REQUEST_TIMEOUT,
            Self::Unread(BodyError::Broken) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// After how many seconds a repeat can succeed, if waiting helps.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Unavailable | Self::Busy => Some(1),
            Self::TooMany(wait) => Some(wait.as_millis().div_ceil(1_000).max(1).try_into().ok()?),
            _ => None,
        }
    }

    /// What the page is headed with, and what it says.
    pub(crate) fn words(&self) -> (&'static str, String) {
        let (title, text) = match self {
            Self::SignedOut => ("Sign in", "You are not signed in, or your session is over."),
            Self::NotFound => (
                "There is nothing here",
                "No page has this address, or what it names is not, or no longer, in your account.",
            ),
            Self::Forged => (
                "This form cannot be taken",
                "It was made for another session, or did not come from a page of this console. Go back, load the page \
                 again and send it once more. Nothing was changed.",
            ),
            Self::Refused(why) => return ("This was refused", why.clone()),
            Self::TooMany(wait) if *wait <= Duration::from_secs(60) => {
                let seconds = self.retry_after().unwrap_or(1);
                return (
                    "Too many tries",
                    format!(
                        "Somebody tries to sign in as this user from many addresses. From each of them one try is taken every ten \
                         seconds: wait {seconds} s and try again."
                    ),
                );
            }
            Self::TooMany(_) => (
                "Too many tries",
                "Too many tries from this address failed. Wait ten minutes at most and try again; from another address you can \
                 sign in at once.",
            ),
            Self::Unread(fault) => {
                return (
                    "This form cannot be taken",
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
                "The server runs, and its database does not answer. Load the page again in a moment; the server's log \
                 says what is wrong.",
            ),
            Self::Internal => (
                "Something went wrong on our side",
                "The server's log says what. Nothing more can be said here.",
            ),
        };
        (title, text.to_owned())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<VerifyError> for Fault {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NotFound => Self::NotFound,
            VerifyError::Store(error) => error.into(),
            VerifyError::Parameter(parameter, why) => {
                Self::Refused(format!("The {parameter} {why}."))
            }
            VerifyError::ServiceParameter(_, why) => Self::Refused(format!("The setting {why}.")),
            VerifyError::FactorUnverified => {
                Self::Refused("The device has not proved its key yet, so it is asked nothing.".into())
            }
            VerifyError::TooManyChallenges => Self::Refused(
                "The device, or the person, has been asked as often as the limits allow. Try again later.".into(),
            ),
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

impl From<BodyError> for Fault {
    fn from(fault: BodyError) -> Self {
        Self::Unread(fault)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "A page of the console cannot be shown: {error}");
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Corrupt(_) => Self::Internal,
        }
    }
}

impl From<AuthError> for Fault {
    fn from(fault: AuthError) -> Self {
        match fault {
            AuthError::Store(error) => error.into(),
            AuthError::TooManyRequests => Self::Busy,
            AuthError::TooManyFailures(wait) => Self::TooMany(wait),
            _ => Self::SignedOut,
        }
    }
}
