//! Challenges.

use countersign_domain::answer::DenialReason;
use countersign_domain::answer_context::{AnswerContext, ChallengeContext};
use countersign_domain::challenge::{
    Challenge, ChallengeLifecycle, ChallengeState, Details, Verdict,
};
use countersign_domain::factor::Factor;
use countersign_domain::key::DeviceKey;
use countersign_domain::presence::Presence;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::sid::{ChallengeGroupSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::{FriendlyName, Message, StringMap};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Opening;

use super::entities::owner;
use super::factors::factor;
use crate::cells::{Cells, RowResult, SqlRow};
use crate::values::json;

/// The columns of [`challenge`], of the table alias `c`.
#[macro_export]
macro_rules! challenge_columns {
    () => {
        "c.sid, c.account_sid, c.service_sid, c.entity_sid, c.identity, c.group_sid, c.factor_sid, c.factor_type, c.message, \
         c.fields, c.date, c.hidden_details, c.metadata, c.quiet, c.presence, c.state, c.answered_at, c.ended_by, c.created_at, c.updated_at, \
         c.expires_at"
    };
}

/// Reads a challenge; cells of other tables may follow.
///
/// # Errors
/// A cell is corrupt.
pub fn challenge<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Challenge> {
    Ok(Challenge {
        sid: cells.map(ChallengeSid::from_bytes)?,
        owner: owner(cells)?,
        group: cells.map_if_any(ChallengeGroupSid::from_bytes)?,
        factor: cells.map(FactorSid::from_bytes)?,
        factor_type: cells.parse(|word| word.parse().ok())?,
        details: Details {
            message: cells.parse(|text| {
                if text.is_empty() { Some(None) } else { Message::parse(text).ok().map(Some) }
            })?,
            fields: cells.parse(|text| serde_json::from_str(text).ok())?,
            date: cells.map_if_any(Instant::from_micros)?,
        },
        hidden_details: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        metadata: cells.parse_if_any(|text| StringMap::from_stored(text).ok())?,
        is_quiet: quiet(cells)?,
        presence: presence(cells)?.map(Box::new),
        state: challenge_state(cells)?,
        created_at: cells.map(Instant::from_micros)?,
        updated_at: cells.map(Instant::from_micros)?,
        expires_at: cells.map(Instant::from_micros)?,
    })
}

/// Reads a challenge and the columns of its push factor, which are NULL if that does not exist.
///
/// # Errors
/// A cell is corrupt.
pub fn challenge_and_factor<R: SqlRow>(
    mut cells: Cells<R>,
) -> RowResult<(Challenge, Option<Factor>)> {
    let challenge = challenge(&mut cells)?;
    let cells = cells.next_table("factors");
    if cells.is_null() {
        return Ok((challenge, None));
    }
    Ok((challenge, Some(factor(cells)?)))
}

/// Reads a challenge and the name of its factor, which is NULL if that does not exist.
///
/// # Errors
/// A cell is corrupt.
pub fn challenge_and_name<R: SqlRow>(
    mut cells: Cells<R>,
) -> RowResult<(Challenge, Option<FriendlyName>)> {
    let challenge = challenge(&mut cells)?;
    let mut cells = cells.next_table("factors");
    Ok((challenge, cells.parse_if_any(|text| FriendlyName::parse(text).ok())?))
}

/// Reads three cells: the word of the state and, unless it is `pending`, the time of the verdict, and the challenge of the same group
/// that ended this one. Such a row says `denied`, so that older servers refuse an answer to it.
///
/// # Errors
/// A cell is corrupt.
pub fn challenge_state<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<ChallengeState> {
    let verdict = cells.parse(|word| match word {
        "pending" => Some(None),
        "approved" => Some(Some(Verdict::Approved)),
        "denied" => Some(Some(Verdict::Denied)),
        _ => None,
    })?;
    let at = cells.map_if_any(Instant::from_micros)?;
    match (verdict, at, cells.map_if_any(ChallengeSid::from_bytes)?) {
        (None, None, None) => Ok(ChallengeState::Pending),
        (Some(verdict), Some(at), None) => Ok(ChallengeState::Answered { verdict, at }),
        (Some(Verdict::Denied), Some(at), Some(by)) => {
            Ok(ChallengeState::AnsweredElsewhere { by, at })
        }
        _ => Err(cells.contradiction()),
    }
}

/// Reads a cell: what shows that the person who approves looks at the page that asked.
///
/// # Errors
/// The cell is corrupt.
pub fn presence<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Option<Presence>> {
    cells.parse_if_any(Presence::from_stored)
}

/// Reads a cell: whether a device must show the challenge quietly. It is NULL in the rows of older releases.
fn quiet<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<bool> {
    Ok(cells.take::<Option<bool>>()?.unwrap_or(false))
}

/// Reads four cells: those of the state, and the expiry.
///
/// # Errors
/// A cell is corrupt.
pub fn standing<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<ChallengeLifecycle> {
    let state = challenge_state(cells)?;
    Ok(ChallengeLifecycle { state, expires_at: cells.map(Instant::from_micros)? })
}

/// A challenge that a code is to answer.
#[derive(Debug, Clone, Copy)]
pub struct CodeChallenge {
    /// Its entity.
    pub entity: EntitySid,
    /// Its factor.
    pub factor: FactorSid,
    /// The wrong codes that it has seen.
    pub wrong_codes: u32,
}

impl CodeChallenge {
    /// Reads the cells `entity_sid, factor_sid, wrong_answers`.
    ///
    /// # Errors
    /// A cell is corrupt.
    pub fn read<R: SqlRow>(mut cells: Cells<R>) -> RowResult<Self> {
        Ok(Self {
            entity: cells.map(EntitySid::from_bytes)?,
            factor: cells.map(FactorSid::from_bytes)?,
            wrong_codes: cells.take()?,
        })
    }
}

/// A challenge to store, with its texts as the columns hold them. They are made before the command is queued.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// The challenge and its conditions.
    pub opening: Opening,
    /// The fields, as JSON.
    pub fields: String,
    /// The hidden details.
    pub hidden_details: Option<String>,
    /// The metadata.
    pub metadata: Option<String>,
    /// The presence, as JSON.
    pub presence: Option<String>,
}

