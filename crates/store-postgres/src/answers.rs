//! The command that records a verdict, and the counter of wrong answers.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use countersign_domain::challenge::{ChallengeState, ChallengeStatus, Verdict};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::presence::Presence;
use countersign_domain::presence_check::{WrongNumber, judge};
use countersign_domain::protection::{Pause, PauseReason, Protection};
use countersign_domain::sid::{ChallengeSid, EntitySid};
use countersign_domain::text::StringMap;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::seam::{Answer, Recorded};
use countersign_store_sql::rows::challenges::answer_cells;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::endings::{self, End};
use crate::error::DatabaseError;
use crate::gather::Gathered;
use crate::params::{column, id, params, span};
use crate::session::Session;
use crate::standing::LockedChallenge;
use crate::statement::one;
use crate::{backchannel_requests, events, pauses, standing};

const ANSWER: &str = "UPDATE challenges c SET state = u.state, answered_at = u.at, updated_at = u.at, \
                      answer_reason = u.reason, answer_address = u.address, answer_country = u.country \
                      FROM unnest($1, $2, $3, $6, $7, $8) AS u (sid, state, at, reason, address, country) \
                      WHERE c.sid = u.sid AND c.sid = ANY ($1) AND c.sid BETWEEN $4 AND $5";

const KEEP_SIGNED: &str =
    "INSERT INTO signed_answers (challenge_sid, jws, key) SELECT * FROM unnest($1, $2, $3)";

const END_ELSEWHERE: &str = "UPDATE challenges c SET state = 'denied', answered_at = u.at, updated_at = u.at, ended_by = u.ended_by \
                             FROM unnest($1, $2, $3) AS u (sid, at, ended_by) WHERE c.sid = u.sid AND c.state = 'pending' \
                             AND c.sid = ANY ($1) AND c.sid BETWEEN $4 AND $5";

const ANNOTATE: &str = "UPDATE challenges c SET metadata = u.metadata FROM unnest($1, $2) AS u (sid, metadata) \
                        WHERE c.sid = u.sid AND c.sid = ANY ($1) AND c.sid BETWEEN $3 AND $4";

const NOTE_PRESENCE: &str = "UPDATE challenges c SET presence = u.presence FROM unnest($1, $2) AS u (sid, presence) \
                             WHERE c.sid = u.sid AND c.sid = ANY ($1) AND c.sid BETWEEN $3 AND $4";

const COUNT_WRONG: &str = "UPDATE challenges SET wrong_answers = wrong_answers + 1 WHERE sid = $1 RETURNING wrong_answers";

/// The pauses that reports begin, one for each entity.
fn reported_pauses(
    answers: &[&Answer],
    locked: &HashMap<ChallengeSid, LockedChallenge>,
) -> Vec<(EntitySid, Protection)> {
    let pause = |answer: &&Answer| {
        let until = answer.pauses_until?;
        let pause = Pause { reason: PauseReason::Reported, level: 0, until: Some(until) };
        let cause = Some(answer.challenge);
        let protection = Protection { pause: Some(pause), cause, counts_from: answer.at };
        Some((locked.get(&answer.challenge)?.entity, protection))
    };
    let pauses: HashMap<_, _> = answers.iter().filter_map(pause).collect();
    pauses.into_iter().collect()
}

/// Replaces the presences of challenges that are locked: tries were counted, or a code confirmed.
pub(crate) async fn note_presences(
    db: &Session,
    presences: &[(ChallengeSid, Presence)],
) -> Result<(), DatabaseError> {
    let sids = column(presences, |(sid, _)| id(sid.as_bytes()));
    let texts = column(presences, |(_, presence)| presence.to_text());
    let (first, last) = span(&sids);
    db.execute(NOTE_PRESENCE, params![sids, texts, first, last]).await.map(|_| ())
}

/// Counts one more wrong answer and returns the count.
pub(crate) async fn count_wrong(db: &Session, sid: ChallengeSid) -> Result<u32, DatabaseError> {
    let read = |row: &Row| cells_of(row, "challenges").take();
    let count = one(db, COUNT_WRONG, params![id(sid.as_bytes())], read).await?;
    Ok(count.unwrap_or(0))
}

