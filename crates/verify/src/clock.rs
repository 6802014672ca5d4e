//! The time, as use cases read it. A clock that has jumped must not make a refusal: it is compared with the clock that it
//! follows first.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeClosedError};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::time::Instant;
use countersign_store::StoreError;

use crate::error::VerifyError;
use crate::verify::Verify;

impl Verify {
    /// The current time, by the clock that the whole process uses.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The monotonic clock, which measures durations.
    pub fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// The current time, for decisions. A doubtful clock is compared with the clock that it follows.
    ///
    /// # Errors
    /// The clock is doubtful and cannot be compared now.
    pub async fn time(&self) -> Result<Instant, StoreError> {
        let now = self.now();
        if self.clock.is_doubtful() { self.checked_time().await } else { Ok(now) }
    }

    /// The current time, compared with the clock that this one follows. For refusals.
    pub(crate) async fn checked_time(&self) -> Result<Instant, StoreError> {
        let unknown = || StoreError::Unavailable("the time is not known now".to_owned());
        self.clock.checked().await.ok_or_else(unknown)
    }

    /// The current time, at which the challenge is open.
    ///
    /// # Errors
    /// The challenge is not open; the clock cannot be compared now.
    pub(crate) async fn open_at(&self, challenge: &Challenge) -> Result<Instant, VerifyError> {
        let now = self.time().await?;
        if challenge.is_open(now) != Err(ChallengeClosedError::Expired) {
            challenge.is_open(now)?;
            return Ok(now);
        }
        let now = self.checked_time().await?;
        challenge.is_open(now)?;
        Ok(now)
    }

    /// Whether an instant has passed.
    pub(crate) async fn has_passed(&self, at: Instant) -> Result<bool, StoreError> {
        Ok(self.time().await? >= at && self.checked_time().await? >= at)
    }

    /// The factor that was found, or `None` if it has lapsed.
    pub(crate) async fn unless_lapsed<F>(
        &self,
        found: Option<F>,
        has_lapsed: impl Fn(&F, Instant) -> bool,
    ) -> Result<Option<F>, StoreError> {
        let Some(factor) = found else { return Ok(None) };
        let has_lapsed = has_lapsed(&factor, self.time().await?)
            && has_lapsed(&factor, self.checked_time().await?);
        Ok((!has_lapsed).then_some(factor))
    }

    /// An instant for `updated_at` that is later than the last one, also when the clock was set back: optimistic updates
    /// compare it.
    pub(crate) fn later_than(&self, last: Instant) -> Instant {
        self.now().max(last + Duration::from_micros(1))
    }
}
