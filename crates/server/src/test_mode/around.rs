//! The routes of test mode around those of the server: a header on every response, a note at `/`, and bad manners of the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use countersign_api::{ApiState, refusal};
use countersign_delivery::Engine;
use countersign_verify::concurrency::OverloadError;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::banner::with_banner;
use super::clock_page::{set_clock, show_clock};
use super::desk::Desk;
use super::manners::Kind;
use super::manners_page::{set_manners, show_manners};
use super::mode::TestMode;
use super::reply::json_response;

/// On every response of a server in test mode.
const TEST_MODE: HeaderName = HeaderName::from_static("countersign-test-mode");
/// On responses of bad manners: which.
const BAD_MANNERS: HeaderName = HeaderName::from_static("countersign-bad-manners");
/// The longest request body in bytes.
const BODY_MOST: usize = 16 * 1024;
const NOTE: &str = "TEST MODE: anybody on this machine can move this server's clock and have it misbehave. Never use it for people";

/// The routes of test mode around `served`.
pub(crate) fn around(
    served: Router,
    mode: Arc<TestMode>,
    engine: &Arc<Engine>,
    api: &Arc<ApiState>,
) -> Router {
    let desk = Arc::new(Desk { mode, engine: Arc::downgrade(engine), api: Arc::clone(api) });
    let served = served.layer(from_fn_with_state(Arc::clone(&desk), misbehave));
    let own = Router::new()
        .route("/_test/clock", get(show_clock).put(set_clock))
        .route("/_test/manners", get(show_manners).put(set_manners))
        .layer(DefaultBodyLimit::max(BODY_MOST))
        .with_state(Arc::clone(&desk));
    own.fallback_service(served).layer(from_fn_with_state(desk, say_so))
}

/// Marks each response, and tells at `/` what is special here.
async fn say_so(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let is_root = request.uri().path() == "/" && request.method() == Method::GET;
    let mut response = if is_root && !wants_page(request.headers()) {
        let routes = json!({ "test_mode": true, "note": NOTE, "clock": "/_test/clock", "manners": "/_test/manners" });
        json_response(StatusCode::OK, &routes)
    } else {
        // The line on pages needs them as they are.
        request.headers_mut().remove(ACCEPT_ENCODING);
        with_banner(next.run(request).await).await
    };
    let is_frozen = desk.mode.clock.is_frozen();
    let state = HeaderValue::from_static(if is_frozen { "clock=frozen" } else { "clock=running" });
    response.headers_mut().insert(TEST_MODE, state);
    response
}

fn wants_page(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    kinds.any(|kinds| kinds.contains("text/html"))
}

/// Refuses requests of the API, or loses their answers.
async fn misbehave(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = path.starts_with("/v2/") || path.starts_with("/v1/");
    // A device's connection has bad manners of its own.
    if !is_api || path.ends_with("/Stream") {
        return next.run(request).await;
    }
    let (manners, path) = (&desk.mode.manners, path.to_owned());
    let (overload, which) = if manners.happens(Kind::TooManyRequests) {
        (OverloadError::Owner, "too_many_requests")
    } else if manners.happens(Kind::Unavailable) {
        (OverloadError::Server, "unavailable")
    } else if manners.happens(Kind::AnswersLost) {
        next.run(request).await;
        (OverloadError::Server, "answers_lost")
    } else {
        return next.run(request).await;
    };
    let mut response = refusal(&desk.api, overload, &path);
    response.headers_mut().insert(BAD_MANNERS, HeaderValue::from_static(which));
    response
}
