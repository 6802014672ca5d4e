//! What a machine asks: is the process alive, may it be sent requests, how is it doing.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_bus::Link;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::headers::{Stamp, own_headers};
use crate::reply::{self, Answer};
use crate::routes::{self, Route};
use crate::rows;
use crate::state::{ApiState, Shared};

/// Writes all metrics in Prometheus' format.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Health, readiness and metrics, for a listener of their own. None of them asks for credentials. `others` are pages beside
/// them that bring their own headers.
pub fn ops_router(state: &Arc<ApiState>, render: Render, others: Router) -> Router {
    let limiter = state.limiter.clone();
    let metrics = get(async move || {
        // Set here, and not with each request, which would pay for it.
        metrics::gauge!("countersign_http_requests", "state" => "working")
            .set(gauge(limiter.working()));
        metrics::gauge!("countersign_http_requests", "state" => "waiting")
            .set(gauge(limiter.waiting()));
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
    });
    let routes = routes::router(routes().into_iter().chain([("/metrics", metrics)]))
        .with_state(Arc::clone(state))
        .merge(own_headers(others));
    Envelope::around(routes, Stamp::of(state), &state.options, &state.limiter, &state.abandoned)
}

/// For the metrics, which know no other number.
fn gauge(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Health and readiness.
pub(crate) fn routes() -> Vec<Route> {
    vec![("/healthz", get(health)), ("/readyz", get(readiness))]
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    /// Where there are other nodes: whether they can be reached.
    bus: Option<&'static str>,
}

async fn health() -> Answer {
    reply::ok(&Status { status: "ok" })
}

/// Not ready means: send requests elsewhere. A server that stops says so before it stops listening. One that cannot reach
/// the other nodes still is ready, since it loses nothing and elsewhere it would be no better; it says so.
async fn readiness(State(state): State<Shared>) -> Result<Response, ApiError> {
    if state.shutdown.is_cancelled() {
        return Err(ApiError::because(&rows::UNAVAILABLE, "the server is stopping"));
    }
    if state.limiter.is_nearly_full() {
        return Err(ApiError::because(&rows::UNAVAILABLE, "too many requests are in work"));
    }
    state.verify.ready().await?;
    let link = state.sockets.bus.link();
    let bus = link.map(|link| match *link.borrow() {
        Link::Up => "connected",
        Link::Down => "disconnected",
    });
    reply::ok(&Readiness { status: "ready", bus })
}
