//! Counts the calls that applications and push services have not responded to.

use tokio::sync::watch;

/// The calls without a response. Clones count the same calls.
#[derive(Clone, Default)]
pub(crate) struct Outside(watch::Sender<usize>);

/// A call without a response, until dropped.
pub(crate) struct OutsideCall(Outside);

impl Outside {
    /// Counts a call.
    pub(crate) fn begin(&self) -> OutsideCall {
        self.0.send_modify(|calls| *calls += 1);
        OutsideCall(self.clone())
    }

    /// Whether a call has no response.
    pub(crate) fn is_busy(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until every call has a response.
    pub(crate) async fn quiet(&self) {
        // Cannot fail: the sender is `self`.
        let _ = self.0.subscribe().wait_for(|calls| *calls == 0).await;
    }
}

impl Drop for OutsideCall {
    fn drop(&mut self) {
        self.0.0.send_modify(|calls| *calls -= 1);
    }
}
