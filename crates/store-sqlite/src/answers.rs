//! The command that records a verdict, and the counter of wrong answers.

use countersign_domain::answer_context::AnswerContext;
use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::presence::Presence;
use countersign_domain::presence_check::{WrongNumber, judge};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::StringMap;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::seam::{Answer, Recorded};
use countersign_store_sql::rows::challenges::answer_cells;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, one, statements};
use crate::{backchannel, endings, events, pauses, standing};

statements! {
    ANSWER = "UPDATE challenges SET state = ?2, answered_at = ?3, updated_at = ?3, answer_reason = ?4, answer_address = ?5, \
              answer_country = ?6 WHERE sid = ?1";
    KEEP_SIGNED = "INSERT INTO signed_answers (challenge_sid, jws, key) VALUES (?1, ?2, ?3)";
    END_ELSEWHERE = "UPDATE challenges SET state = 'denied', answered_at = ?2, updated_at = ?2, ended_by = ?3 \
                     WHERE sid = ?1 AND state = 'pending'";
    UPDATE = "UPDATE challenges SET metadata = ?2, updated_at = ?3 WHERE sid = ?1";
    NOTE_PRESENCE = "UPDATE challenges SET presence = ?2 WHERE sid = ?1";
    COUNT_WRONG = "UPDATE challenges SET wrong_answers = wrong_answers + 1 WHERE sid = ?1 RETURNING wrong_answers";
}

/// Replaces the metadata of a challenge.
pub(crate) fn update(
    db: &Connection,
    sid: ChallengeSid,
    metadata: &str,
    at: Instant,
) -> Result<(), DatabaseError> {
    execute(db, UPDATE, params![sid.as_bytes(), metadata, at.as_micros()]).map(|_| ())
}

/// Replaces the presence of a challenge: a try was counted, or its code confirmed.
pub(crate) fn note_presence(
    db: &Connection,
    sid: ChallengeSid,
    presence: &Presence,
) -> Result<(), DatabaseError> {
    execute(db, NOTE_PRESENCE, params![sid.as_bytes(), presence.to_text()]).map(|_| ())
}

/// Counts one more wrong answer and returns the count.
pub(crate) fn count_wrong(db: &Connection, sid: ChallengeSid) -> Result<u32, DatabaseError> {
    let count = one(db, COUNT_WRONG, [sid.as_bytes()], |row| cells_of(row, "challenges").take())?;
    Ok(count.unwrap_or(0))
}

/// Records the approval of an open challenge by a code, with the metadata that came with it, and the event. Such a challenge has
/// no deliveries.
pub(crate) fn approve(
    db: &Connection,
    sid: ChallengeSid,
    metadata: Option<&str>,
    at: Instant,
) -> Result<(), DatabaseError> {
    record(db, &Answer::new(sid, Verdict::Approved, at), metadata)?;
    events::of_challenge(db, EventType::ChallengeApproved, sid, AnswerContext::UNKNOWN, at)
}

/// Writes the verdict on an open challenge, and what came with it.
fn record(db: &Connection, answer: &Answer, metadata: Option<&str>) -> Result<(), DatabaseError> {
    let Answer { challenge, at, ref signed, .. } = *answer;
    let word = match answer.verdict {
        Verdict::Approved => ChallengeStatus::Approved.as_str(),
        Verdict::Denied => ChallengeStatus::Denied.as_str(),
    };
    let (reason, address, country) = answer_cells(&answer.context());
    let (sid, micros) = (challenge.as_bytes(), at.as_micros());
    execute(db, ANSWER, params![sid, word, micros, reason, address, country])?;
    if let Some(SignedAnswer { jws, key }) = signed {
        execute(db, KEEP_SIGNED, params![sid, jws, key.as_point()])?;
    }
    metadata.map_or(Ok(()), |metadata| update(db, challenge, metadata, at))
}

/// Stores the answer to an open challenge, ends the challenge's deliveries, and records the events.
fn settle(db: &Connection, answer: &Answer) -> Result<(), DatabaseError> {
    let Answer { challenge, verdict, at, .. } = *answer;
    let metadata = answer.metadata.as_ref().map(StringMap::to_text);
    let context = answer.context();
    record(db, answer, metadata.as_deref())?;
    if verdict == Verdict::Approved {
        pauses::approved(db, challenge)?;
    }
    for other in &answer.others {
        execute(
            db,
            END_ELSEWHERE,
            params![other.as_bytes(), at.as_micros(), challenge.as_bytes()],
        )?;
    }
    if let Some(group) = answer.group {
        backchannel::wake(db, group, at)?;
    }
    for ended in std::iter::once(challenge).chain(answer.others.iter().copied()) {
        end_deliveries(db, ended, at)?;
    }
    events::of_challenge(db, EventType::of_verdict(verdict), challenge, context, at)?;
    if answer.is_report() {
        events::of_challenge(db, EventType::ChallengeReported, challenge, context, at)?;
    }
    if let Some(until) = answer.pauses_until {
        pauses::reported(db, challenge, at, until)?;
    }
    Ok(())
}

/// Ends the deliveries of a challenge that has ended.
fn end_deliveries(db: &Connection, sid: ChallengeSid, at: Instant) -> Result<(), DatabaseError> {
    for open in endings::open_deliveries(db, sid)? {
        let ending =
            if open.written { Ending::SENT } else { Ending::cancelled(StatusReason::Answered) };
        endings::end(db, &open, ending, at)?;
    }
    Ok(())
}

/// Counts a wrong number for each device of the group that asks for one: more devices give no more tries.
fn count_elsewhere(db: &Connection, answer: &Answer) -> Result<(), DatabaseError> {
    for other in &answer.others {
        let presence = standing::read(db, *other)?.and_then(|found| found.presence);
        if let Some(presence) = presence.filter(|it| it.hint().is_some()) {
            note_presence(db, *other, &presence.tried(answer.at))?;
        }
    }
    Ok(())
}

/// Judges the answer and records it.
impl Command for Answer {
    type Output = Recorded;

    fn run(&self, db: &Connection) -> Result<Recorded, DatabaseError> {
        let standing = standing::read(db, self.challenge)?;
        let Some(standing) = standing.filter(|standing| standing.has_factor) else {
            return Ok(Recorded::NotFound);
        };
        if let Err(refused) = standing.lifecycle.is_open(self.at) {
            return Ok(Recorded::Refused(refused));
        }
        let judged = standing.presence.map(|it| judge(&it, self.verdict, self.number, self.at));
        if let Some(Err(WrongNumber { counted, tries_left })) = judged {
            note_presence(db, self.challenge, &counted)?;
            count_elsewhere(db, self)?;
            if tries_left == 0 {
                settle(db, &self.presence_failed())?;
            }
            return Ok(Recorded::WrongNumber { tries_left });
        }
        settle(db, self)?;
        Ok(Recorded::Done)
    }
}
