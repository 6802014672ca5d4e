//! Where an attempt stands.

use std::time::Duration;

use countersign_domain::answer::DenialReason;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::challenge_group::{ChallengeGroup, GroupAnswer};
use countersign_domain::presence::PresenceProof;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_store::{Order, PageQuery};
use countersign_verify::{OpenedIntegration, VerifyError, VerifyResult};

use super::ask::{MARK, place};
use super::attempt::{Attempt, Proof};
use super::door::SignInDoor;
use crate::method::Method;

/// How long a page waits for news.
const HOLD: Duration = Duration::from_secs(25);
/// When a prompt that is not there yet is looked for again, at first.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The newest prompts of a user among which that of an attempt is looked for.
const NEWEST: u16 = 20;

/// The approval of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Approval {
    /// The way.
    pub(super) method: Method,
    /// The instant.
    pub(super) at: Instant,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has answered. Whether anybody was asked is not told.
    Pending,
    /// It was approved on this challenge, whose code is to be typed.
    TypeCode(ChallengeSid),
    /// It signs in.
    Approved(Approval),
    /// It was denied.
    Denied,
    /// It was denied, because a number or code was wrong.
    WrongNumber,
    /// It was denied by somebody who had not begun it.
    NotMe,
    /// Nobody answered in time.
    Expired,
}

impl SignInDoor {
    /// Where an attempt stands, once that is no longer pending, after 25 seconds at the latest.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn wait(
        &self,
        opened: &OpenedIntegration,
        attempt: &Attempt,
    ) -> VerifyResult<Standing> {
        let end = Instant::from_seconds(attempt.until).min(self.verify.now() + HOLD);
        let mut pause = LOOK_AGAIN;
        loop {
            let (standing, group) = self.look(opened, attempt).await?;
            let now = self.verify.now();
            if standing != Standing::Pending || now >= end || self.shutdown.is_cancelled() {
                return Ok(standing);
            }
            match group {
                Some(group) => {
                    let (account, service) = place(opened);
                    let (identity, sid) = (&group.first().owner.identity, group.sid());
                    let (most, stop) = (end.since(now), &self.shutdown);
                    self.verify
                        .wait_for_challenge_group(account, service, identity, sid, most, stop)
                        .await?;
                    return Ok(self.look(opened, attempt).await?.0);
                }
                None => tokio::select! {
                    () = self.clock.sleep_until(end.min(now + pause)) => pause *= 2,
                    () = self.shutdown.cancelled() => {}
                },
            }
        }
    }

    /// Where an attempt stands, and its prompt, if there is one.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn look(
        &self,
        opened: &OpenedIntegration,
        attempt: &Attempt,
    ) -> VerifyResult<(Standing, Option<ChallengeGroup>)> {
        if let Proof::Code { at } = attempt.proof {
            let approval = Approval { method: Method::Code, at: Instant::from_seconds(at) };
            return Ok((Standing::Approved(approval), None));
        }
        let group = self.find(opened, attempt).await?;
        let now = self.verify.time().await?;
        let standing = match group.as_ref().and_then(ChallengeGroup::answer) {
            Some(answer) => match answer.verdict {
                Verdict::Approved => approved(&answer),
                Verdict::Denied => self.denied(answer.challenge).await?,
            },
            None if now < Instant::from_seconds(attempt.until) => Standing::Pending,
            None => Standing::Expired,
        };
        Ok((standing, group))
    }

    /// The prompt of an attempt; `None` if there is none, or none yet.
    async fn find(
        &self,
        opened: &OpenedIntegration,
        attempt: &Attempt,
    ) -> VerifyResult<Option<ChallengeGroup>> {
        let Ok(identity) = opened.integration.identity(&attempt.user) else { return Ok(None) };
        let (account, service) = place(opened);
        let newest = PageQuery { order: Order::Descending, ..PageQuery::first(NEWEST) };
        let groups = self.verify.challenge_groups(account, service, &identity, newest).await;
        let groups = match groups {
            Ok(groups) => groups.items,
            Err(VerifyError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(groups.into_iter().find(|group| {
            let hidden = group.first().hidden_details.as_ref();
            hidden.is_some_and(|hidden| hidden.get(MARK) == Some(&attempt.mark))
        }))
    }

    async fn denied(&self, challenge: &Challenge) -> VerifyResult<Standing> {
        Ok(match self.verify.context_of(challenge).await?.answer.reason {
            Some(DenialReason::NotMe) => Standing::NotMe,
            Some(DenialReason::PresenceFailed) => Standing::WrongNumber,
            Some(DenialReason::Cancelled) | None => Standing::Denied,
        })
    }
}

fn approved(answer: &GroupAnswer<'_>) -> Standing {
    let challenge = answer.challenge;
    let approval = Approval { method: Method::of(challenge), at: answer.at };
    match challenge.presence.as_deref() {
        Some(presence) if matches!(presence.proof, PresenceProof::Code { .. }) => {
            match (presence.is_confirmed, presence.tries_left()) {
                (true, _) => Standing::Approved(approval),
                (false, 0) => Standing::WrongNumber,
                (false, _) => Standing::TypeCode(challenge.sid),
            }
        }
        _ => Standing::Approved(approval),
    }
}
