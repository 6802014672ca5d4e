//! Responses for requests that no route matches.

use crate::error::ApiError;
use crate::rows;

/// Unknown path.
pub(crate) async fn no_such_path() -> ApiError {
    (&rows::NOT_FOUND).into()
}

/// Unknown method of a known path. The router adds `Allow`.
pub(crate) async fn no_such_method() -> ApiError {
    (&rows::METHOD_NOT_ALLOWED).into()
}
