//! The page at `/reference`: what this server has for a browser, and the reference of the API, made of its description (OpenAPI).
//!
//! It is plain HTML without a script, made once at the start, and loads nothing but two style sheets of this server.

mod operation;
mod page;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use countersign_web::{Asset, Assets, Policy};
use http::HeaderMap;
use rust_embed::RustEmbed;
use serde_json::Value;

const HOME: &str = "/reference";

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets::read::<Folder>(&[]));

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::new("form-action 'none'", "camera=()"));

/// The paths of the page, ready to be merged with the API. `description` is the OpenAPI document. The page has a link to the
/// operator's pages if these are served beside it. The responses bring their own headers.
pub fn router(description: &Value, has_console: bool) -> Router {
    let files = ASSETS.version();
    let html = page::render(description, has_console, &format!("reference/{files}"));
    let page = Arc::new(Asset::page(html));
    let serve = async move |headers: HeaderMap| with_policy(page.fixed_response(&headers));
    let router = Router::new().route(HOME, get(serve));
    ASSETS.files().fold(router, |router, (name, _)| {
        let file = async move |headers: HeaderMap| {
            with_policy(ASSETS.versioned(files, name, &headers).unwrap_or_default())
        };
        router.route(&format!("{HOME}/{files}/{name}"), get(file))
    })
}

fn with_policy(mut response: Response) -> Response {
    POLICY.apply(response.headers_mut());
    response
}