/// Writes verdicts on challenges that are locked and open.
async fn write(db: &Session, answers: &[&Answer]) -> Result<(), DatabaseError> {
    let word = |answer: &&Answer| match answer.verdict {
        Verdict::Approved => ChallengeStatus::Approved.as_str(),
        Verdict::Denied => ChallengeStatus::Denied.as_str(),
    };
    let sids = column(answers, |answer| id(answer.challenge.as_bytes()));
    let states = column(answers, word);
    let instants = column(answers, |answer| answer.at.as_micros());
    let (first, last) = span(&sids);
    let cells = column(answers, |answer| answer_cells(&answer.context()));
    let reasons = column(&cells, |(reason, ..)| *reason);
    let addresses = column(&cells, |(_, address, _)| address.as_deref());
    let countries = column(&cells, |(.., country)| country.as_deref());
    let rows = params![sids, states, instants, first, last, reasons, addresses, countries];
    db.execute(ANSWER, rows).await?;
    keep_signed(db, answers).await?;
    let noted = answers.iter().filter_map(|answer| {
        Some((id(answer.challenge.as_bytes()), answer.metadata.as_ref()?.to_text()))
    });
    let noted: Vec<(Uuid, String)> = noted.collect();
    if noted.is_empty() {
        return Ok(());
    }
    let (sids, texts): (Vec<_>, Vec<_>) = noted.into_iter().unzip();
    let (first, last) = span(&sids);
    db.execute(ANNOTATE, params![sids, texts, first, last]).await.map(|_| ())
}

/// Keeps answers as they were signed.
async fn keep_signed(db: &Session, answers: &[&Answer]) -> Result<(), DatabaseError> {
    let signed: Vec<_> = answers
        .iter()
        .filter_map(|answer| Some((answer.challenge, answer.signed.as_ref()?)))
        .collect();
    if signed.is_empty() {
        return Ok(());
    }
    let sids = column(&signed, |(sid, _)| id(sid.as_bytes()));
    let jws = column(&signed, |(_, signed)| signed.jws.as_str());
    let keys = column(&signed, |(_, signed)| signed.key.as_point().as_slice());
    db.execute(KEEP_SIGNED, params![sids, jws, keys]).await.map(|_| ())
}

/// Ends the other challenges of the groups of answered challenges. All are locked.
async fn end_elsewhere(db: &Session, answers: &[&Answer]) -> Result<(), DatabaseError> {
    let of_group = |answer: &&Answer| {
        let (at, by) = (answer.at.as_micros(), id(answer.challenge.as_bytes()));
        column(&answer.others, |other| (id(other.as_bytes()), at, by))
    };
    let others: Vec<_> = answers.iter().flat_map(of_group).collect();
    if others.is_empty() {
        return Ok(());
    }
    let sids = column(&others, |(sid, ..)| *sid);
    let (first, last) = span(&sids);
    let instants = column(&others, |(_, at, _)| *at);
    let answered = column(&others, |(.., by)| *by);
    db.execute(END_ELSEWHERE, params![sids, instants, answered, first, last]).await.map(|_| ())
}

/// Ends the deliveries of answered challenges, and of the others of their groups.
async fn end_deliveries(db: &Session, answers: &[&Answer]) -> Result<(), DatabaseError> {
    let ended = |answer: &&Answer| column(touched(answer), |sid| (*sid, answer.at));
    let ended: HashMap<_, _> = answers.iter().flat_map(ended).collect();
    let open = endings::open_deliveries(db, ended.keys().copied()).await?;
    let ends = open.into_iter().filter_map(|open| {
        let at = *ended.get(&open.challenge)?;
        let ending =
            if open.written { Ending::SENT } else { Ending::cancelled(StatusReason::Answered) };
        Some(End { open, ending, at })
    });
    endings::end(db, &ends.collect::<Vec<_>>()).await
}

/// The challenges that an answer changes.
fn touched(answer: &Answer) -> impl Iterator<Item = &ChallengeSid> {
    std::iter::once(&answer.challenge).chain(&answer.others)
}

/// Records the approval by a code of a challenge that is locked and open, with the metadata that came with it, and the event. Such a
/// challenge has no deliveries.
pub(crate) async fn approve(
    db: &Session,
    sid: ChallengeSid,
    metadata: Option<StringMap>,
    at: Instant,
) -> Result<(), DatabaseError> {
    let answer = Answer { metadata, ..Answer::new(sid, Verdict::Approved, at) };
    write(db, &[&answer]).await?;
    let told = events::AnswerEvent { kind: EventType::ChallengeApproved, answer: &answer };
    events::of_challenges(db, &[told]).await
}

