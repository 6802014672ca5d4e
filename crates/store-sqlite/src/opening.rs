//! The command that opens a challenge.

use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::factor::FactorType;
use countersign_domain::limits::is_reached;
use countersign_domain::sid::{ChallengeGroupSid, ChallengeSid};
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_store::seam::{CodeCheck, Opened};
use countersign_store_sql::rows::challenges::NewChallenge;
use rusqlite::types::ToSql;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::pauses::Judged;
use crate::statement::{execute, exists, living, one, statements};
use crate::{answers, codes, events, new_notifications, pauses};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

statements! {
    VERIFIED_FACTOR = concat!(
        "SELECT 1 FROM factors f", living!("f"), "WHERE f.entity_sid = ?1 AND f.sid = ?2 AND f.status = 'verified'"
    );
    VERIFIED_TOTP_FACTOR = concat!(
        "SELECT 1 FROM totp_factors f", living!("f"), "WHERE f.entity_sid = ?1 AND f.sid = ?2 AND f.status = 'verified'"
    );
    /// Counts up to the limit `?4`.
    OF_FACTOR_SINCE = "SELECT count(*) FROM (SELECT 1 FROM challenges \
                       WHERE entity_sid = ?1 AND sid >= ?2 AND sid < ?3 AND factor_sid = ?5 LIMIT ?4)";
    /// Of a group, only the first challenge counts.
    OF_ENTITY_SINCE = "SELECT count(*) FROM (SELECT 1 FROM challenges \
                       WHERE entity_sid = ?1 AND sid >= ?2 AND sid < ?3 AND (group_sid IS NULL OR group_sid = sid) LIMIT ?4)";
    INSERT = "INSERT INTO challenges (sid, state, expires_at, service_sid, identity, entity_sid, factor_sid, account_sid, \
              factor_type, created_at, updated_at, wrong_answers, message, fields, date, hidden_details, metadata, quiet, presence, group_sid) \
              VALUES (?1, 'pending', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
}

/// Opens a challenge.
pub(crate) struct Open(pub(crate) NewChallenge);

impl Open {
    /// Whether the factor, or the entity, has `limit` challenges created since `since`.
    fn limit_is_reached(
        &self,
        db: &Connection,
        limit: u32,
        since: Instant,
        of_factor: bool,
    ) -> Result<bool, DatabaseError> {
        let challenge = &self.0.opening.challenge;
        if limit == 0 {
            return Ok(false);
        }
        let mut have = 0;
        // The SIDs of each type are ordered by time.
        for kind in [FactorType::Push, FactorType::Totp] {
            let first = ChallengeSid::least(kind, since);
            let beyond = [kind.lead() + 1];
            let mut params: Vec<&dyn ToSql> =
                vec![challenge.owner.entity.as_bytes(), first.as_bytes(), &beyond, &limit];
            if of_factor {
                params.push(challenge.factor.as_bytes());
            }
            let sql = if of_factor { OF_FACTOR_SINCE } else { OF_ENTITY_SINCE };
            have +=
                one(db, sql, params.as_slice(), |row| cells_of(row, "challenges").take::<u32>())?
                    .unwrap_or(0);
        }
        Ok(is_reached(limit, have))
    }

    fn insert_challenge(&self, db: &Connection, is_quiet: bool) -> Result<(), DatabaseError> {
        let challenge = &self.0.opening.challenge;
        execute(
            db,
            INSERT,
            params![
                challenge.sid.as_bytes(),
                challenge.expires_at.as_micros(),
                challenge.owner.service.as_bytes(),
                challenge.owner.identity.as_str(),
                challenge.owner.entity.as_bytes(),
                challenge.factor.as_bytes(),
                challenge.owner.account.as_bytes(),
                challenge.factor_type.as_str(),
                challenge.created_at.as_micros(),
                challenge.updated_at.as_micros(),
                challenge.details.message.as_ref().map_or("", Message::as_str),
                self.0.fields,
                challenge.details.date.map(Instant::as_micros),
                self.0.hidden_details,
                self.0.metadata,
                is_quiet.then_some(true),
                self.0.presence,
                challenge.group.as_ref().map(ChallengeGroupSid::as_bytes),
            ],
        )
        .map(|_| ())
    }
}

