//! Starts the tasks of one engine, counts them, and ends them.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Attempts, replays and calls in flight, and the two signals that end an engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        let tracker = TaskTracker::new();
        // `wait` returns only on a closed tracker; a closed tracker still accepts tasks.
        tracker.close();
        Self { tracker, stop: CancellationToken::new(), kill: CancellationToken::new() }
    }

    /// Starts a task that ends when the engine is killed, with `None` then.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn(self.killable(task))
    }

    /// A task that ends when the engine is killed.
    pub(crate) fn killable<F: Future>(
        &self,
        task: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        self.kill.clone().run_until_cancelled_owned(task)
    }

    /// Counts as a task until it is dropped: for work that is queued and has no task yet.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// Waits until no task is left.
    pub(crate) async fn wait(&self) {
        self.tracker.wait().await;
    }

    /// How many tasks are left.
    pub(crate) fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Cancelled when the engine accepts no new work.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ends all tasks where they stand.
    pub(crate) fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }
}