/// Stores answers to challenges that are locked and open, ends the others of their groups and the deliveries of all, and records the
/// events.
async fn settle(
    db: &Session,
    first: &[&Answer],
    locked: &HashMap<ChallengeSid, LockedChallenge>,
) -> Result<(), DatabaseError> {
    write(db, first).await?;
    end_elsewhere(db, first).await?;
    let groups = first.iter().filter_map(|answer| Some((answer.group?, answer.at)));
    backchannel_requests::wake(db, &groups.collect::<Vec<_>>()).await?;
    let approved = first.iter().filter(|answer| answer.verdict == Verdict::Approved);
    let of_approved = approved.filter_map(|answer| locked.get(&answer.challenge));
    let paused = of_approved.filter(|found| found.is_paused).map(|found| found.entity);
    let paused: HashSet<_> = paused.collect();
    if !paused.is_empty() {
        pauses::approved(db, &paused).await?;
    }
    end_deliveries(db, first).await?;
    let reported = reported_pauses(first, locked);
    if !reported.is_empty() {
        pauses::report(db, &reported).await?;
    }
    let verdicts = first.iter().map(|answer| {
        let kind = EventType::of_verdict(answer.verdict);
        events::AnswerEvent { kind, answer }
    });
    let reported = first.iter().filter(|answer| answer.is_report());
    let kind = EventType::ChallengeReported;
    let reported = reported.map(|answer| events::AnswerEvent { kind, answer });
    let told: Vec<_> = verdicts.chain(reported).collect();
    events::of_challenges(db, &told).await?;
    Ok(())
}

/// Judges an answer to a challenge that is locked, if it exists. Returns the presence with a wrong number counted.
fn judged(answer: &Answer, found: Option<&LockedChallenge>) -> (Recorded, Option<Presence>) {
    let Some(found) = found.filter(|found| found.has_factor) else {
        return (Recorded::NotFound, None);
    };
    if let Err(refused) = found.standing.is_open(answer.at) {
        return (Recorded::Refused(refused), None);
    }
    let presence = found.presence.as_ref();
    match presence.map(|it| judge(it, answer.verdict, answer.number, answer.at)) {
        None | Some(Ok(())) => (Recorded::Done, None),
        Some(Err(WrongNumber { counted, tries_left })) => {
            (Recorded::WrongNumber { tries_left }, Some(counted))
        }
    }
}

/// A wrong number counts for each device of the group that asks for one: more devices give no more tries.
fn counted_elsewhere(
    answer: &Answer,
    locked: &HashMap<ChallengeSid, LockedChallenge>,
) -> Vec<(ChallengeSid, Presence)> {
    let count = |other: &ChallengeSid| {
        let presence = locked.get(other)?.presence.as_ref().filter(|it| it.hint().is_some())?;
        Some((*other, presence.tried(answer.at)))
    };
    answer.others.iter().filter_map(count).collect()
}

/// Judges answers and records them.
#[async_trait]
impl Gathered for Answer {
    type Output = Recorded;

    /// The same for all challenges of a group, of which one can be answered.
    fn key(&self) -> [u8; 16] {
        *touched(self).min().unwrap_or(&self.challenge).as_bytes()
    }

    fn decides_at(&self) -> Option<Instant> {
        Some(self.at)
    }

    async fn run_all(all: &[Self], db: &Session) -> Result<Vec<Recorded>, DatabaseError> {
        let locked = standing::lock(db, all.iter().flat_map(touched).copied()).await?;
        let (mut outcomes, mut failed, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for answer in all {
            let (outcome, counted) = judged(answer, locked.get(&answer.challenge));
            if let Some(counted) = counted {
                counts.push((answer.challenge, counted));
                counts.extend(counted_elsewhere(answer, &locked));
            }
            if outcome == (Recorded::WrongNumber { tries_left: 0 }) {
                failed.push(answer.presence_failed());
            }
            outcomes.push(outcome);
        }
        let first = all.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Recorded::Done);
        let first: Vec<_> = first.map(|(answer, _)| answer).chain(&failed).collect();
        if !counts.is_empty() {
            note_presences(db, &counts).await?;
        }
        if !first.is_empty() {
            settle(db, &first, &locked).await?;
        }
        Ok(outcomes)
    }

    /// A verdict, and a wrong number, is identified by its instant.
    async fn look_up(
        all: &[Self],
        db: &Session,
    ) -> Result<Option<Vec<Option<Recorded>>>, DatabaseError> {
        let locked = standing::lock(db, all.iter().map(|answer| answer.challenge)).await?;
        let found = |answer: &Self| {
            let found = locked.get(&answer.challenge)?;
            let (verdict, at) = (answer.verdict, answer.at);
            if found.standing.state == (ChallengeState::Answered { verdict, at }) {
                return Some(Recorded::Done);
            }
            let tries_left = found.presence.as_ref()?.tries_left_after(at)?;
            Some(Recorded::WrongNumber { tries_left })
        };
        Ok(Some(column(all, found)))
    }
}
