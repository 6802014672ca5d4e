//! The contents and texts of the page.

use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use countersign_domain::text::FriendlyName;
use countersign_verify::{VerifyError, VerifyResult};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::files::{ASSETS, POLICY};
use super::words::{Language, Words, fill};

/// Why there is no page of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The sealed text of the browser belongs to no sign-in, or to one that is over; or the integration is gone.
    Gone,
    /// The integration does not allow this network.
    NotFromHere,
    /// There were too many tries, for so long.
    TooMany(Duration),
    /// The database cannot be reached, or the server is busy.
    Unavailable,
}

/// Why a known browser's user cannot be asked.
pub(super) fn not_asked(
    error: &VerifyError,
    words: &Words,
    name: &FriendlyName,
) -> Result<String, Problem> {
    match error {
        VerifyError::Store(_) | VerifyError::Conflict | VerifyError::TooManyRequests => {
            tracing::warn!(%error, "the devices of a sign-in could not be asked");
            Err(Problem::Unavailable)
        }
        VerifyError::Paused(_) | VerifyError::TooManyInARow(_) => {
            Ok(fill(&words.paused, "name", name.as_str()))
        }
        VerifyError::TooManyPending
        | VerifyError::TooManyChallenges
        | VerifyError::TooManyStoredBytes(_) => Err(Problem::TooMany(Duration::from_secs(60))),
        _ => Ok(words.no_device.clone()),
    }
}

/// A result of the database, whose failure has a page.
pub(super) fn available<T>(result: VerifyResult<T>) -> Result<T, Problem> {
    result.map_err(|error| {
        tracing::warn!(%error, "a sign-in could not be judged");
        Problem::Unavailable
    })
}

/// The content of a page.
pub(super) enum Content {
    /// Asks who somebody is.
    Who { request: String, form_token: String, user: String, is_vouched: bool, is_missing: bool },
    /// Waits for the devices.
    Wait { attempt: String, form_token: String, user: String, number: Option<u8>, is_wrong: bool },
    /// Asks for the code that a device showed.
    TypeCode { attempt: String, form_token: String, user: String, is_wrong: bool },
    /// Sends the browser back.
    Done { to: String, place: String },
    /// Says how it ended; `again` is a request to begin anew with.
    Over { why: String, again: Option<String> },
}

/// A page.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    language: &'a Language,
    words: &'a Words,
    base: &'a str,
    files: String,
    heading: String,
    content: Content,
}

/// Where pages are, and in which language.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// The path before `/sign-in`.
    pub(super) base: &'a str,
    pub(super) language: &'static Language,
}

impl Frame<'_> {
    /// A page.
    pub(super) fn page(self, status: StatusCode, heading: String, content: Content) -> Response {
        let Self { base, language } = self;
        let files = format!("{base}/sign-in/files/{}", ASSETS.version());
        let words = &language.words;
        let page = Page { language, words, base, files, heading, content };
        let text = page.render().unwrap_or_else(|error| {
            tracing::error!(%error, "the sign-in page cannot be drawn");
            String::new()
        });
        let mut response = (status, Body::from(text)).into_response();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        dressed(response)
    }

    /// A page that says why there is no other.
    pub(super) fn problem(self, problem: Problem) -> Response {
        let words = &self.language.words;
        let (status, why) = match problem {
            Problem::Gone => (StatusCode::BAD_REQUEST, words.gone.clone()),
            Problem::NotFromHere => (StatusCode::FORBIDDEN, words.not_from_here.clone()),
            Problem::TooMany(left) => {
                let minutes = left.as_secs().div_ceil(60).max(1).to_string();
                (StatusCode::TOO_MANY_REQUESTS, fill(&words.too_many, "minutes", &minutes))
            }
            Problem::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, words.unavailable.clone()),
        };
        let content = Content::Over { why, again: None };
        let mut response = self.page(status, words.not_signed_in.clone(), content);
        if let Problem::TooMany(left) = problem {
            let seconds = HeaderValue::from(left.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }

    /// Leads to another page of the sign-in, which is fetched with GET.
    pub(super) fn go(self, path: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(place) = HeaderValue::try_from(format!("{}{path}", self.base)) {
            response.headers_mut().insert(LOCATION, place);
        }
        dressed(response)
    }
}

/// With the headers of all pages.
pub(super) fn dressed(mut response: Response) -> Response {
    POLICY.apply(response.headers_mut());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
