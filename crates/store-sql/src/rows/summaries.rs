//! Challenges as they are counted, and the counts.

use countersign_domain::challenge::ChallengeState;
use countersign_domain::ending::{ErrorCode, NotificationStatus};
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::summary::{
    CountedChallenge, CountedPlatform, CountedPush, CountedState, Measure,
};
use countersign_domain::time::Instant;
use countersign_store::seam::{PeriodSummary, ServiceSummary, SummaryRow};

use super::challenges::challenge_state;
use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`counted_challenge`], of the table alias `c` and its push factor `f`.
#[macro_export]
macro_rules! counted_challenge_columns {
    () => {
        "c.sid, c.account_sid, c.service_sid, c.created_at, c.expires_at, c.state, c.answered_at, c.ended_by, f.platform"
    };
}

/// Reads a challenge without its pushes, `None` if a cell is corrupt, and its SID. The platform is NULL if its push factor does not
/// exist.
///
/// # Errors
/// The SID is corrupt.
pub fn counted_challenge<R: SqlRow>(
    mut cells: Cells<R>,
) -> RowResult<(ChallengeSid, Option<CountedChallenge>)> {
    let sid = cells.map(ChallengeSid::from_bytes)?;
    Ok((sid, challenge_of(sid, cells).ok()))
}

fn challenge_of<R: SqlRow>(sid: ChallengeSid, mut cells: Cells<R>) -> RowResult<CountedChallenge> {
    let (account, service) =
        (cells.map(AccountSid::from_bytes)?, cells.map(ServiceSid::from_bytes)?);
    let (created_at, expires_at) =
        (cells.map(Instant::from_micros)?, cells.map(Instant::from_micros)?);
    let state = match challenge_state(&mut cells)? {
        ChallengeState::Pending => CountedState::Unanswered,
        ChallengeState::Answered { verdict, at } => CountedState::Answered(verdict, at),
        ChallengeState::AnsweredElsewhere { at, .. } => CountedState::Elsewhere(at),
    };
    let mut cells = cells.next_table("factors");
    let platform = cells.parse_if_any(CountedPlatform::from_word)?;
    let platform = match sid.kind() {
        FactorType::Totp => CountedPlatform::Totp,
        FactorType::Push => platform.unwrap_or(CountedPlatform::Removed),
    };
    let pushes = Vec::new();
    Ok(CountedChallenge { account, service, platform, created_at, expires_at, state, pushes })
}

/// The columns of [`counted_push`], of the table alias `n`.
#[macro_export]
macro_rules! counted_push_columns {
    () => {
        "n.challenge_sid, n.created_at, n.updated_at, n.ending, n.code"
    };
}

/// Reads a push, `None` if a cell is corrupt, and the SID of its challenge.
///
/// # Errors
/// The SID is corrupt.
pub fn counted_push<R: SqlRow>(
    mut cells: Cells<R>,
) -> RowResult<(ChallengeSid, Option<CountedPush>)> {
    let challenge = cells.map(ChallengeSid::from_bytes)?;
    Ok((challenge, push_of(cells).ok()))
}

fn push_of<R: SqlRow>(mut cells: Cells<R>) -> RowResult<CountedPush> {
    let (created_at, updated_at) =
        (cells.map(Instant::from_micros)?, cells.map(Instant::from_micros)?);
    let status = cells.parse_if_any(NotificationStatus::from_word)?;
    let code = cells.map_if_any(ErrorCode)?;
    let ending = status.map(|status| (status, code));
    Ok(CountedPush { created_at, updated_at, ending })
}

/// Puts pushes into their challenges. Both are in the order of the challenges. A challenge with a corrupt push becomes `None`.
pub fn with_pushes(
    mut challenges: Vec<(ChallengeSid, Option<CountedChallenge>)>,
    pushes: Vec<(ChallengeSid, Option<CountedPush>)>,
) -> Vec<(ChallengeSid, Option<CountedChallenge>)> {
    let mut owners = challenges.iter_mut().peekable();
    for (owner, push) in pushes {
        while owners.next_if(|(sid, _)| *sid < owner).is_some() {}
        if let Some((sid, challenge)) = owners.peek_mut()
            && *sid == owner
        {
            match (challenge.as_mut(), push) {
                (Some(challenge), Some(push)) => challenge.pushes.push(push),
                _ => *challenge = None,
            }
        }
    }
    challenges
}

/// Reads the beginning of a period, a platform, a measure, a bucket and a count.
///
/// # Errors
/// A cell is corrupt.
pub fn period_summary<R: SqlRow>(mut cells: Cells<R>) -> RowResult<PeriodSummary> {
    let begins_at = cells.map(Instant::from_micros)?;
    let platform = cells.parse(CountedPlatform::from_word)?;
    summary_row(cells, (begins_at, platform))
}

/// Reads a service, a measure, a bucket and a count.
///
/// # Errors
/// A cell is corrupt.
pub fn service_summary<R: SqlRow>(mut cells: Cells<R>) -> RowResult<ServiceSummary> {
    let service = cells.map(ServiceSid::from_bytes)?;
    summary_row(cells, service)
}

fn summary_row<R: SqlRow, K>(mut cells: Cells<R>, by: K) -> RowResult<SummaryRow<K>> {
    let measure = cells.parse(Measure::from_word)?;
    Ok(SummaryRow { by, measure, bucket: cells.take()?, count: cells.take()? })
}
