//! The static files of the page, and the policy for browsers.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use countersign_web::{Assets, Policy};
use http::{HeaderMap, StatusCode};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "files/"]
struct Folder;

/// All files.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets::read::<Folder>(&[]));

/// Allows forms to the page itself. A browser goes back to its site by a link, not by a form.
pub(super) static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::new("form-action 'self'", "camera=(), publickey-credentials-get=()"));

/// Serves a file.
pub(super) async fn file(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> Response {
    let found = ASSETS.versioned(&version, &name, &asked);
    let mut response = found.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response());
    POLICY.apply_to_file(response.headers_mut());
    response
}
