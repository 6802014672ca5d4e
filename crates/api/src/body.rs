//! Parameters of a request: a form in the body, or the query of the URI.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use countersign_web::body::{BodyError, whole};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Uri};
use serde::de::IgnoredAny;

use crate::error::ApiError;
use crate::params::Params;
use crate::rows::{self, Row};
use crate::state::SharedState;

/// The body of a POST: a form, which may be empty.
pub(crate) struct Form {
    bytes: Bytes,
    /// Reason for a missing required parameter, as far as the body as a whole explains it.
    missing: &'static str,
}

impl Form {
    /// Reads a body as a form. A body without a content type counts as a form, and so does `text/plain`, which browsers send by
    /// default.
    ///
    /// # Errors
    /// The content type is another one, or the body is JSON.
    fn of(headers: &HeaderMap, bytes: Bytes) -> Result<Self, ApiError> {
        let kind = media_type(headers);
        let is_form = kind.eq_ignore_ascii_case(FORM);
        let missing = match (bytes.is_empty(), is_form) {
            (true, _) => "is required, and the body is empty",
            (false, true) => "is required",
            (false, false) => "is required; the body must be application/x-www-form-urlencoded",
        };
        if bytes.is_empty() {
            return Ok(Self { bytes, missing });
        }
        let may_be_form = is_form || kind.is_empty() || kind.eq_ignore_ascii_case("text/plain");
        if !may_be_form {
            let shown: String = kind.chars().filter(char::is_ascii_graphic).take(60).collect();
            return Err(ApiError::because(
                &rows::NOT_A_FORM,
                format!("the body is declared as {shown}"),
            ));
        }
        if is_json(&bytes) {
            return Err(ApiError::because(&rows::NOT_A_FORM, "the body is JSON"));
        }
        Ok(Self { bytes, missing })
    }

    /// The parameters of the form. `bad` is the row for invalid ones.
    pub(crate) fn params(&self, bad: &'static Row) -> Result<Params<'_>, ApiError> {
        Ok(Params::parse(&self.bytes, bad)?.missed_since(self.missing))
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The content type without parameters; empty if absent.
fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Whether the body is a JSON object or list, whatever its content type.
fn is_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start(), [b'{' | b'[', ..])
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

impl FromRequest<SharedState> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &SharedState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, state.options.body.bytes).await?;
        Self::of(&parts.headers, bytes)
    }
}

pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, ApiError> {
    if announced(headers).is_some_and(|length| length > most) {
        return Err((&rows::BODY_TOO_LARGE).into());
    }
    Ok(whole(body, most).await?)
}

/// The declared length of the body.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl From<BodyError> for ApiError {
    fn from(fault: BodyError) -> Self {
        match fault {
            BodyError::TooLarge => (&rows::BODY_TOO_LARGE).into(),
            BodyError::Late => (&rows::REQUEST_TIMEOUT).into(),
            BodyError::Broken => Self::because(&rows::UNREADABLE_BODY, fault.to_string()),
        }
    }
}

/// Path and query of a GET request.
pub(crate) struct Query(Uri);

impl Query {
    /// The parameters of the query.
    pub(crate) fn params(&self) -> Result<Params<'_>, ApiError> {
        Params::parse(self.0.query().unwrap_or_default().as_bytes(), &rows::PARAMETER)
    }

    /// The path.
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
