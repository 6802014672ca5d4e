//! The command that enrols a factor.

use async_trait::async_trait;
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
use tokio_postgres::Row;

use crate::access_tokens::{IS_GOOD, LABEL_BY_TOKEN, USE_UP};
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{exists, one};
use crate::{entities, events, services};

/// Locks the row of an entity before its factors are counted, so that the next transaction counts what this one adds.
const LOCK: &str = "SELECT sid, day_began_at, day_factors FROM entities WHERE service_sid = $1 AND identity = $2 \
                    FOR NO KEY UPDATE";
const COUNT_IN_DAY: &str = "UPDATE entities SET day_began_at = $3, day_factors = $4 WHERE service_sid = $1 AND identity = $2";
/// Counts living factors: one left unverified since `$2` counts as deleted.
const LIVING: &str = "SELECT count(*) FROM factors WHERE entity_sid = $1 AND (status = 'verified' OR created_at > $2)";
const KEY_TAKEN: &str = "SELECT 1 FROM factors WHERE entity_sid = $1 AND (status = 'verified' OR created_at > $2) \
                         AND public_key = $3";
const INSERT: &str = "INSERT INTO factors (entity_sid, sid, service_sid, identity, account_sid, key_sid, public_key, \
                      status, platform, created_at, updated_at, addressed_at, friendly_name, app_id, sdk_version, \
                      token, metadata, presence) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $12, $13, $14, $15, $16, $17)";

/// Enrols a factor: stores it and its entity and uses up its access token, all or none.
pub(crate) struct Enrol(pub(crate) Enrolment);

/// Reads and locks the entity of an identity, and creates it if it does not exist. A new entity has no factors, so no enrolment is
/// refused because of it.
pub(crate) async fn entity(
    db: &Session,
    owner: &Owner,
    now: Instant,
) -> Result<EntityDay, DatabaseError> {
    // Of two transactions that create it at the same time, the second waits for the first and finds the entity.
    entities::insert(db, owner, now, now, 0).await?;
    let key = params![id(owner.service.as_bytes()), owner.identity.as_str()];
    let found = one(db, LOCK, key, |row| EntityDay::read(cells_of(row, "entities")));
    found.await?.ok_or_else(|| DatabaseError::Corrupt("entities".to_owned()))
}

/// Counts one more factor of an entity.
pub(crate) async fn count(
    db: &Session,
    owner: &Owner,
    entity: &EntityDay,
    now: Instant,
) -> Result<(), DatabaseError> {
    let (began, before) = entity.at(now);
    let service = id(owner.service.as_bytes());
    let params =
        params![service, owner.identity.as_str(), began.as_micros(), i64::from(before) + 1];
    db.execute(COUNT_IN_DAY, params).await.map(|_| ())
}

impl Enrol {
    /// Returns why the factor cannot be stored beside the others of its entity, if so.
    async fn refusal(
        &self,
        db: &Session,
        entity: &EntityDay,
    ) -> Result<Option<Enrolled>, DatabaseError> {
        let Enrolment { factor, most_per_entity, most_per_day, .. } = &self.0;
        let now = factor.created_at;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        let sid = id(entity.sid.as_bytes());
        if exists(db, KEY_TAKEN, params![sid, lapsed, factor.key.as_point().as_slice()]).await? {
            return Ok(Some(Enrolled::KeyTaken));
        }
        let read = |row: &Row| cells_of(row, "factors").take();
        let living = one(db, LIVING, params![sid, lapsed], read).await?;
        if is_reached(*most_per_entity, living.unwrap_or(0)) {
            return Ok(Some(Enrolled::TooMany));
        }
        if is_reached(*most_per_day, entity.at(now).1) {
            return Ok(Some(Enrolled::TooManyToday));
        }
        Ok(None)
    }

    async fn insert(&self, db: &Session, entity: EntitySid) -> Result<(), DatabaseError> {
        let factor = &self.0.factor;
        db.execute(
            INSERT,
            params![
                id(entity.as_bytes()),
                id(factor.sid.as_bytes()),
                id(factor.owner.service.as_bytes()),
                factor.owner.identity.as_str(),
                id(factor.owner.account.as_bytes()),
                id(factor.key_sid.as_bytes()),
                factor.key.as_point().as_slice(),
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
        )
        .await
        .map(|_| ())
    }
}

#[async_trait]
impl Command for Enrol {
    type Output = Enrolled;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0.factor.created_at, self.0.factor.created_at))
    }

    async fn run(&self, db: &Session) -> Result<Enrolled, DatabaseError> {
        let Enrolment { factor, token, .. } = &self.0;
        let (owner, now) = (&factor.owner, factor.created_at);
        let service = id(owner.service.as_bytes());
        if !exists(db, services::STAYS, params![service]).await? {
            return Ok(Enrolled::NoService);
        }
        let token = token.map(|token| id(token.as_bytes()));
        if let Some(token) = token
            && !exists(db, IS_GOOD, params![service, token, now.as_micros()]).await?
        {
            return Ok(Enrolled::TokenSpent);
        }
        let entity = entity(db, owner, now).await?;
        if let Some(refusal) = self.refusal(db, &entity).await? {
            return Ok(refusal);
        }
        count(db, owner, &entity, now).await?;
        if let Some(token) = token {
            db.execute(USE_UP, params![service, token, now.as_micros()]).await?;
            let identity = owner.identity.as_str();
            db.execute(LABEL_BY_TOKEN, params![service, identity, token, now.as_micros()]).await?;
        }
        self.insert(db, entity.sid).await?;
        events::of_factor(db, EventType::FactorCreated, factor.into(), now).await?;
        Ok(Enrolled::Done(entity.sid))
    }
}
