//! The command that opens a challenge.

use std::time::Duration;

use countersign_domain::factor::FactorType;
use countersign_domain::limits::is_reached;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_store::seam::{CodeCheck, Opened, Opening};
use rusqlite::types::ToSql;
use rusqlite::{Connection, params};

use crate::cells::Cells;
use crate::statement::{execute, exists, living, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{challenges, events, notifications, totp_factors};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

statements! {
    VERIFIED_FACTOR = concat!(
        "SELECT 1 FROM factors f", living!("f"), "WHERE f.entity_sid = ?1 AND f.sid = ?2 AND f.status = 'verified'"
    );
    /// No further than to the limit, `?4`.
    OF_FACTOR_SINCE = "SELECT count(*) FROM (SELECT 1 FROM challenges \
                       WHERE entity_sid = ?1 AND sid >= ?2 AND sid < ?3 AND factor_sid = ?5 LIMIT ?4)";
    OF_ENTITY_SINCE = "SELECT count(*) FROM (SELECT 1 FROM challenges \
                       WHERE entity_sid = ?1 AND sid >= ?2 AND sid < ?3 LIMIT ?4)";
    INSERT = "INSERT INTO challenges (sid, state, expires_at, service_sid, identity, entity_sid, factor_sid, account_sid, \
              factor_type, created_at, updated_at, wrong_answers, message, fields, date, hidden_details, metadata) \
              VALUES (?1, 'pending', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14, ?15)";
}

/// Opens a challenge; its texts are made ready before it is queued.
pub(crate) struct Open {
    pub(crate) opening: Opening,
    pub(crate) fields: String,
    pub(crate) hidden_details: Option<String>,
    pub(crate) metadata: Option<String>,
}

impl Open {
    /// Whether `limit` challenges were made since `since`, of the factor or of the entity.
    fn limit_is_reached(
        &self,
        db: &Connection,
        limit: u32,
        since: Instant,
        of_factor: bool,
    ) -> Result<bool, Trouble> {
        let challenge = &self.opening.challenge;
        if limit == 0 {
            return Ok(false);
        }
        let mut have = 0;
        // the SIDs of each type are ordered by time among themselves
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
                one(db, sql, params.as_slice(), |row| Cells::of(row, "challenges").take::<u32>())?
                    .unwrap_or(0);
        }
        Ok(is_reached(limit, have))
    }
}

impl Command for Open {
    type Answer = Opened;

    fn run(&self, db: &Connection) -> Result<Opened, Trouble> {
        let opening = &self.opening;
        let challenge = &opening.challenge;
        let factor = [challenge.owner.entity.as_bytes(), challenge.factor.as_bytes()];
        let verified = match challenge.factor_type {
            FactorType::Push => VERIFIED_FACTOR,
            FactorType::Totp => totp_factors::VERIFIED,
        };
        if !exists(db, verified, factor)? {
            return Ok(Opened::NoFactor);
        }
        let now = challenge.created_at;
        if self.limit_is_reached(db, opening.most_per_factor_hour, now - HOUR, true)?
            || self.limit_is_reached(db, opening.most_per_factor_day, now - DAY, true)?
            || self.limit_is_reached(db, opening.most_per_entity_hour, now - HOUR, false)?
        {
            return Ok(Opened::TooMany);
        }
        let owner = &challenge.owner;
        let fate = match opening.code {
            Some(code) => Some(totp_factors::fate(db, owner.entity, challenge.factor, code)?),
            None => None,
        };
        match fate {
            Some(CodeCheck::Exhausted) => return Ok(Opened::Exhausted),
            Some(CodeCheck::SettingsChanged) => return Ok(Opened::SettingsChanged),
            Some(CodeCheck::Accepted(_) | CodeCheck::Spent | CodeCheck::Wrong) | None => {}
        }
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
                self.fields,
                challenge.details.date.map(Instant::as_micros),
                self.hidden_details,
                self.metadata,
            ],
        )?;
        if let Some(notification) = &opening.notification {
            notifications::insert(db, notification, i64::from(!notification.automatic))?;
        }
        let opened = match fate {
            None | Some(CodeCheck::Exhausted | CodeCheck::SettingsChanged) => Opened::Done,
            Some(fate) => {
                totp_factors::note(db, owner.entity, challenge.factor, fate)?;
                match fate {
                    CodeCheck::Accepted(_) => {
                        challenges::approve(db, challenge.sid, None, now)?;
                        return Ok(Opened::Done);
                    }
                    CodeCheck::Wrong => {
                        challenges::count_wrong(db, challenge.sid)?;
                        Opened::WrongCode
                    }
                    _ => Opened::SpentCode,
                }
            }
        };
        events::watch_expiry(db, challenge)?;
        Ok(opened)
    }
}
