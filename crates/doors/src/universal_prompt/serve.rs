//! The endpoints of the door.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::CACHE_CONTROL;

use super::authorize::{self, NoWay};
use super::door::UniversalPromptDoor;
use super::{health, token};

type Door = State<Arc<UniversalPromptDoor>>;

/// The paths of the door, ready to be merged with the API.
pub fn router(door: &Arc<UniversalPromptDoor>) -> Router {
    Router::new()
        .route("/oauth/v1/health_check", post(health_check))
        .route("/oauth/v1/authorize", get(authorize))
        .route("/oauth/v1/token", post(tokens))
        .with_state(Arc::clone(door))
}

async fn health_check(State(door): Door, request: Request) -> Response {
    health::answer(&door, request).await
}

async fn authorize(State(door): Door, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    authorize::lead(&door, &parts).await.unwrap_or_else(NoWay::response)
}

async fn tokens(State(door): Door, request: Request) -> Response {
    match token::tokens(&door, request).await {
        Ok(tokens) => ([(CACHE_CONTROL, "no-store")], Json(tokens)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
