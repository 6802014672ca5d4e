//! The document has every route and method of the router and no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::header::ALLOW;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::scene::state;
use super::{document, operations};
use crate::ops;
use crate::router::api;

/// The path with unnamed parameters: generators need other names than the router.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_and_method_is_described_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = state(&folder);
    let mut served = BTreeSet::new();
    for (path, handlers) in api(&state.sockets).into_iter().chain(ops::routes()) {
        let router = Router::new().route("/", handlers).with_state(Arc::clone(&state));
        let request = Request::builder().method("PATCH").uri("/").body(Body::empty());
        let Ok(response) = router.oneshot(request.expect("a request")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = response.headers()[ALLOW].to_str().expect("text");
        // HEAD comes with GET. A WebSocket over HTTP/2 uses CONNECT, which OpenAPI cannot describe.
        let methods = allow.split(',').filter(|method| !matches!(*method, "HEAD" | "CONNECT"));
        served.extend(methods.map(|method| (shape(path), method.to_lowercase())));
    }
    let document = document();
    let described: BTreeSet<_> =
        operations(&document).map(|(path, method, _)| (shape(path), method.to_owned())).collect();
    assert_eq!(served, described);
}
