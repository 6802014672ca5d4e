//! Admission of device streams, over real sockets.

use http::StatusCode;
use http::header::UPGRADE;
use tokio_tungstenite::tungstenite;
use tower::ServiceExt as _;

use super::support::{Client, Server, path_of};
use super::token;
use crate::socket::admission::Bounds;

fn status(opened: Result<Client, tungstenite::Error>) -> StatusCode {
    match opened {
        Err(tungstenite::Error::Http(response)) => response.status(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn too_many_unauthenticated_sockets_are_rejected() {
    let mut server = Server::with(Bounds { unauthenticated: 1, ..Bounds::default() });
    let held = server.open(7).await;
    assert_eq!(status(server.try_open(8).await), StatusCode::SERVICE_UNAVAILABLE);
    drop(held);
    while server.context.admission.unauthenticated() > 0 {
        tokio::task::yield_now().await;
    }
    let _linked = server.link(7).await;
    assert!(server.try_open(8).await.is_ok(), "an authenticated socket does not count");

    let server = Server::with(Bounds { unauthenticated_per_address: 1, ..Bounds::default() });
    let _held = server.open(7).await;
    assert_eq!(status(server.try_open(8).await), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn too_many_devices_must_reconnect_later() {
    let mut server = Server::with(Bounds { linked: 1, ..Bounds::default() });
    let _linked = server.link(7).await;
    let mut client = server.open(8).await;
    let nonce = client.text().await;
    client.say(&token(8, &nonce)).await;
    assert_eq!(client.close().await.0, 1013);
}

#[tokio::test]
async fn a_malformed_path_is_rejected_before_the_upgrade() {
    let server = Server::start();
    let path = path_of(7).replace("alice-0001", "al%20ice-0001");
    assert_eq!(status(server.try_open_path(&path).await), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_an_upgrade_there_is_no_stream() {
    let server = Server::start();
    let routes = axum::Router::new()
        .route("/{a}/{b}/{c}", axum::routing::get(crate::socket::stream))
        .with_state(server.context.clone());
    let request = http::Request::get("/a/b/c").body(axum::body::Body::empty()).unwrap();
    let response = routes.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()[UPGRADE], "websocket");
}
