//! Pauses of entities: what push challenges are judged by, and how pauses are stored and removed.

use countersign_domain::challenge::{Challenge, MAX_LIFETIME};
use countersign_domain::factor::FactorType;
use countersign_domain::limits::is_reached;
use countersign_domain::protection::{Prompt, PromptDecision, PromptLimits, Protection};
use countersign_domain::sid::{ChallengeSid, EntitySid};
use countersign_domain::time::Instant;
use countersign_store::seam::Opened;
use countersign_store_sql::rows::protections::{prompt, protection};
use countersign_store_sql::{prompt_columns, prompt_condition, protection_columns};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};

statements! {
    READ = concat!("SELECT ", protection_columns!(), " FROM protections WHERE entity_sid = ?1");
    NEWEST = concat!(
        "SELECT ", prompt_columns!(), " FROM challenges c ",
        "WHERE c.entity_sid = ?1 AND c.sid >= ?2 AND c.sid < ?3 AND ", prompt_condition!(), " ORDER BY c.sid DESC LIMIT ?4"
    );
    WRITE = "INSERT INTO protections (entity_sid, counts_from, reason, level, paused_until, cause) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (entity_sid) DO UPDATE SET counts_from = excluded.counts_from, reason = excluded.reason, \
             level = excluded.level, paused_until = excluded.paused_until, cause = excluded.cause";
    /// Not over a longer pause by the application.
    REPORTED = "INSERT INTO protections (entity_sid, counts_from, reason, level, paused_until, cause) \
                SELECT entity_sid, ?2, 'reported', 0, ?3, sid FROM challenges WHERE sid = ?1 \
                ON CONFLICT (entity_sid) DO UPDATE SET counts_from = excluded.counts_from, reason = excluded.reason, \
                level = excluded.level, paused_until = excluded.paused_until, cause = excluded.cause \
                WHERE protections.reason IS NULL OR protections.reason <> 'application' \
                OR protections.paused_until <= excluded.paused_until";
    /// Counts up to the limit `?4`. A pending challenge was opened within the longest lifetime, since `?2`.
    PENDING = "SELECT count(*) FROM (SELECT 1 FROM challenges WHERE entity_sid = ?1 AND sid >= ?2 AND sid < ?3 \
               AND factor_sid = ?5 AND state = 'pending' AND expires_at > ?6 LIMIT ?4)";
    APPROVED = "DELETE FROM protections WHERE entity_sid = (SELECT entity_sid FROM challenges WHERE sid = ?1) \
                AND reason = 'in_a_row'";
}

/// The verdict of the limits and of a pause of its entity on a push challenge.
pub(crate) enum Judged {
    /// It may be opened.
    Open {
        /// Whether its pushes must not disturb the person.
        is_quiet: bool,
    },
    /// It must not be opened.
    Refused(Opened),
}

/// Judges a push challenge. Stores a pause that begins.
pub(crate) fn judge(
    db: &Connection,
    challenge: &Challenge,
    limits: &PromptLimits,
) -> Result<Judged, DatabaseError> {
    let (entity, now) = (challenge.owner.entity, challenge.created_at);
    let stored = read(db, entity)?;
    let newest = newest(db, entity, limits, now)?;
    Ok(match limits.decide(challenge.sid, now, stored, &newest) {
        PromptDecision::Open if too_many_pending(db, challenge, limits)? => {
            Judged::Refused(Opened::TooManyPending)
        }
        PromptDecision::Open => Judged::Open { is_quiet: limits.is_quiet(now, stored, &newest) },
        PromptDecision::Paused(pause) => Judged::Refused(Opened::Paused { pause, begins: false }),
        PromptDecision::Pause(protection, pause) => {
            write(db, entity, protection)?;
            Judged::Refused(Opened::Paused { pause, begins: true })
        }
    })
}

/// Whether the factor has as many pending challenges as is permitted.
fn too_many_pending(
    db: &Connection,
    challenge: &Challenge,
    limits: &PromptLimits,
) -> Result<bool, DatabaseError> {
    let (most, now) = (limits.most_pending, challenge.created_at);
    if most == 0 {
        return Ok(false);
    }
    let first = ChallengeSid::least(FactorType::Push, now - MAX_LIFETIME);
    let beyond = [FactorType::Push.lead() + 1];
    let (entity, factor) = (challenge.owner.entity.as_bytes(), challenge.factor.as_bytes());
    let key = params![entity, first.as_bytes(), beyond, most, factor, now.as_micros()];
    let have = one(db, PENDING, key, |row| cells_of(row, "challenges").take::<u32>())?;
    Ok(is_reached(most, have.unwrap_or(0)))
}

/// Ends the pause that too many challenges in a row have caused: this one is approved.
pub(crate) fn approved(db: &Connection, challenge: ChallengeSid) -> Result<(), DatabaseError> {
    execute(db, APPROVED, [challenge.as_bytes()]).map(|_| ())
}

/// Pauses the entity of a challenge that the person has reported.
pub(crate) fn reported(
    db: &Connection,
    challenge: ChallengeSid,
    at: Instant,
    until: Instant,
) -> Result<(), DatabaseError> {
    let row = params![challenge.as_bytes(), at.as_micros(), until.as_micros()];
    execute(db, REPORTED, row).map(|_| ())
}

/// As many of an entity's newest push challenges as the limit needs.
fn newest(
    db: &Connection,
    entity: EntitySid,
    limits: &PromptLimits,
    now: Instant,
) -> Result<Vec<Prompt>, DatabaseError> {
    let look = limits.look();
    if look == 0 {
        return Ok(Vec::new());
    }
    let first = ChallengeSid::least(FactorType::Push, limits.look_since(now));
    let beyond = [FactorType::Push.lead() + 1];
    let key = params![entity.as_bytes(), first.as_bytes(), beyond, look];
    all(db, NEWEST, key, |row| Ok(prompt(cells_of(row, "challenges"))?.1))
}

/// Reads what is stored about an entity.
pub(crate) fn read(
    db: &Connection,
    entity: EntitySid,
) -> Result<Option<Protection>, DatabaseError> {
    one(db, READ, [entity.as_bytes()], |row| Ok(protection(cells_of(row, "protections"))?.1))
}

/// Replaces what is stored about an entity.
pub(crate) fn write(
    db: &Connection,
    entity: EntitySid,
    protection: Protection,
) -> Result<(), DatabaseError> {
    let Protection { pause, cause, counts_from } = protection;
    let row = params![
        entity.as_bytes(),
        counts_from.as_micros(),
        pause.map(|pause| pause.reason.as_str()),
        pause.map_or(0, |pause| pause.level),
        pause.and_then(|pause| pause.until).map(Instant::as_micros),
        cause.as_ref().map(ChallengeSid::as_bytes),
    ];
    execute(db, WRITE, row).map(|_| ())
}
