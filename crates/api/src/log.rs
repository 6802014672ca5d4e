//! The files of the transparency log, for anybody (c2sp.org/tlog-tiles).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_tlog::TilePath;
use countersign_verify::{Verify, VerifyResult};
use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};

/// The path of the log.
pub const LOG_PATH: &str = "/log";

/// The routes of the log. They bring their own headers, since tiles never change and may be cached for ever.
pub fn log_router(verify: &Arc<Verify>) -> Router {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*path}", get(tile))
        .with_state(Arc::clone(verify))
}

async fn checkpoint(State(verify): State<Arc<Verify>>) -> Response {
    let found = verify.log_checkpoint().await;
    let found = found.map(|found| found.map(|published| published.note.to_string()));
    respond(found, "text/plain; charset=utf-8", "public, max-age=1")
}

async fn tile(State(verify): State<Arc<Verify>>, Path(path): Path<String>) -> Response {
    let found = match TilePath::parse(&format!("tile/{path}")) {
        Some(path) => verify.log_file(path).await,
        None => Ok(None),
    };
    respond(found, "application/octet-stream", "public, max-age=31536000, immutable")
}

fn respond<T: Into<Body>>(
    found: VerifyResult<Option<T>>,
    kind: &'static str,
    caching: &'static str,
) -> Response {
    let everybody = (ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    match found {
        Ok(Some(body)) => {
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, caching), everybody];
            (headers, Into::<Body>::into(body)).into_response()
        }
        other => {
            let status = match other {
                Ok(_) => StatusCode::NOT_FOUND,
                Err(error) => {
                    tracing::error!(%error, "the transparency log cannot be read");
                    StatusCode::SERVICE_UNAVAILABLE
                }
            };
            (status, [(CACHE_CONTROL, "no-store"), everybody]).into_response()
        }
    }
}
