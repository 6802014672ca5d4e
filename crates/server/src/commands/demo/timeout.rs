//! The bound on every wait of the demo.

use std::time::Duration;

use anyhow::{Context as _, bail};

/// The longest wait of the demo.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for something, at most [`TIMEOUT`].
pub(super) async fn within<T>(
    what: &str,
    awaited: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(TIMEOUT, awaited).await {
        Ok(result) => result.with_context(|| format!("while awaiting {what}")),
        Err(_) => bail!("timed out after {} s while awaiting {what}", TIMEOUT.as_secs()),
    }
}
