//! The browser authenticator at `/authenticator`: plain ES modules in the folder `files/`, served as they are.
//!
//! To the API the page is a device like any other, so this crate knows neither keys nor challenges. The page, the service worker
//! and the manifest have fixed paths. All other files lie under a path that contains the version of all files together: a
//! browser caches them for ever and never mixes two versions.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use countersign_web::{Assets, Policy};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderName, StatusCode};
use rust_embed::RustEmbed;

const HOME: &str = "/authenticator";
const PAGE: &str = "index.html";
const SERVICE_WORKER: &str = "sw.js";
const MANIFEST: &str = "manifest.webmanifest";
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

static ASSETS: LazyLock<Assets> =
    LazyLock::new(|| Assets::read::<Folder>(&[PAGE, SERVICE_WORKER, MANIFEST]));

/// The page handles keys, so it is allowed only what it needs. Trusted types keep text that applications write from becoming
/// markup by mistake. The camera reads enrolment codes when the person asks for it, and the
/// platform's passkey verifies the person where a service asks for that.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let content = "manifest-src 'self'; worker-src 'self'; form-action 'none'; \
                   require-trusted-types-for 'script'; trusted-types countersign";
    Policy::new(content, "camera=(self), publickey-credentials-get=(self)")
});

/// All paths of the page, ready to be merged with the API. The responses bring their own headers.
pub fn router() -> Router {
    let router = Router::new()
        .route(HOME, get(async |headers: HeaderMap| fixed(PAGE, &headers)))
        .route(&format!("{HOME}/"), get(redirect))
        .route(&format!("{HOME}/{SERVICE_WORKER}"), get(service_worker))
        .route(
            &format!("{HOME}/{MANIFEST}"),
            get(async |headers: HeaderMap| fixed(MANIFEST, &headers)),
        );
    let version = ASSETS.version();
    ASSETS.files().fold(router, |router, (name, _)| {
        let file =
            async move |headers: HeaderMap| as_file(ASSETS.versioned(version, name, &headers));
        router.route(&format!("{HOME}/{version}/{name}"), get(file))
    })
}

/// The page's path has no slash at its end: its relative links are resolved from there.
async fn redirect() -> Response {
    let headers = [(LOCATION, "../authenticator"), (CACHE_CONTROL, "no-store")];
    (StatusCode::PERMANENT_REDIRECT, headers).into_response()
}

/// The service worker may control the page although its own path is longer.
async fn service_worker(headers: HeaderMap) -> Response {
    ([(SERVICE_WORKER_ALLOWED, "/")], fixed(SERVICE_WORKER, &headers)).into_response()
}

fn fixed(name: &str, headers: &HeaderMap) -> Response {
    with_policy(ASSETS.fixed(name, headers))
}

fn as_file(found: Option<Response>) -> Response {
    let mut response = found.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response());
    POLICY.apply_to_file(response.headers_mut());
    response
}

fn with_policy(found: Option<Response>) -> Response {
    let mut response = found.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response());
    POLICY.apply(response.headers_mut());
    response
}
