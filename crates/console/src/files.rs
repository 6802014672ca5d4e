//! The static files of the pages, and the policy for browsers.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::Response;
use countersign_web::{Assets, Policy};
use http::HeaderMap;
use rust_embed::RustEmbed;

use crate::error::PageError;

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

/// All files.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets::read::<Folder>(&[]));

/// Allows forms to the console itself, and no camera.
pub(crate) static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::new("form-action 'self'", "camera=(), publickey-credentials-get=()"));

/// Serves a file.
pub(crate) async fn file(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, PageError> {
    ASSETS.versioned(&version, &name, &asked).ok_or(PageError::NotFound)
}
