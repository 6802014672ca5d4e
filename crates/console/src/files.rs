//! The files that the pages are made of, and what a browser may do with the pages.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::Response;
use countersign_web::{Assets, Policy};
use http::HeaderMap;
use rust_embed::RustEmbed;

use crate::fault::Fault;

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

/// All files.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets::read::<Folder>(&[]));

/// Forms go to the console itself, and nothing is sensed.
pub(crate) static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::new("form-action 'self'", "camera=()"));

/// One of the files.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Fault> {
    ASSETS.versioned(&version, &name, &asked).ok_or(Fault::NotFound)
}