impl NewChallenge {
    /// Makes the texts.
    ///
    /// # Errors
    /// The fields cannot be written as JSON.
    pub fn new(opening: &Opening) -> StoreResult<Self> {
        let challenge = &opening.challenge;
        Ok(Self {
            fields: json(&challenge.details.fields)?,
            hidden_details: challenge.hidden_details.as_ref().map(StringMap::to_text),
            metadata: challenge.metadata.as_ref().map(StringMap::to_text),
            presence: challenge.presence.as_deref().map(Presence::to_text),
            opening: opening.clone(),
        })
    }
}

/// The columns of [`manner`], of the table alias `c`.
#[macro_export]
macro_rules! manner_columns {
    () => {
        "c.quiet, c.presence"
    };
}

/// Reads how a device is to show a challenge.
///
/// # Errors
/// A cell is corrupt.
pub fn manner<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<PromptManner> {
    let quiet = quiet(cells)?;
    let presence = presence(cells)?.and_then(|presence| presence.hint());
    Ok(PromptManner { quiet, presence, ..PromptManner::default() })
}

/// The columns of [`context`], of the table alias `c`.
#[macro_export]
macro_rules! context_columns {
    () => {
        concat!($crate::manner_columns!(), ", c.answer_reason, c.answer_address, c.answer_country")
    };
}

/// Reads what is stored about a challenge for applications and operators alone. A reason of a newer release is none.
///
/// # Errors
/// A cell is corrupt.
pub fn context<R: SqlRow>(mut cells: Cells<R>) -> RowResult<ChallengeContext> {
    let is_quiet = manner(&mut cells)?.quiet;
    let reason = cells.take::<Option<String>>()?;
    let reason = reason.as_deref().and_then(DenialReason::from_stored);
    let address = cells.parse_if_any(|text| text.parse().ok())?;
    let country = cells.parse_if_any(|text| text.parse().ok())?;
    Ok(ChallengeContext { is_quiet, answer: AnswerContext { reason, address, country } })
}

/// Reads the cells `jws, key`.
///
/// # Errors
/// A cell is corrupt.
pub fn signed_answer<R: SqlRow>(mut cells: Cells<R>) -> RowResult<SignedAnswer> {
    Ok(SignedAnswer { jws: cells.take()?, key: cells.map(DeviceKey::from_stored)? })
}

/// The cells of an answer's context: reason, address and country.
pub fn answer_cells(
    answer: &AnswerContext,
) -> (Option<&'static str>, Option<String>, Option<String>) {
    (
        answer.reason.map(DenialReason::as_str),
        answer.address.map(|address| address.to_string()),
        answer.country.map(|country| country.to_string()),
    )
}
