//! Bad manners over HTTP, at `/_test/manners`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::desk::Desk;
use super::manners::Shares;
use super::reply::json_response;

/// Shows what is set, and how often it has happened.
pub(super) async fn show_manners(State(desk): State<Arc<Desk>>) -> Response {
    desk.manners(StatusCode::OK, None)
}

/// Sets all shares; those that the body does not name are 0.
pub(super) async fn set_manners(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let read = serde_json::from_slice::<Shares>(&body).map_err(|error| {
        format!("the body must be JSON such as {{\"seed\": 7, \"unavailable\": 0.05}}: {error}")
    });
    match read.and_then(Shares::check) {
        Ok(shares) => {
            desk.mode.manners.set(shares);
            desk.manners(StatusCode::OK, None)
        }
        Err(why) => desk.manners(StatusCode::BAD_REQUEST, Some(why)),
    }
}

impl Desk {
    fn manners(&self, status: StatusCode, message: Option<String>) -> Response {
        let (shares, done) = self.mode.manners.shown();
        let mut shown = json!(shares);
        shown["done"] = json!(done);
        if let Some(message) = message {
            shown["message"] = message.into();
        }
        json_response(status, &shown)
    }
}
