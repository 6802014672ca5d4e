//! What a request carries: a form in its body, or a query in its path.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use countersign_web::body::{BodyFault, whole};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Uri};

use crate::error::ApiError;
use crate::params::Params;
use crate::rows::{self, Row};
use crate::state::Shared;

/// The body of a POST. Whatever content type it claims, it is read as a form, and it may be empty.
pub(crate) struct Form(Bytes);

impl Form {
    /// Its parameters; `bad` is the row of those that are not taken.
    pub(crate) fn params(&self, bad: &'static Row) -> Result<Params<'_>, ApiError> {
        Params::parse(&self.0, bad)
    }
}

impl FromRequest<Shared> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        read(&parts.headers, body, state.options.body.bytes).await.map(Self)
    }
}

pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, ApiError> {
    if announced(headers).is_some_and(|length| length > most) {
        return Err((&rows::BODY_TOO_LARGE).into());
    }
    Ok(whole(body, most).await?)
}

/// How long the body is said to be.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => (&rows::BODY_TOO_LARGE).into(),
            BodyFault::Late => (&rows::REQUEST_TIMEOUT).into(),
            BodyFault::Broken => Self::because(&rows::UNREADABLE_BODY, fault.to_string()),
        }
    }
}

/// The path and query of a GET.
pub(crate) struct Query(Uri);

impl Query {
    /// Its parameters.
    pub(crate) fn params(&self) -> Result<Params<'_>, ApiError> {
        Params::parse(self.0.query().unwrap_or_default().as_bytes(), &rows::PARAMETER)
    }

    /// The path before it.
    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.uri.clone()))
    }
}
