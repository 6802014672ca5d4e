//! Waiting for what other processes do.

use std::time::Duration;

/// Bounds the wait; a good run ends long before.
pub const PATIENCE: Duration = Duration::from_secs(80);
/// The interval between looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Polls until `found` returns a value.
pub async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
