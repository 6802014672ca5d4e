//! Long polls: a request that waits until a challenge, or a group of challenges, is answered or expires.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeStatus};
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

/// The longest time between two reads of a challenge that a request waits for: messages between nodes may be lost.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The event that a request waits for.
pub(crate) trait Awaited {
    /// Its status at `now`.
    fn status(&self, now: Instant) -> ChallengeStatus;
    /// A challenge with its owner and expiry.
    fn challenge(&self) -> &Challenge;
}

impl Awaited for Challenge {
    fn status(&self, now: Instant) -> ChallengeStatus {
        Self::status(self, now)
    }

    fn challenge(&self) -> &Challenge {
        self
    }
}

impl Awaited for ChallengeGroup {
    fn status(&self, now: Instant) -> ChallengeStatus {
        Self::status(self, now)
    }

    fn challenge(&self) -> &Challenge {
        self.first()
    }
}

impl Verify {
    /// Returns a challenge once it is no longer pending, after `most` at the latest. `stop` ends the wait early.
    ///
    /// # Errors
    /// Those of [`Verify::challenge`].
    pub async fn wait_for_challenge(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        most: Duration,
        stop: &CancellationToken,
    ) -> VerifyResult<Challenge> {
        self.wait_while_pending(caller, sid, most, stop, |is_first| async move {
            if is_first {
                self.challenge(caller, service, identity, sid).await
            } else {
                self.read_challenge_again(caller, service, identity, sid).await
            }
        })
        .await
    }

    /// Returns what `read` returns once it is no longer pending, after `most` at the latest. It is read first, and then whenever
    /// the challenge `sid` may have changed.
    pub(crate) async fn wait_while_pending<T: Awaited, F>(
        &self,
        caller: &Caller,
        sid: ChallengeSid,
        most: Duration,
        stop: &CancellationToken,
        read: impl Fn(bool) -> F,
    ) -> VerifyResult<T>
    where
        F: Future<Output = VerifyResult<T>>,
    {
        let until = self.clock.monotonic() + most;
        let mut waiter = self.waiters.enter(caller);
        let watch = self.bus.watch(sid).await;
        let mut is_first = true;
        loop {
            let changed = watch.changed();
            let awaited = read(std::mem::take(&mut is_first)).await?;
            let now = self.time().await?;
            let left = until.since(self.clock.monotonic());
            let is_over = awaited.status(now) != ChallengeStatus::Pending || left.is_zero();
            let Some(waiter) = waiter.as_mut().filter(|_| !is_over && !stop.is_cancelled()) else {
                return Ok(awaited);
            };
            let challenge = awaited.challenge();
            let left = left.min(challenge.expires_at.since(now)).min(READ_AGAIN);
            tokio::select! {
                () = changed => {}
                () = waiter.changed(&challenge.owner) => {}
                () = self.clock.sleep(left) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Reads the challenge again. Fails if the challenge or the waiting device was deleted meanwhile.
    async fn read_challenge_again(
        &self,
        caller: &Caller,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<Challenge> {
        self.refuse_suspended(caller.account()).await?;
        let (challenge, factor) = self.reach_challenge(caller, service, identity, sid).await?;
        if matches!(caller, Caller::Device(_)) && factor.is_none() {
            return Err(VerifyError::NotFound);
        }
        Ok(challenge)
    }
}
