//! Every route of the console.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE};

use crate::error::PageError;
use crate::files;
use crate::frame::{self, Frame, Section};
use crate::pages::{
    challenge, credentials, enrol, overview, pauses, people, search, services, sign_in, timeline,
    webhooks,
};
use crate::session::{Operator, Renewal};
use crate::state::{Console, SharedConsole};

/// All pages, ready to be merged with the API. They bring their own headers.
pub fn router(console: &Arc<Console>) -> Router {
    let at = |path: &str| format!("/console{path}");
    let person = "/services/{service}/people/{identity}";
    Router::new()
        .route(&at(""), get(overview::show))
        .route(&at("/"), get(overview::to_page))
        .route(&at("/sign-in"), get(sign_in::show).post(sign_in::enter))
        .route(&at("/sign-out"), post(sign_in::leave))
        .route(&at("/enter"), get(sign_in::by_link))
        .route(&at("/timeline"), get(timeline::show))
        .route(&at("/search"), get(search::show))
        .route(&at("/challenges/{challenge}"), get(challenge::show))
        .route(&at("/services"), get(services::list).post(services::create))
        .route(&at("/services/{service}"), get(services::show).post(services::update))
        .route(&at(person), get(people::show))
        .route(&at(&format!("{person}/challenges")), post(people::ask))
        .route(&at(&format!("{person}/protection")), post(pauses::change))
        .route(&at("/credentials"), get(credentials::show))
        .route(&at("/credentials/{credential}/test"), post(credentials::test))
        .route(&at("/webhooks"), get(webhooks::show))
        .route(&at("/webhooks/{service}/{webhook}"), get(webhooks::one))
        .route(&at("/webhooks/{service}/{webhook}/calls/{call}/resend"), post(webhooks::resend))
        .route(&at("/enrol"), get(enrol::show).post(enrol::invite))
        .route(&at("/files/{version}/{name}"), get(files::file))
        .route(&at("/{*rest}"), get(nothing).post(nothing))
        .layer(from_fn_with_state(Arc::clone(console), finish))
        .with_state(Arc::clone(console))
}

async fn nothing() -> PageError {
    PageError::NotFound
}

/// Draws errors and sets the headers.
async fn finish(
    State(console): State<SharedConsole>,
    mut request: Request,
    next: Next,
) -> Response {
    let (headers, renewal) = (request.headers().clone(), Renewal::default());
    request.extensions_mut().insert(renewal.clone());
    let mut response = next.run(request).await;
    // Signing out has already set it.
    if !response.headers().contains_key(SET_COOKIE) {
        renewal.apply(&mut response, &console);
    }
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        response = draw(&console, &headers, &error).await;
    }
    let headers = response.headers_mut();
    files::POLICY.apply(headers);
    // Responses without a caching rule must not be stored.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn draw(console: &Console, headers: &http::HeaderMap, error: &PageError) -> Response {
    if *error == PageError::SignedOut {
        let mut response = frame::go(console, "/sign-in");
        // For an update of a part, the whole page must redirect.
        if headers.contains_key("hx-request") {
            *response.status_mut() = http::StatusCode::OK;
            if let Some(place) = response.headers_mut().remove(http::header::LOCATION) {
                response.headers_mut().insert("hx-redirect", place);
            }
        }
        return response;
    }
    let operator = Operator::of(headers, console).await.ok();
    let (title, text) = error.words();
    let frame = Frame::new(console, operator.as_ref(), Section::Nowhere);
    let template = crate::pages::ErrorPage { frame, title, text };
    let drawn = frame::page(error.status(), &template);
    let mut response = drawn.unwrap_or_default();
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
