//! `auth_status`: what became of a login. The request waits for news.

use std::time::Duration;

use countersign_domain::answer::DenialReason;
use countersign_domain::challenge::{ChallengeStatus, Verdict as PersonVerdict};
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::{Caller, VerifyError};

use super::answer::Status;
use super::document::Document;
use super::door::DuoDoor;
use super::failure::Failure;
use super::signed::Signed;
use super::transaction::Transaction;
use super::user::refusal;

/// How long after its end a login can still be asked about.
const MEMORY: Duration = Duration::from_secs(5 * 60);

/// Answers what became of a login.
///
/// # Errors
/// The name is missing or none, or the database cannot be reached.
pub(super) async fn answer(door: &DuoDoor, signed: &Signed) -> Result<Document, Failure> {
    signed.parameters.required("txid")?;
    let transaction = signed.transaction("txid")?.ok_or(Failure::Missing("txid"))?;
    let is_first = match &transaction {
        Transaction::Asked(_, group) => door.is_first_question(*group),
        _ => false,
    };
    let most = if is_first { Duration::ZERO } else { hold(signed) };
    Ok(of(door, signed, &transaction, most).await?.document(signed.dialect))
}

/// How long a question waits. Clients ask twenty times in all.
fn hold(signed: &Signed) -> Duration {
    let seconds = signed.settings().prompt_seconds / 15;
    Duration::from_secs(seconds.clamp(10, 40).into())
}

/// Where a login stands, once that is known, after `most` at the latest.
///
/// # Errors
/// The transaction is no login, is long over, or the database cannot be reached.
pub(super) async fn of(
    door: &DuoDoor,
    signed: &Signed,
    transaction: &Transaction,
    most: Duration,
) -> Result<Status, Failure> {
    let (account, service) = signed.place();
    let judged = match transaction {
        Transaction::Refused(status) => return Ok(*status),
        Transaction::Asked(identity, group) => {
            let (verify, stop) = (&door.verify, &door.shutdown);
            let permit = signed.permit.as_deref().filter(|_| !most.is_zero());
            let _waiting = permit.map(RequestPermit::begin_long_poll);
            let group =
                verify.wait_for_challenge_group(account, service, identity, *group, most, stop);
            match group.await {
                Ok(group) => of_group(door, &group).await,
                Err(error) => Err(error),
            }
        }
        Transaction::Coded(identity, sid) => of_code(door, signed, identity, *sid).await,
        Transaction::Drawn(..) | Transaction::Invited(..) => return Err(Failure::Invalid("txid")),
    };
    match judged {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err(Failure::Invalid("txid")),
        Err(error) => refusal(&error),
    }
}

/// `None` if it is long over.
fn unless_over(now: Instant, expires_at: Instant, status: Status) -> Option<Status> {
    (now < expires_at + MEMORY).then_some(status)
}

async fn of_group(door: &DuoDoor, group: &ChallengeGroup) -> Result<Option<Status>, VerifyError> {
    let now = door.verify.time().await?;
    let status = match (group.answer(), group.status(now)) {
        (Some(answer), _) => match answer.verdict {
            PersonVerdict::Approved => Status::Allow,
            PersonVerdict::Denied => {
                let context = door.verify.context_of(answer.challenge).await?;
                match context.answer.reason {
                    Some(DenialReason::NotMe) => Status::Fraud,
                    _ => Status::Deny,
                }
            }
        },
        (None, ChallengeStatus::Pending) => Status::Pushed,
        (None, _) => Status::Timeout,
    };
    Ok(unless_over(now, group.first().expires_at, status))
}

async fn of_code(
    door: &DuoDoor,
    signed: &Signed,
    identity: &Identity,
    sid: ChallengeSid,
) -> Result<Option<Status>, VerifyError> {
    let (account, service) = signed.place();
    let caller = Caller::Application(account);
    let challenge = door.verify.challenge(&caller, service, identity, sid).await?;
    let now = door.verify.time().await?;
    let is_approved = challenge.status(now) == ChallengeStatus::Approved;
    let status = if is_approved { Status::Allow } else { Status::WrongCode };
    Ok(unless_over(now, challenge.expires_at, status))
}
