//! The command that enrols a factor.

use countersign_domain::address::PushToken;
use countersign_domain::entity::Owner;
use countersign_domain::factor::UNVERIFIED_FOR;
use countersign_domain::limits::is_reached;
use countersign_domain::sid::EntitySid;
use countersign_domain::text::StringMap;
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::seam::{Enrolled, Enrolment};
use countersign_store_sql::rows::entities::EntityDay;
use countersign_store_sql::rows::factors::TAKES_NUMBERS;
use rusqlite::{Connection, params};

use crate::access_tokens::{IS_GOOD, LABEL_BY_TOKEN, USE_UP};
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, exists, one, statements};
use crate::{entities, events, services};

statements! {
    ENTITY = "SELECT sid, day_began_at, day_factors FROM entities WHERE service_sid = ?1 AND identity = ?2";
    COUNT_IN_DAY = "UPDATE entities SET day_began_at = ?3, day_factors = ?4 WHERE service_sid = ?1 AND identity = ?2";
    /// Counts living factors: one left unverified since `?2` counts as deleted.
    LIVING = "SELECT count(*) FROM factors WHERE entity_sid = ?1 AND (status = 'verified' OR created_at > ?2)";
    KEY_TAKEN = "SELECT 1 FROM factors WHERE entity_sid = ?1 AND (status = 'verified' OR created_at > ?2) \
                 AND public_key = ?3";
    INSERT = "INSERT INTO factors (entity_sid, sid, service_sid, identity, account_sid, key_sid, public_key, status, \
              platform, created_at, updated_at, addressed_at, friendly_name, app_id, sdk_version, token, metadata, presence) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?10, ?12, ?13, ?14, ?15, ?16, ?17)";
}

/// Enrols a factor: stores it and its entity and uses up its access token, all or none.
pub(crate) struct Enrol(pub(crate) Enrolment);

/// Reads the entity of an identity, if it exists.
pub(crate) fn entity(db: &Connection, owner: &Owner) -> Result<Option<EntityDay>, DatabaseError> {
    let key = params![owner.service.as_bytes(), owner.identity.as_str()];
    one(db, ENTITY, key, |row| EntityDay::read(cells_of(row, "entities")))
}

/// Counts one more factor of an entity, which is created if it does not exist. Returns its SID.
pub(crate) fn count(
    db: &Connection,
    owner: &Owner,
    existing: Option<EntityDay>,
    now: Instant,
) -> Result<EntitySid, DatabaseError> {
    let Some(entity) = existing else {
        entities::insert(db, owner, now, now, 1)?;
        return Ok(owner.entity);
    };
    let (began, before) = entity.at(now);
    let (service, identity) = (owner.service.as_bytes(), owner.identity.as_str());
    execute(db, COUNT_IN_DAY, params![service, identity, began.as_micros(), before + 1])?;
    Ok(entity.sid)
}

impl Enrol {
    /// Returns why the factor cannot be stored, if so. Decides everything before anything is written.
    fn refusal(
        &self,
        db: &Connection,
        entity: Option<&EntityDay>,
    ) -> Result<Option<Enrolled>, DatabaseError> {
        let Enrolment { factor, token, most_per_entity, most_per_day } = &self.0;
        let now = factor.created_at;
        let service = factor.owner.service.as_bytes();
        if !exists(db, services::EXISTS, [service])? {
            return Ok(Some(Enrolled::NoService));
        }
        if let Some(token) = token
            && !exists(db, IS_GOOD, params![service, token.as_bytes(), now.as_micros()])?
        {
            return Ok(Some(Enrolled::TokenSpent));
        }
        let Some(entity) = entity else {
            return Ok(None);
        };
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        let sid = entity.sid.as_bytes();
        if exists(db, KEY_TAKEN, params![sid, lapsed, factor.key.as_point()])? {
            return Ok(Some(Enrolled::KeyTaken));
        }
        let living = one(db, LIVING, params![sid, lapsed], |row| cells_of(row, "factors").take())?;
        if is_reached(*most_per_entity, living.unwrap_or(0)) {
            return Ok(Some(Enrolled::TooMany));
        }
        if is_reached(*most_per_day, entity.at(now).1) {
            return Ok(Some(Enrolled::TooManyToday));
        }
        Ok(None)
    }

    fn insert(&self, db: &Connection, entity: EntitySid) -> Result<(), DatabaseError> {
        let factor = &self.0.factor;
        execute(
            db,
            INSERT,
            params![
                entity.as_bytes(),
                factor.sid.as_bytes(),
                factor.owner.service.as_bytes(),
                factor.owner.identity.as_str(),
                factor.owner.account.as_bytes(),
                factor.key_sid.as_bytes(),
                factor.key.as_point(),
                factor.status.as_str(),
                factor.address.platform().as_str(),
                factor.created_at.as_micros(),
                factor.updated_at.as_micros(),
                factor.friendly_name.as_str(),
                factor.app_id.as_str(),
                factor.sdk_version.as_str(),
                factor.address.token().map(PushToken::expose),
                factor.metadata.as_ref().map(StringMap::to_text),
                factor.takes_numbers.then_some(TAKES_NUMBERS),
            ],
        )?;
        Ok(())
    }
}

impl Command for Enrol {
    type Output = Enrolled;

    fn run(&self, db: &Connection) -> Result<Enrolled, DatabaseError> {
        let existing = entity(db, &self.0.factor.owner)?;
        if let Some(refusal) = self.refusal(db, existing.as_ref())? {
            return Ok(refusal);
        }
        let Enrolment { factor, token, .. } = &self.0;
        let owner = &factor.owner;
        let service = owner.service.as_bytes();
        let now = factor.created_at;
        let entity = count(db, owner, existing, now)?;
        if let Some(token) = token {
            let params = params![service, token.as_bytes(), now.as_micros()];
            execute(db, USE_UP, params)?;
            let (identity, token) = (owner.identity.as_str(), token.as_bytes());
            execute(db, LABEL_BY_TOKEN, params![service, identity, token, now.as_micros()])?;
        }
        self.insert(db, entity)?;
        events::of_factor(db, EventType::FactorCreated, factor, now)?;
        Ok(Enrolled::Done(entity))
    }
}
