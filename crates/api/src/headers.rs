//! The headers of every response (Twilio documentation), errors included.

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

/// Headers that are equal on every response. Any origin may call the API, because browsers store no credentials for it by
/// themselves.
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
            "ETag, Date, Twilio-Verify-Signature-Fields, Retry-After, Twilio-Request-Id, \
             Countersign-Presence, Countersign-User-Verification, Countersign-Quiet, \
             Countersign-Status-Reason",
        ),
    ),
];

/// Marks a response with its own headers for caching and cross-origin requests, such as a page. The API's headers would
/// contradict them.
#[derive(Clone, Copy)]
pub(crate) struct OwnHeaders;

/// Source of the time and of request ids.
pub(crate) trait HeaderSource: Send + Sync {
    /// The current time.
    fn now(&self) -> Instant;
    /// A new request id.
    fn request_sid(&self) -> RequestSid;
}

impl HeaderSource for Verify {
    fn now(&self) -> Instant {
        self.now()
    }

    fn request_sid(&self) -> RequestSid {
        self.request_sid()
    }
}

/// Writes the headers of responses.
pub(crate) struct HeaderWriter {
    source: Arc<dyn HeaderSource>,
    fixed: Vec<(HeaderName, HeaderValue)>,
    /// Set on every response, including those with their own headers.
    transport: Option<(HeaderName, HeaderValue)>,
}

/// A request in progress.
pub(crate) struct InFlight {
    writer: Arc<HeaderWriter>,
    at: std::time::Instant,
    id: HeaderValue,
}

impl HeaderWriter {
    pub(crate) fn new(source: Arc<dyn HeaderSource>, public_url: &PublicUrl) -> Self {
        let mut fixed = FIXED.to_vec();
        // A parsed host is ASCII. If it still does not fit into a header, the header is left out.
        if let Ok(host) = HeaderValue::from_str(public_url.host()) {
            fixed.push((API_DOMAIN, host));
        }
        let a_year = HeaderValue::from_static("max-age=31536000");
        let transport = public_url.is_https().then_some((STRICT_TRANSPORT_SECURITY, a_year));
        Self { source, fixed, transport }
    }

    /// The headers of an API with this state.
    pub(crate) fn of(state: &ApiState) -> Arc<Self> {
        let verify = Arc::clone(&state.verify);
        Arc::new(Self::new(verify, &state.public_url))
    }

    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        InFlight {
            writer: Arc::clone(self),
            at: std::time::Instant::now(),
            id: text(self.source.request_sid().to_string()),
        }
    }
}

impl InFlight {
    /// The id of the request.
    pub(crate) const fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// Sets all headers of the response and returns the duration of the request. `concurrent` is the number of requests of the
    /// same caller in progress, including this one.
    pub(crate) fn finish(
        self,
        headers: &mut HeaderMap,
        own: Option<OwnHeaders>,
        concurrent: usize,
    ) -> Duration {
        let took = self.at.elapsed();
        headers.reserve(self.writer.fixed.len() + 5);
        let fixed = if own.is_some() { &[] } else { self.writer.fixed.as_slice() };
        for (name, value) in fixed.iter().chain(&self.writer.transport) {
            headers.insert(name.clone(), value.clone());
        }
        let millis = took.as_millis();
        headers.insert(DATE, date(self.writer.source.now()));
        headers.insert(CONCURRENT_REQUESTS, concurrent.into());
        headers.insert(REQUEST_DURATION, text(format!("{}.{:03}", millis / 1_000, millis % 1_000)));
        headers.insert(REQUEST_ID, self.id.clone());
        took
    }
}

/// The date header. Cached per thread for each second.
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

/// A header value from ASCII text.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Marks all responses of these pages as having their own headers.
pub(crate) fn own_headers(pages: Router) -> Router {
    pages.layer(map_response(async |mut response: Response| {
        response.extensions_mut().insert(OwnHeaders);
        response
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v2::challenges::OWN_HEADERS;

    #[test]
    fn pages_of_other_origins_may_read_every_header_of_our_own() {
        let mut fixed = FIXED.into_iter();
        let exposed = fixed.find(|(name, _)| *name == ACCESS_CONTROL_EXPOSE_HEADERS);
        let exposed = exposed.unwrap().1.to_str().unwrap().to_ascii_lowercase();
        let exposed: Vec<_> = exposed.split(", ").collect();
        for name in OWN_HEADERS {
            assert!(exposed.contains(&name.as_str()), "{name} of {exposed:?}");
        }
    }
}
