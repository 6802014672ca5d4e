//! Calls a provider, bounds how long it may take, and turns a panic or a timeout into an outcome.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_domain::address::Platform;
use countersign_domain::delivery::Lease;
use countersign_domain::ending::ErrorCode;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::time::Instant;
use countersign_providers::Providers;
use futures_util::FutureExt;

use crate::deadline::give_up_at;
use crate::reports::Reports;
use crate::signals::Signals;
use crate::timing::Timing;

/// Hands pushes to providers.
pub(crate) struct Sender {
    pub(crate) providers: Arc<Providers>,
    pub(crate) reports: Reports,
    /// A prompt on the stream that is not acknowledged for this long is marked as written.
    pub(crate) written_after: Duration,
    pub(crate) timing: Timing,
    pub(crate) signals: Arc<Signals>,
}

impl Sender {
    /// Hands a push to its provider at the instant `now`. Always returns before the lease runs out.
    pub(crate) async fn send(&self, lease: &Lease, push: &Push, now: Instant) -> Attempt {
        self.signals.add(|counts| counts.attempted += 1);
        let limit = self.timing.monotonic() + give_up_at(lease).since(now);
        let platform = push.target.address.platform();
        let provider = self.providers.for_platform(platform);
        // A provider shares no state with the engine that a panic could leave half changed.
        let sending = AssertUnwindSafe(async { provider.send(push).await }).catch_unwind();
        let mut sending = pin!(sending);

        if platform == Platform::Stream {
            tokio::select! {
                biased;
                sent = &mut sending => return sent.unwrap_or_else(|_| panicked(push)),
                () = self.timing.sleep(self.written_after) => {}
            }
            self.reports.mark_written(*lease, self.timing.now());
        }
        tokio::select! {
            biased;
            sent = &mut sending => sent.unwrap_or_else(|_| panicked(push)),
            () = self.timing.sleep(limit.since(self.timing.monotonic())) => given_up(push),
        }
    }
}

fn panicked(push: &Push) -> Attempt {
    let platform = push.target.address.platform().as_str();
    let notification = push.notification;
    tracing::error!(platform, %notification, "a provider's client panicked; the attempt counts as failed");
    Attempt::plain(Outcome::Later { not_before: None }, Some(ErrorCode::INTERNAL))
}

fn given_up(push: &Push) -> Attempt {
    let platform = push.target.address.platform();
    let notification = push.notification;
    tracing::warn!(platform = platform.as_str(), %notification, "an attempt took too long and is given up");
    if platform == Platform::Stream {
        Attempt::plain(Outcome::Unacknowledged, None)
    } else {
        Attempt::plain(Outcome::Later { not_before: None }, Some(ErrorCode::INTERNAL))
    }
}
