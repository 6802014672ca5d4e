//! What is around every request, even one that no route knows: bounds before it, headers after it, the body of an
//! error, and a net under a panic.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{Method, StatusCode, Uri};
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::Instrument as _;

use crate::error::ApiError;
use crate::headers::{Arrival, OwnHeaders, Stamp};
use crate::run_to_end::RunToEnd;
use crate::state::ApiOptions;
use crate::{paths, rows};

/// Routes, enveloped. It stands outside of the router, since what it changes decides where a request is routed.
#[derive(Clone)]
pub(crate) struct Envelope {
    routes: Router,
    stamp: Arc<Stamp>,
    header_limit: usize,
    requests_max: usize,
    abandoned: TaskTracker,
}

impl Envelope {
    /// Wraps `routes`, as a router again. `abandoned` counts the writing requests that run on without their caller.
    pub(crate) fn around(
        routes: Router,
        stamp: Arc<Stamp>,
        options: &ApiOptions,
        abandoned: &TaskTracker,
    ) -> Router {
        let ApiOptions { header_limit, requests_max, .. } = *options;
        let abandoned = abandoned.clone();
        let envelope = Self { routes, stamp, header_limit, requests_max, abandoned };
        Router::new().fallback_service(envelope)
    }

    /// What can be said without asking any route.
    fn judge(&self, request: &Request, serving: usize) -> Option<Response> {
        let is_over = self.requests_max != 0 && serving > self.requests_max;
        // Whoever asks whether we live is to hear that we do, above all now.
        if is_over && !matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
            return Some(ApiError::from(&rows::UNAVAILABLE).into_response());
        }
        let headers =
            request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
        let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        if headers.sum::<usize>() + path > self.header_limit {
            return Some(ApiError::from(&rows::HEADERS_TOO_LARGE).into_response());
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
        let judged = self.judge(&request, arrival.serving());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        if let Some(plain) = paths::plain(&uri) {
            *request.uri_mut() = plain;
        }
        let mut routes = self.routes.clone();
        let span = tracing::debug_span!("request", %method, path = uri.path());
        let writes = method.clone();
        let served = async move {
            let response = match judged {
                Some(response) => response,
                None => {
                    // Nothing that a handler holds is looked at after its panic.
                    let answer = AssertUnwindSafe(async move { routes.call(request).await });
                    match answer.catch_unwind().await {
                        Ok(Ok(response)) => response,
                        Err(_) => ApiError::internal(&"a handler panicked").into_response(),
                    }
                }
            };
            Ok(seal(response, arrival, &method, &uri))
        };
        RunToEnd::new(&writes, Box::pin(served.instrument(span)), &self.abandoned)
    }
}

fn seal(mut response: Response<Body>, arrival: Arrival, method: &Method, uri: &Uri) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        error.write(&mut response, uri.path(), arrival.id());
    }
    let id = arrival.id().clone();
    let own = response.extensions_mut().remove::<OwnHeaders>();
    let took = arrival.depart(response.headers_mut(), own);
    let status = response.status();
    metrics::histogram!("countersign_http_request_seconds", "status" => class(status)).record(took);
    tracing::debug!(
        request = id.to_str().unwrap_or_default(),
        status = status.as_u16(),
        micros = took.as_micros(),
        "{method} {}",
        uri.path()
    );
    response
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
