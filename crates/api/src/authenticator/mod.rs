//! The browser authenticator at `/authenticator`: plain ES modules in the folder `authenticator/` of this crate, served
//! as they are. To the rest of the API the page is a device like any other; nothing here knows of keys or challenges.
//!
//! All files but the page, the service worker and the manifest lie under a path that names their contents, so that a
//! browser keeps them for ever and never mixes two versions.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use countersign_web::{Assets, Policy};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rust_embed::RustEmbed;

use crate::error::ApiError;
use crate::headers::OwnHeaders;
use crate::rows;

#[derive(RustEmbed)]
#[folder = "authenticator/"]
struct Folder;

static ASSETS: LazyLock<Assets> =
    LazyLock::new(|| Assets::read::<Folder>(&["index.html", "sw.js", "manifest.webmanifest"]));

/// The page handles keys: nothing is allowed that it does not need. What applications write reaches it as text; with trusted
/// types even a mistake could not make it markup. The camera reads enrolment codes, when the person asks for it.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let content = "manifest-src 'self'; worker-src 'self'; form-action 'none'; \
                   require-trusted-types-for 'script'; trusted-types countersign";
    Policy::new(content, "camera=(self)")
});

/// The page.
pub(crate) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    answer(ASSETS.fixed("index.html", &headers))
}

/// The page's path has no slash at its end: what it names is found from there.
pub(crate) async fn to_page() -> Response {
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("../authenticator"));
    response
}

/// The service worker, which may control the page although its own path is longer.
pub(crate) async fn service_worker(headers: HeaderMap) -> Result<Response, ApiError> {
    let mut response = answer(ASSETS.fixed("sw.js", &headers))?;
    let allowed = HeaderName::from_static("service-worker-allowed");
    response.headers_mut().insert(allowed, HeaderValue::from_static("/"));
    Ok(response)
}

/// What makes the page installable.
pub(crate) async fn manifest(headers: HeaderMap) -> Result<Response, ApiError> {
    answer(ASSETS.fixed("manifest.webmanifest", &headers))
}

/// One of the files that the page is made of.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(ASSETS.versioned(&version, &name, &headers))
}

fn answer(found: Option<Response>) -> Result<Response, ApiError> {
    let mut response = found.ok_or_else(|| ApiError::from(&rows::NOT_FOUND))?;
    POLICY.apply(response.headers_mut());
    response.extensions_mut().insert(OwnHeaders);
    Ok(response)
}
