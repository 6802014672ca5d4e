//! Health, readiness and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_bus::Link;
use countersign_domain::attention::{Attention, Matter};
use countersign_verify::vitals::{Checkup, Vitals};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::headers::{HeaderWriter, own_headers};
use crate::reply::{self, ApiResult};
use crate::routes::{self, Route};
use crate::rows;
use crate::state::{ApiState, SharedState};

/// Returns all metrics in the Prometheus text format.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A router for a separate admin listener: health, readiness, what needs attention, and metrics, without authentication. `others` are
/// pages that are served beside them and bring their own headers.
pub fn ops_router(
    state: &Arc<ApiState>,
    render: Render,
    vitals: Arc<Vitals>,
    others: Router,
) -> Router {
    let limiter = state.limiter.clone();
    let metrics = get(async move || {
        // Updated when metrics are read, so that requests do not pay for it.
        metrics::gauge!("countersign_http_requests", "state" => "working")
            .set(gauge(limiter.working()));
        metrics::gauge!("countersign_http_requests", "state" => "waiting")
            .set(gauge(limiter.waiting()));
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response()
    });
    let status = get(async move || attention(vitals.of_everything().await?));
    let others_of_admin = [("/metrics", metrics), ("/status", status)];
    let routes = routes::router(routes().into_iter().chain(others_of_admin))
        .with_state(Arc::clone(state))
        .merge(own_headers(others));
    Envelope::around(
        routes,
        HeaderWriter::of(state),
        &state.options,
        &state.limiter,
        &state.abandoned,
    )
}

/// Converts a count for a gauge.
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

/// The conditions that need attention.
#[derive(Serialize)]
struct AttentionList {
    status: &'static str,
    date_checked: String,
    attention: Vec<AttentionView>,
}

#[derive(Serialize)]
struct AttentionView {
    matter: &'static str,
    title: String,
    cause: String,
    since: Option<String>,
    /// The credential, webhook or service that it is about.
    sid: Option<String>,
}

impl From<Attention> for AttentionView {
    fn from(Attention { matter, since }: Attention) -> Self {
        let sid = match &matter {
            Matter::CredentialRefused { credential, .. }
            | Matter::PushServiceFails { credential, .. } => Some(credential.to_string()),
            Matter::BrowserServiceFails { service, .. } => Some(service.to_string()),
            Matter::WebhookCalls { webhook, .. } => Some(webhook.to_string()),
            Matter::PushesFail(_)
            | Matter::DiskNearlyFull(_)
            | Matter::DatabaseSlow(_)
            | Matter::DatabaseAway(_)
            | Matter::NodesApart
            | Matter::ClockOff(_) => None,
        };
        Self {
            matter: matter.as_str(),
            title: matter.title(),
            cause: matter.cause(),
            since: since.map(|since| since.to_string()),
            sid,
        }
    }
}

fn attention(Checkup { attention, checked_at }: Checkup) -> Result<Response, ApiError> {
    let status = if attention.is_empty() { "well" } else { "needs_attention" };
    let attention = attention.into_iter().map(AttentionView::from).collect();
    reply::ok(&AttentionList { status, date_checked: checked_at.to_string(), attention })
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    /// Connection to the other nodes; `None` for a single node.
    bus: Option<&'static str>,
}

async fn health() -> ApiResult {
    reply::ok(&Status { status: "ok" })
}

/// Not ready means: send requests elsewhere. The server becomes unready before it stops listening. A node without connection to
/// the others stays ready and reports `disconnected`: it loses nothing, and other nodes would be no better.
async fn readiness(State(state): State<SharedState>) -> Result<Response, ApiError> {
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
