//! The OpenID provider, by a client that speaks it itself.

mod ciba;
mod client;
mod keys;
mod ping;
mod refusals;

pub use client::{Client, Reply};

use tokio::task::JoinHandle;

use crate::support::TestApp;

/// The person whom the client knows as `ann`.
pub const ANN: &str = "alice-0001";

/// A request that waits; returns once the server serves it.
pub async fn waiting(
    app: &TestApp,
    request: impl Future<Output = Reply> + Send + 'static,
) -> JoinHandle<Reply> {
    let before = app.serving().await;
    let waiting = tokio::spawn(request);
    while app.serving().await == before {
        tokio::task::yield_now().await;
    }
    waiting
}
