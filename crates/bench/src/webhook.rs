//! The application's webhook.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::ledger::sid_after;
use crate::logins::Logins;

/// A listener that notes the challenge of each event.
pub(crate) struct Ear {
    pub(crate) url: String,
    repeated: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Ear {
    pub(crate) async fn start(logins: Arc<Logins>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let repeated = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&repeated);
        let take = async move |body: Bytes| {
            let challenge = sid_after(&body, b"challenge_sid=YC");
            if challenge.is_some_and(|challenge| !logins.told(challenge, Instant::now())) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let router = Router::new().route("/hook", post(take));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It serves until this is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, repeated, _serving: serving })
    }

    /// Events that came again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }
}
