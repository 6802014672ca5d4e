//! Requests that continue after their caller has hung up.
//!
//! HTTP drops a request's future when the caller hangs up, resets the stream or times out. By then a writing request may have
//! committed, and the actions after the commit must still happen: handing over the push, waking long polls, dismissing prompts,
//! invalidating caches, calling webhooks.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Method;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

type Outcome = Result<Response, Infallible>;

/// A request in progress. If it is dropped before its end, a writing request continues as a separate task, and a reading one is
/// cancelled.
pub(crate) struct RunToEnd {
    /// `None` after the end.
    request: Option<BoxFuture<'static, Outcome>>,
    /// Tracks the tasks; `None` for a reading request.
    tasks: Option<TaskTracker>,
}

impl RunToEnd {
    /// Wraps a request. `tasks` tracks requests that continue without their caller, so that a shutdown can wait for them.
    pub(crate) fn new(
        method: &Method,
        request: BoxFuture<'static, Outcome>,
        tasks: &TaskTracker,
    ) -> Self {
        Self { request: Some(request), tasks: writes(method).then(|| tasks.clone()) }
    }
}

/// Whether a request with this method may change something. `CONNECT` opens a device stream, which ends with its caller.
fn writes(method: &Method) -> bool {
    !method.is_safe() && *method != Method::CONNECT
}

impl Future for RunToEnd {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Some(request) = &mut self.request else { return Poll::Pending };
        let outcome = std::task::ready!(request.as_mut().poll(context));
        self.request = None;
        Poll::Ready(outcome)
    }
}

impl Drop for RunToEnd {
    fn drop(&mut self) {
        let (Some(request), Some(tasks)) = (self.request.take(), self.tasks.take()) else { return };
        // Without a runtime, the process is ending.
        if let Ok(runtime) = Handle::try_current() {
            metrics::counter!("countersign_http_abandoned_total").increment(1);
            tasks.spawn_on(request, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::StatusCode;
    use rstest::rstest;
    use tokio::sync::oneshot;

    use super::*;

    /// A request that waits for the sender and then reports its end.
    fn gated() -> (oneshot::Sender<()>, oneshot::Receiver<()>, BoxFuture<'static, Outcome>) {
        let (gate, opened) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        let request = async move {
            let _ = opened.await;
            let _ = done.send(());
            Ok(StatusCode::CREATED.into_response())
        };
        (gate, ended, Box::pin(request))
    }

    #[rstest]
    #[case(Method::POST, true)]
    #[case(Method::DELETE, true)]
    #[case(Method::PUT, true)]
    #[case(Method::GET, false)]
    #[case(Method::HEAD, false)]
    #[case(Method::CONNECT, false)]
    #[tokio::test]
    async fn a_writing_request_runs_to_its_end_after_its_caller_has_gone(
        #[case] method: Method,
        #[case] continues: bool,
    ) {
        let tasks = TaskTracker::new();
        let (gate, ended, request) = gated();
        let mut served = RunToEnd::new(&method, request, &tasks);
        assert!(futures_util::poll!(&mut served).is_pending());
        drop(served);
        let _ = gate.send(());
        assert_eq!(ended.await.is_ok(), continues);
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn a_request_that_has_ended_leaves_no_task() {
        let tasks = TaskTracker::new();
        let (gate, _ended, request) = gated();
        let mut served = RunToEnd::new(&Method::POST, request, &tasks);
        let _ = gate.send(());
        assert_eq!((&mut served).await.unwrap().status(), StatusCode::CREATED);
        drop(served);
        assert!(tasks.is_empty());
    }
}
