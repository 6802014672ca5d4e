//! Why there is no page, as a page. A fault travels as an extension of an empty response until the router's last layer
//! draws it: only there the session and the place of the console are at hand.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_domain::challenge::CannotAnswer;
use countersign_store::StoreError;
use countersign_verify::{AuthFault, VerifyError};
use countersign_web::body::BodyFault;
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
    /// There were too many tries to sign in.
    TooMany,
    /// The form could not be read.
    Unread(BodyFault),
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
            Self::Unread(BodyFault::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unread(BodyFault::Late) => StatusCode::REQUEST_TIMEOUT,
            Self::Unread(BodyFault::Broken) => StatusCode::BAD_REQUEST,
            Self::TooMany | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
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
            Self::TooMany => (
                "Too many tries",
                "Somebody tried too often, with this account or from this address. Wait ten minutes and try again.",
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
            VerifyError::Parameter(name, why) | VerifyError::ServiceParameter(name, why) => {
                Self::Refused(format!("{name} {why}."))
            }
            VerifyError::FactorUnverified => {
                Self::Refused("The device has not proved its key yet, so it is asked nothing.".into())
            }
            VerifyError::TooManyChallenges => Self::Refused(
                "The device, or the person, has been asked as often as the limits allow. Try again later.".into(),
            ),
            VerifyError::CannotAnswer(CannotAnswer::Expired) => {
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

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Self {
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

impl From<AuthFault> for Fault {
    fn from(fault: AuthFault) -> Self {
        match fault {
            AuthFault::Store(error) => error.into(),
            AuthFault::TooManyRequests => Self::Busy,
            AuthFault::TooManyFailures(_) => Self::TooMany,
            _ => Self::SignedOut,
        }
    }
}
