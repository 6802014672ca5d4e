//! Requests that no route takes.

use crate::error::ApiError;
use crate::rows;

/// No route has the path.
pub(crate) async fn no_such_path() -> ApiError {
    (&rows::NOT_FOUND).into()
}

/// No route of the path has the method. The router adds `Allow`.
pub(crate) async fn no_such_method() -> ApiError {
    (&rows::METHOD_NOT_ALLOWED).into()
}
