//! Tables of routes, and the router of one.

use axum::Router;
use axum::routing::MethodRouter;

use crate::fallback::{no_such_method, no_such_path};
use crate::state::SharedState;

/// A path and its handlers.
pub(crate) type Route = (&'static str, MethodRouter<SharedState>);

/// A router of these routes, which answers 404 to any other path and 405 to any other method.
pub(crate) fn router(routes: impl IntoIterator<Item = Route>) -> Router<SharedState> {
    routes
        .into_iter()
        .fold(Router::new(), |router, (path, handlers)| router.route(path, handlers))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
}
