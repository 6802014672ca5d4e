//! The command that records an answer.

use async_trait::async_trait;
use countersign_domain::challenge::{ChallengeState, ChallengeStatus, Verdict};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::seam::Recorded;

use uuid::Uuid;

use crate::database::Session;
use crate::deliveries::{self, End};
use crate::gather::Gathered;
use crate::params::{column, id, params, span};
use crate::trouble::Trouble;
use crate::{events, standing};

const ANSWER: &str = "UPDATE challenges c SET state = u.state, answered_at = u.at, updated_at = u.at \
                      FROM unnest($1, $2, $3) AS u (sid, state, at) WHERE c.sid = u.sid AND c.sid = ANY ($1) AND c.sid BETWEEN $4 AND $5";

const ANNOTATE: &str = "UPDATE challenges c SET metadata = u.metadata FROM unnest($1, $2) AS u (sid, metadata) \
                        WHERE c.sid = u.sid AND c.sid = ANY ($1) AND c.sid BETWEEN $3 AND $4";

/// Records an answer with the metadata that came with it, and ends the deliveries of its challenge.
#[derive(Clone)]
pub(crate) struct RecordAnswer {
    pub(crate) sid: ChallengeSid,
    pub(crate) verdict: Verdict,
    pub(crate) metadata: Option<String>,
    pub(crate) at: Instant,
}

/// Writes them down; their challenges are held and open.
async fn write(db: &Session, answers: &[&RecordAnswer]) -> Result<(), Trouble> {
    let word = |answer: &&RecordAnswer| match answer.verdict {
        Verdict::Approved => ChallengeStatus::Approved.as_str(),
        Verdict::Denied => ChallengeStatus::Denied.as_str(),
    };
    let sids = column(answers, |answer| id(answer.sid.as_bytes()));
    let states = column(answers, word);
    let instants = column(answers, |answer| answer.at.as_micros());
    let (first, last) = span(&sids);
    db.execute(ANSWER, params![sids, states, instants, first, last]).await?;
    let noted: Vec<(Uuid, &str)> = answers
        .iter()
        .filter_map(|answer| Some((id(answer.sid.as_bytes()), answer.metadata.as_deref()?)))
        .collect();
    if noted.is_empty() {
        return Ok(());
    }
    let (sids, texts): (Vec<_>, Vec<_>) = noted.into_iter().unzip();
    let (first, last) = span(&sids);
    db.execute(ANNOTATE, params![sids, texts, first, last]).await.map(|_| ())
}

/// Records the right code of a challenge that is held and open with the metadata that came with it, and tells of it; it has
/// no deliveries.
pub(crate) async fn approve(
    db: &Session,
    sid: ChallengeSid,
    metadata: Option<String>,
    at: Instant,
) -> Result<(), Trouble> {
    write(db, &[&RecordAnswer { sid, verdict: Verdict::Approved, metadata, at }]).await?;
    events::of_challenges(db, &[(EventType::ChallengeApproved, sid, at)]).await
}

#[async_trait]
impl Gathered for RecordAnswer {
    type Answer = Recorded;

    fn key(&self) -> [u8; 16] {
        *self.sid.as_bytes()
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Recorded>, Trouble> {
        let held = standing::hold(db, all.iter().map(|answer| answer.sid)).await?;
        let judge = |answer: &Self| {
            let held = held.get(&answer.sid).filter(|held| held.has_factor);
            match held.map(|held| held.standing.is_open(answer.at)) {
                None => Recorded::NotFound,
                Some(Err(refused)) => Recorded::Refused(refused),
                Some(Ok(())) => Recorded::Done,
            }
        };
        let outcomes: Vec<_> = all.iter().map(judge).collect();
        let first: Vec<_> =
            all.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Recorded::Done).collect();
        let first: Vec<&Self> = first.into_iter().map(|(answer, _)| answer).collect();
        if first.is_empty() {
            return Ok(outcomes);
        }
        write(db, &first).await?;
        let open = deliveries::of_challenges(db, first.iter().map(|answer| answer.sid)).await?;
        let ends = open.into_iter().filter_map(|open| {
            let at = first.iter().find(|answer| answer.sid == open.challenge)?.at;
            let ending =
                if open.written { Ending::SENT } else { Ending::cancelled(StatusReason::Answered) };
            Some(End { open, ending, at })
        });
        deliveries::end(db, &ends.collect::<Vec<_>>()).await?;
        let told = |answer: &&Self| (EventType::of_verdict(answer.verdict), answer.sid, answer.at);
        events::of_challenges(db, &first.iter().map(told).collect::<Vec<_>>()).await?;
        Ok(outcomes)
    }
    /// An answer is known again by its instant.
    async fn look_again(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Recorded>>>, Trouble> {
        let held = standing::hold(db, all.iter().map(|answer| answer.sid)).await?;
        let answer = |answer: &Self| {
            let (verdict, at) = (answer.verdict, answer.at);
            let own = ChallengeState::Answered { verdict, at };
            let is_own = held.get(&answer.sid).is_some_and(|held| held.standing.state == own);
            is_own.then_some(Recorded::Done)
        };
        Ok(Some(column(all, answer)))
    }
}
