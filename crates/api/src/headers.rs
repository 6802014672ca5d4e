//! The headers of every response (wire reference §1.8), whatever became of the request.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use countersign_domain::sid::RequestSid;
use countersign_domain::time::Instant;
use countersign_verify::Verify;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, DATE,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::state::ApiState;
use crate::urls::PublicUrl;

const CONCURRENT_REQUESTS: HeaderName = HeaderName::from_static("twilio-concurrent-requests");
const REQUEST_DURATION: HeaderName = HeaderName::from_static("twilio-request-duration");
const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
const API_DOMAIN: HeaderName = HeaderName::from_static("x-api-domain");
const HOME_REGION: HeaderName = HeaderName::from_static("x-home-region");

/// The same on every response. Any origin may call: a browser has no credentials of ours that it would add by itself.
const FIXED: [(HeaderName, HeaderValue); 7] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HOME_REGION, HeaderValue::from_static("us1")),
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE, OPTIONS")),
    (
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, \
             If-Unmodified-Since, Idempotency-Key, User-Agent",
        ),
    ),
    (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
    (
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "ETag, Date, Twilio-Verify-Signature-Fields, Retry-After, Twilio-Request-Id",
        ),
    ),
];

/// Marks a response that brings its own headers on caching and on other origins, such as a page: those of the API would
/// contradict them.
#[derive(Clone, Copy)]
pub(crate) struct OwnHeaders;

/// What is asked of the world for each response.
pub(crate) trait Source: Send + Sync {
    /// The present instant.
    fn now(&self) -> Instant;
    /// A fresh id.
    fn request_sid(&self) -> RequestSid;
}

impl Source for Verify {
    fn now(&self) -> Instant {
        self.now()
    }

    fn request_sid(&self) -> RequestSid {
        self.request_sid()
    }
}

/// Puts the headers on responses.
pub(crate) struct Stamp {
    source: Arc<dyn Source>,
    fixed: Vec<(HeaderName, HeaderValue)>,
    /// On every response, whatever headers of its own it has.
    transport: Option<(HeaderName, HeaderValue)>,
}

/// A request that is being served.
pub(crate) struct Arrival {
    stamp: Arc<Stamp>,
    at: std::time::Instant,
    id: HeaderValue,
}

impl Stamp {
    pub(crate) fn new(source: Arc<dyn Source>, public_url: &PublicUrl) -> Self {
        let mut fixed = FIXED.to_vec();
        // A host that parsed as one is ASCII; if a header will not have it, it is better left out than wrong.
        if let Ok(host) = HeaderValue::from_str(public_url.host()) {
            fixed.push((API_DOMAIN, host));
        }
        let a_year = HeaderValue::from_static("max-age=31536000");
        let transport = public_url.is_https().then_some((STRICT_TRANSPORT_SECURITY, a_year));
        Self { source, fixed, transport }
    }

    /// For an API of this state.
    pub(crate) fn of(state: &ApiState) -> Arc<Self> {
        let verify = Arc::clone(&state.verify);
        Arc::new(Self::new(verify, &state.public_url))
    }

    pub(crate) fn arrival(self: &Arc<Self>) -> Arrival {
        Arrival {
            stamp: Arc::clone(self),
            at: std::time::Instant::now(),
            id: text(self.source.request_sid().to_string()),
        }
    }
}

impl Arrival {
    /// The request's id.
    pub(crate) const fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// Puts all headers on the response, and tells how long that took to come. `concurrent` is how many requests of the
    /// same caller are in work, this one included.
    pub(crate) fn depart(
        self,
        headers: &mut HeaderMap,
        own: Option<OwnHeaders>,
        concurrent: usize,
    ) -> Duration {
        let took = self.at.elapsed();
        headers.reserve(self.stamp.fixed.len() + 5);
        let fixed = if own.is_some() { &[] } else { self.stamp.fixed.as_slice() };
        for (name, value) in fixed.iter().chain(&self.stamp.transport) {
            headers.insert(name.clone(), value.clone());
        }
        let millis = took.as_millis();
        headers.insert(DATE, date(self.stamp.source.now()));
        headers.insert(CONCURRENT_REQUESTS, concurrent.into());
        headers.insert(REQUEST_DURATION, text(format!("{}.{:03}", millis / 1_000, millis % 1_000)));
        headers.insert(REQUEST_ID, self.id.clone());
        took
    }
}

/// The date is written once a second and thread, not once a response.
fn date(now: Instant) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(i64, HeaderValue)> =
            const { RefCell::new((-1, HeaderValue::from_static(""))) };
    }
    LAST.with_borrow_mut(|(second, value)| {
        if *second != now.as_seconds() {
            (*second, *value) = (now.as_seconds(), text(now.to_http_date()));
        }
        value.clone()
    })
}

/// A header of text that we wrote ourselves, which is ASCII.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Pages that bring their own headers on caching and on other origins.
pub(crate) fn own_headers(pages: Router) -> Router {
    pages.layer(map_response(async |mut response: Response| {
        response.extensions_mut().insert(OwnHeaders);
        response
    }))
}
