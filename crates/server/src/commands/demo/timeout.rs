//! The bound on every wait of the demo.

use std::time::Duration;

use anyhow::{Context as _, bail};

/// The longest that the demo waits for anything.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for something, and not for ever.
pub(super) async fn within<T>(
    what: &str,
    awaited: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(TIMEOUT, awaited).await {
        Ok(result) => result.with_context(|| format!("while awaiting {what}")),
        Err(_) => bail!("waited {} s in vain for {what}", TIMEOUT.as_secs()),
    }
}
