//! Wraps all routes: limits before the request, headers after it, the body of an error, and a guard against panics. Applies to
//! unknown paths too.

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
use countersign_domain::client_network::ClientNetwork;
use countersign_domain::invalid::Invalid;
use countersign_store::wait_budget;
use countersign_verify::concurrency::{OverloadError, RequestLimiter, RequestPermit};
use countersign_verify::security::{self, Origin, Via};
use countersign_web::body::{BodyLimits, bounded};
use futures_util::FutureExt as _;
use http::{Method, StatusCode, Uri};
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::Instrument as _;

use crate::error::ApiError;
use crate::headers::{HeaderWriter, InFlight, OwnHeaders};
use crate::run_to_end::RunToEnd;
use crate::state::ApiOptions;
use crate::{held, host, paths, rows};

/// Larger responses count until they are sent: those of unauthenticated callers keep their place, those of an account count
/// towards its unsent bytes. Smaller ones are bounded by the number of requests.
const SMALL: u64 = 4 * 1024;

/// The wrapped routes. Wraps the router from outside, because it rewrites URIs before they are routed.
#[derive(Clone)]
pub(crate) struct Envelope {
    routes: Router,
    writer: Arc<HeaderWriter>,
    header_limit: usize,
    body: BodyLimits,
    limiter: RequestLimiter,
    abandoned: TaskTracker,
}

impl Envelope {
    /// Wraps `routes` in a router. `abandoned` counts writing requests that continue after their caller is gone.
    pub(crate) fn around(
        routes: Router,
        writer: Arc<HeaderWriter>,
        options: &ApiOptions,
        limiter: &RequestLimiter,
        abandoned: &TaskTracker,
    ) -> Router {
        let ApiOptions { header_limit, body, .. } = *options;
        let (limiter, abandoned) = (limiter.clone(), abandoned.clone());
        let envelope = Self { routes, writer, header_limit, body, limiter, abandoned };
        Router::new().fallback_service(envelope)
    }

    /// Acquires a place for a request. Health checks and metrics need none: an overloaded server must still answer them.
    fn place(&self, request: &Request) -> Result<Option<Arc<RequestPermit>>, OverloadError> {
        if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
            return Ok(None);
        }
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let from = from.map(|ConnectInfo(address)| ClientNetwork::of(address.ip()).address());
        Ok(Some(Arc::new(self.limiter.admit(from)?)))
    }

    /// The response to a request that is rejected or answered before routing.
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
        // Preflight requests (CORS) carry no credentials, so none are required.
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
        let in_flight = self.writer.begin();
        let (place, judged) = match self.place(&request) {
            Ok(place) => (place, self.judge(&request)),
            Err(overload) => (None, Some(ApiError::from(overload).into_response())),
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
            Ok(seal(response, in_flight, place, &method, &uri))
        };
        RunToEnd::new(&writes, Box::pin(served.instrument(span)), &self.abandoned)
    }
}

/// Routes the request. A request that is not ready at once must be allowed to wait by its place.
async fn ask(mut routes: Router, request: Request, place: Option<&RequestPermit>) -> Response {
    // After a panic nothing that the handler held is used again.
    let answer = wait_budget::with_budget(async move { routes.call(request).await });
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let mut answer = pin!(answer);
    let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => match place.map_or(Ok(()), RequestPermit::begin_wait) {
            Ok(()) => Poll::Pending,
            Err(overload) => Poll::Ready(Err(overload)),
        },
    });
    match answer.await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => ApiError::internal(&"a handler panicked").into_response(),
        Err(overload) => ApiError::from(overload).into_response(),
    }
}

fn seal(
    response: Response<Body>,
    in_flight: InFlight,
    place: Option<Arc<RequestPermit>>,
    method: &Method,
    uri: &Uri,
) -> Response {
    let (mut response, place) = to_be_sent(response, place, method);
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        error.write(&mut response, uri.path(), in_flight.id());
    }
    let id = in_flight.id().clone();
    let own = response.extensions_mut().remove::<OwnHeaders>();
    let concurrent = place.as_ref().map_or(1, |place| place.concurrent());
    let took = in_flight.finish(response.headers_mut(), own, concurrent);
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

/// Decides whether the place is held until the response is sent. For unauthenticated callers, a small response needs no place,
/// and a large one is rejected if the address has none left. A large response of an account is rejected if too many bytes are
/// still unsent, except after a change: its caller must learn of it.
fn to_be_sent(
    response: Response,
    place: Option<Arc<RequestPermit>>,
    method: &Method,
) -> (Response, Option<Arc<RequestPermit>>) {
    let Some(held) = &place else { return (response, None) };
    let hint = response.body().size_hint();
    let is_unauthenticated = held.is_unauthenticated();
    if hint.upper().is_some_and(|most| most <= SMALL) {
        return (response, place.filter(|_| !is_unauthenticated));
    }
    let sent = if is_unauthenticated {
        held.begin_wait()
    } else {
        held.begin_response(
            usize::try_from(hint.upper().unwrap_or(hint.lower())).unwrap_or(usize::MAX),
        )
    };
    match sent {
        Err(overload) if is_unauthenticated => (ApiError::from(overload).into_response(), None),
        Err(overload) if method.is_safe() => (ApiError::from(overload).into_response(), place),
        Ok(()) | Err(_) => (response, place),
    }
}

/// The class of a status. One metric series per status would be too many.
const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500.. => "5xx",
    }
}
