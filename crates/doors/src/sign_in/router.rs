//! The paths of the page.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::door::SignInDoor;
use super::{files, serve};

/// The paths of the page, ready to be merged with the API.
pub fn router(door: &Arc<SignInDoor>) -> Router {
    Router::new()
        .route("/sign-in", get(serve::who))
        .route("/sign-in/ask", post(serve::ask))
        .route("/sign-in/wait", get(serve::wait))
        .route("/sign-in/poll", get(serve::poll))
        .route("/sign-in/code", post(serve::code))
        .route("/sign-in/signed-out", get(serve::signed_out))
        .with_state(Arc::clone(door))
        .route("/sign-in/files/{version}/{name}", get(files::file))
}
