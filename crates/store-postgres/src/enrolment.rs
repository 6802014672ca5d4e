//! The command that enrols a factor.

use std::time::Duration;

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
use tokio_postgres::Row;

use crate::access_tokens::{IS_GOOD, USE_UP};
use crate::cells::Cells;
use crate::command::Command;
use crate::database::Session;
use crate::params::{id, params};
use crate::statement::{exists, one};
use crate::trouble::Trouble;
use crate::{entities, events, services};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever counts what an entity has holds its row, so that the next one counts what was added.
const HOLD: &str = "SELECT sid, day_began_at, day_factors FROM entities WHERE service_sid = $1 AND identity = $2 \
                    FOR NO KEY UPDATE";
const COUNT_IN_DAY: &str = "UPDATE entities SET day_began_at = $3, day_factors = $4 WHERE service_sid = $1 AND identity = $2";
/// Of those that live: one left unverified since `$2` counts as gone.
const LIVING: &str = "SELECT count(*) FROM factors WHERE entity_sid = $1 AND (status = 'verified' OR created_at > $2)";
const KEY_TAKEN: &str = "SELECT 1 FROM factors WHERE entity_sid = $1 AND (status = 'verified' OR created_at > $2) \
                         AND public_key = $3";
const INSERT: &str = "INSERT INTO factors (entity_sid, sid, service_sid, identity, account_sid, key_sid, public_key, \
                      status, platform, created_at, updated_at, addressed_at, friendly_name, app_id, sdk_version, \
                      token, metadata) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $12, $13, $14, $15, $16)";

/// Enrols it: the factor, its entity and the end of its access token, or none of them.
pub(crate) struct Enrol(pub(crate) Enrolment);

/// An entity that is there already, and the day in which its factors are counted.
pub(crate) struct Present {
    pub(crate) sid: EntitySid,
    day_began_at: Instant,
    day_factors: u32,
}

impl Present {
    /// The day that a factor made at `now` is counted in, and how many were before it.
    pub(crate) fn day(&self, now: Instant) -> (Instant, u32) {
        if self.day_factors == 0 || now >= self.day_began_at + DAY {
            (now, 0)
        } else {
            (self.day_began_at, self.day_factors)
        }
    }
}

/// The entity of that identity, held until the end of the transaction, and made if it is not there. One that was made just
/// now has no factors, so no enrolment is refused on its account.
pub(crate) async fn present(db: &Session, owner: &Owner, now: Instant) -> Result<Present, Trouble> {
    // of two who make it at once, the second waits for the first, and finds it there
    entities::insert(db, owner, now, now, 0).await?;
    let key = params![id(owner.service.as_bytes()), owner.identity.as_str()];
    let found = one(db, HOLD, key, |row: &Row| {
        let mut cells = Cells::of(row, "entities");
        Ok(Present {
            sid: cells.make(EntitySid::from_bytes)?,
            day_began_at: cells.make(Instant::from_micros)?,
            day_factors: cells.take()?,
        })
    });
    found.await?.ok_or_else(|| Trouble::Corrupt("entities".to_owned()))
}

/// Counts one more factor of an entity.
pub(crate) async fn count(
    db: &Session,
    owner: &Owner,
    entity: &Present,
    now: Instant,
) -> Result<(), Trouble> {
    let (began, before) = entity.day(now);
    let service = id(owner.service.as_bytes());
    let params =
        params![service, owner.identity.as_str(), began.as_micros(), i64::from(before) + 1];
    db.execute(COUNT_IN_DAY, params).await.map(|_| ())
}

impl Enrol {
    /// Why the factor cannot be stored beside the others of its entity, if so.
    async fn refusal(&self, db: &Session, entity: &Present) -> Result<Option<Enrolled>, Trouble> {
        let Enrolment { factor, most_per_entity, most_per_day, .. } = &self.0;
        let now = factor.created_at;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        let sid = id(entity.sid.as_bytes());
        if exists(db, KEY_TAKEN, params![sid, lapsed, factor.key.as_point().as_slice()]).await? {
            return Ok(Some(Enrolled::KeyTaken));
        }
        let read = |row: &Row| Cells::of(row, "factors").take();
        let living = one(db, LIVING, params![sid, lapsed], read).await?;
        if is_reached(*most_per_entity, living.unwrap_or(0)) {
            return Ok(Some(Enrolled::TooMany));
        }
        if is_reached(*most_per_day, entity.day(now).1) {
            return Ok(Some(Enrolled::TooManyToday));
        }
        Ok(None)
    }

    async fn insert(&self, db: &Session, entity: EntitySid) -> Result<(), Trouble> {
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
            ],
        )
        .await
        .map(|_| ())
    }
}

#[async_trait]
impl Command for Enrol {
    type Answer = Enrolled;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0.factor.created_at, self.0.factor.created_at))
    }

    async fn run(&self, db: &Session) -> Result<Enrolled, Trouble> {
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
        let entity = present(db, owner, now).await?;
        if let Some(refusal) = self.refusal(db, &entity).await? {
            return Ok(refusal);
        }
        count(db, owner, &entity, now).await?;
        if let Some(token) = token {
            db.execute(USE_UP, params![service, token, now.as_micros()]).await?;
        }
        self.insert(db, entity.sid).await?;
        events::of_factor(db, EventType::FactorCreated, factor.into(), now).await?;
        Ok(Enrolled::Done(entity.sid))
    }
}
