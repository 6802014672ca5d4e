//! The endpoints of the door.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_domain::sid::ServiceSid;
use countersign_web::body::whole;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::authorize::NoWay;
use super::client::ClientRequest;
use super::door::OpenIdDoor;
use super::refusal::Refusal;
use super::{authorize, ciba, metadata, token, userinfo};

/// How long metadata and keys may be kept. A key is published for a day before it signs.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The largest form of the authorization endpoint, in bytes.
const AUTHORIZE_MAX: usize = 16 * 1024;

type Door = State<Arc<OpenIdDoor>>;

/// The paths of the door, ready to be merged with the API.
pub fn router(door: &Arc<OpenIdDoor>) -> Router {
    Router::new()
        .route("/openid/{service}/.well-known/openid-configuration", get(discovery))
        .route("/openid/{service}/jwks", get(keys))
        .route("/openid/{service}/authorize", get(authorize).post(authorize_by_form))
        .route("/openid/{service}/bc-authorize", post(bc_authorize))
        .route("/openid/{service}/token", post(tokens))
        .route("/openid/{service}/userinfo", get(person).post(person))
        .with_state(Arc::clone(door))
}

fn answer<T: Serialize>(body: Result<T, Refusal>, caching: HeaderValue) -> Response {
    match body {
        Ok(body) => ([(CACHE_CONTROL, caching)], Json(body)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn discovery(State(door): Door, Path(service): Path<String>) -> Response {
    match service.parse::<ServiceSid>() {
        Ok(service) => answer(Ok(metadata::document(&door, service)), PUBLIC),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn keys(State(door): Door, Path(service): Path<String>) -> Response {
    if service.parse::<ServiceSid>().is_err() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let ring = door.verify.key_ring().await.map_err(Refusal::from);
    answer(ring.map(|ring| ring.published(door.verify.now())), PUBLIC)
}

async fn authorize(
    State(door): Door,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let led = authorize::lead(&door, &service, query.unwrap_or_default().as_bytes()).await;
    led.unwrap_or_else(NoWay::response)
}

async fn authorize_by_form(
    State(door): Door,
    Path(service): Path<String>,
    request: Request,
) -> Response {
    let led = async {
        let form = whole(request.into_body(), AUTHORIZE_MAX).await;
        authorize::lead(&door, &service, &form.map_err(|_| NoWay::Malformed)?).await
    };
    led.await.unwrap_or_else(NoWay::response)
}

async fn bc_authorize(
    State(door): Door,
    Path(service): Path<String>,
    request: Request,
) -> Response {
    let asked = async {
        let request = ClientRequest::read(&door, &service, request).await?;
        ciba::ask(&door, &request).await
    };
    answer(asked.await, NO_STORE)
}

async fn tokens(State(door): Door, Path(service): Path<String>, request: Request) -> Response {
    let made = async {
        let request = ClientRequest::read(&door, &service, request).await?;
        token::tokens(&door, &request).await
    };
    answer(made.await, NO_STORE)
}

async fn person(State(door): Door, Path(service): Path<String>, request: Request) -> Response {
    // A body cannot be held while the database is read.
    let (parts, _) = request.into_parts();
    answer(userinfo::claims(&door, &service, &parts).await, NO_STORE)
}
