//! The browser authenticator at `/authenticator`: plain ES modules in the folder `authenticator/` of this crate, served
//! as they are. To the rest of the API the page is a device like any other; nothing here knows of keys or challenges.
//!
//! All files but the page, the service worker and the manifest lie under a path that names their contents, so that a
//! browser keeps them for ever and never mixes two versions.

mod assets;
mod policy;
#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use self::assets::{Asset, Assets};
use crate::error::ApiError;
use crate::headers::OwnHeaders;
use crate::rows;

/// How long a browser may keep something without asking.
#[derive(Clone, Copy)]
enum Kept {
    /// It has a fixed name: ask each time whether it is still the same.
    UntilAsked,
    /// Its name says what is in it.
    ForEver,
}

/// The page.
pub(crate) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    fixed("index.html", &headers)
}

/// The page's path has no slash at its end: what it names is found from there.
pub(crate) async fn to_page() -> Response {
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("../authenticator"));
    response
}

/// The service worker, which may control the page although its own path is longer.
pub(crate) async fn service_worker(headers: HeaderMap) -> Result<Response, ApiError> {
    let mut response = fixed("sw.js", &headers)?;
    let allowed = HeaderName::from_static("service-worker-allowed");
    response.headers_mut().insert(allowed, HeaderValue::from_static("/"));
    Ok(response)
}

/// What makes the page installable.
pub(crate) async fn manifest(headers: HeaderMap) -> Result<Response, ApiError> {
    fixed("manifest.webmanifest", &headers)
}

/// One of the files that the page is made of.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let assets = Assets::get();
    let asset = assets.file(&name).filter(|_| version == assets.version());
    let asset = asset.ok_or_else(|| ApiError::from(&rows::NOT_FOUND))?;
    Ok(answer(asset, Kept::ForEver, &headers))
}

fn fixed(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let asset = Assets::get().file(name).ok_or_else(|| ApiError::from(&rows::NOT_FOUND))?;
    Ok(answer(asset, Kept::UntilAsked, headers))
}

fn answer(asset: &Asset, kept: Kept, asked: &HeaderMap) -> Response {
    let knows = asked.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == asset.etag);
    let mut response = if knows {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let gzip = asset.gzip.as_ref().filter(|_| takes_gzip(asked));
        let mut response = Response::new(Body::from(gzip.unwrap_or(&asset.plain).clone()));
        if gzip.is_some() {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        response
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, asset.etag.clone());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept.as_str()));
    for (name, value) in policy::HEADERS {
        headers.insert(name, value);
    }
    response.extensions_mut().insert(OwnHeaders);
    response
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|codings| {
        codings.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && quality.replace(' ', "") != "q=0"
        })
    })
}

impl Kept {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UntilAsked => "no-cache",
            Self::ForEver => "public, max-age=31536000, immutable",
        }
    }
}
