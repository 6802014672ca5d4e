//! What is around every request, even one that no route knows: bounds before it, headers after it, the body of an
//! error, and a net under a panic.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse as _, Response};
use countersign_domain::household::Household;
use countersign_domain::invalid::Invalid;
use countersign_store::wait_budget;
use countersign_verify::concurrency::{OverloadError, RequestLimiter, RequestPermit};
use countersign_verify::security::{self, Origin, Via};
use countersign_web::body::{Allowance, bounded};
use futures_util::FutureExt as _;
use http::{Method, StatusCode, Uri};
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::Instrument as _;

use crate::error::ApiError;
use crate::headers::{Arrival, OwnHeaders, Stamp};
use crate::run_to_end::RunToEnd;
use crate::state::ApiOptions;
use crate::{held, host, paths, rows};

/// A response of more bytes counts until it is sent: a stranger's holds its place, and an account's is one of the account's
/// unsent bytes. Smaller ones are bounded by the number of requests.
const SMALL: u64 = 4 * 1024;

/// Routes, enveloped. It stands outside of the router, since what it changes decides where a request is routed.
#[derive(Clone)]
pub(crate) struct Envelope {
    routes: Router,
    stamp: Arc<Stamp>,
    header_limit: usize,
    body: Allowance,
    limiter: RequestLimiter,
    abandoned: TaskTracker,
}

impl Envelope {
    /// Wraps `routes`, as a router again. `abandoned` counts the writing requests that run on without their caller.
    pub(crate) fn around(
        routes: Router,
        stamp: Arc<Stamp>,
        options: &ApiOptions,
        limiter: &RequestLimiter,
        abandoned: &TaskTracker,
    ) -> Router {
        let ApiOptions { header_limit, body, .. } = *options;
        let (limiter, abandoned) = (limiter.clone(), abandoned.clone());
        let envelope = Self { routes, stamp, header_limit, body, limiter, abandoned };
        Router::new().fallback_service(envelope)
    }

    /// A place for a request. Health and readiness take none: they are answered above all when there is no place.
    fn place(&self, request: &Request) -> Result<Option<Arc<RequestPermit>>, OverloadError> {
        if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
            return Ok(None);
        }
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| Household::of(address.ip()).address());
        Ok(Some(Arc::new(self.limiter.admit(from)?)))
    }

    /// What can be said without asking any route.
    fn judge(&self, request: &Request) -> Option<Response> {
        let headers =
            request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
        let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        if headers.sum::<usize>() + path > self.header_limit {
            return Some(ApiError::from(&rows::HEADERS_TOO_LARGE).into_response());
        }
        if let Some(why) = host::fault(request) {
            let why = Invalid::because(why);
            return Some(ApiError::parameter(&rows::UNREADABLE_BODY, "Host", why).into_response());
        }
        // A browser asks before it sends credentials, so this must not ask for any.
        if *request.method() == Method::OPTIONS {
            return Some(StatusCode::NO_CONTENT.into_response());
        }
        None
    }
}

impl Service<Request> for Envelope {
    type Response = Response;
    type Error = Infallible;
    type Future = RunToEnd;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let arrival = self.stamp.arrival();
        let (place, judged) = match self.place(&request) {
            Ok(place) => (place, self.judge(&request)),
            Err(crowded) => (None, Some(ApiError::from(crowded).into_response())),
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let address = from.map(|ConnectInfo(address)| address.ip());
        let origin = Origin { address, via: Via::Http };
        if let Some(plain) = paths::plain(&uri) {
            *request.uri_mut() = plain;
        }
        if let Some(place) = &place {
            request.extensions_mut().insert(Arc::clone(place));
        }
        let allowance = self.body;
        let request = request.map(|body| bounded(body, allowance));
        let routes = self.routes.clone();
        let span = tracing::debug_span!("request", %method, path = uri.path());
        let writes = method.clone();
        let served = async move {
            let response = match judged {
                Some(response) => response,
                None => security::from(origin, ask(routes, request, place.as_deref())).await,
            };
            Ok(seal(response, arrival, place, &method, &uri))
        };
        RunToEnd::new(&writes, Box::pin(served.instrument(span)), &self.abandoned)
    }
}

/// Asks the routes. A request that has to wait must have a place for that.
async fn ask(mut routes: Router, request: Request, place: Option<&RequestPermit>) -> Response {
    // Nothing that a handler holds is looked at after its panic.
    let answer = wait_budget::with_budget(async move { routes.call(request).await });
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let mut answer = pin!(answer);
    let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => match place.map_or(Ok(()), RequestPermit::begin_wait) {
            Ok(()) => Poll::Pending,
            Err(crowded) => Poll::Ready(Err(crowded)),
        },
    });
    match answer.await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => ApiError::internal(&"a handler panicked").into_response(),
        Err(crowded) => ApiError::from(crowded).into_response(),
    }
}

fn seal(
    response: Response<Body>,
    arrival: Arrival,
    place: Option<Arc<RequestPermit>>,
    method: &Method,
    uri: &Uri,
) -> Response {
    let (mut response, place) = to_be_sent(response, place, method);
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        error.write(&mut response, uri.path(), arrival.id());
    }
    let id = arrival.id().clone();
    let own = response.extensions_mut().remove::<OwnHeaders>();
    let concurrent = place.as_ref().map_or(1, |place| place.concurrent());
    let took = arrival.depart(response.headers_mut(), own, concurrent);
    let status = response.status();
    metrics::histogram!("countersign_http_request_seconds", "status" => class(status)).record(took);
    tracing::debug!(
        request = id.to_str().unwrap_or_default(),
        status = status.as_u16(),
        micros = took.as_micros(),
        "{method} {}",
        uri.path()
    );
    response.map(|body| held::until_sent(body, place))
}

/// The place is held until the response is sent. Of a stranger a small response holds none, and a large one is refused if
/// the address has none. A large response of an account is refused if too many bytes are still to be sent, unless the request
/// has changed something: then its caller must learn of that.
fn to_be_sent(
    response: Response,
    place: Option<Arc<RequestPermit>>,
    method: &Method,
) -> (Response, Option<Arc<RequestPermit>>) {
    let Some(held) = &place else { return (response, None) };
    let hint = response.body().size_hint();
    let is_stranger = held.is_unauthenticated();
    if hint.upper().is_some_and(|most| most <= SMALL) {
        return (response, place.filter(|_| !is_stranger));
    }
    let sent = if is_stranger {
        held.begin_wait()
    } else {
        held.begin_response(
            usize::try_from(hint.upper().unwrap_or(hint.lower())).unwrap_or(usize::MAX),
        )
    };
    match sent {
        Err(crowded) if is_stranger => (ApiError::from(crowded).into_response(), None),
        Err(crowded) if method.is_safe() => (ApiError::from(crowded).into_response(), place),
        Ok(()) | Err(_) => (response, place),
    }
}

/// A hundred statuses would make a hundred series.
const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500.. => "5xx",
    }
}