/// Applies the code that came with a stored challenge.
fn use_code(
    db: &Connection,
    challenge: &Challenge,
    check: CodeCheck,
) -> Result<Opened, DatabaseError> {
    codes::record(db, challenge.owner.entity, challenge.factor, check)?;
    match check {
        CodeCheck::Accepted(_) => {
            answers::approve(db, challenge.sid, None, challenge.created_at)?;
            Ok(Opened::Done)
        }
        CodeCheck::Wrong => {
            answers::count_wrong(db, challenge.sid)?;
            Ok(Opened::WrongCode)
        }
        CodeCheck::Spent => Ok(Opened::SpentCode),
        CodeCheck::Exhausted => Ok(Opened::Exhausted),
        CodeCheck::SettingsChanged => Ok(Opened::SettingsChanged),
    }
}

impl Open {
    /// Judges the challenge by the conditions for storing it. Stores a pause that begins.
    pub(crate) fn judge(&self, db: &Connection) -> Result<Judged, DatabaseError> {
        let opening = &self.0.opening;
        let challenge = &opening.challenge;
        let factor = [challenge.owner.entity.as_bytes(), challenge.factor.as_bytes()];
        let verified = match challenge.factor_type {
            FactorType::Push => VERIFIED_FACTOR,
            FactorType::Totp => VERIFIED_TOTP_FACTOR,
        };
        if !exists(db, verified, factor)? {
            return Ok(Judged::Refused(Opened::NoFactor));
        }
        let now = challenge.created_at;
        if self.limit_is_reached(db, opening.most_per_factor_hour, now - HOUR, true)?
            || self.limit_is_reached(db, opening.most_per_factor_day, now - DAY, true)?
            || self.limit_is_reached(db, opening.most_per_entity_hour, now - HOUR, false)?
        {
            return Ok(Judged::Refused(Opened::TooMany));
        }
        match challenge.factor_type {
            FactorType::Push => pauses::judge(db, challenge, &opening.prompts),
            FactorType::Totp => Ok(Judged::Open { is_quiet: false }),
        }
    }

    /// Stores the challenge and the notification that it causes.
    pub(crate) fn insert(&self, db: &Connection, is_quiet: bool) -> Result<(), DatabaseError> {
        self.insert_challenge(db, is_quiet)?;
        let Some(notification) = &self.0.opening.notification else {
            return Ok(());
        };
        new_notifications::insert(db, notification, i64::from(!notification.automatic))
    }
}

impl Command for Open {
    type Output = Opened;

    fn run(&self, db: &Connection) -> Result<Opened, DatabaseError> {
        let is_quiet = match self.judge(db)? {
            Judged::Refused(refused) => return Ok(refused),
            Judged::Open { is_quiet } => is_quiet,
        };
        let opening = &self.0.opening;
        let (challenge, owner) = (&opening.challenge, &opening.challenge.owner);
        let check = match opening.code {
            Some(code) => Some(codes::check(db, owner.entity, challenge.factor, code)?),
            None => None,
        };
        match check {
            Some(CodeCheck::Exhausted) => return Ok(Opened::Exhausted),
            Some(CodeCheck::SettingsChanged) => return Ok(Opened::SettingsChanged),
            Some(CodeCheck::Accepted(_) | CodeCheck::Spent | CodeCheck::Wrong) | None => {}
        }
        self.insert(db, is_quiet)?;
        let opened = match check {
            Some(check) => use_code(db, challenge, check)?,
            None => Opened::Done,
        };
        if check.is_none() || opened != Opened::Done {
            events::watch_expiry(db, challenge)?;
        }
        Ok(opened)
    }
}
