//! Entities.

use async_trait::async_trait;
use countersign_domain::entity::{Entity, Owner};
use countersign_domain::sid::{EntitySid, ServiceSid};
use countersign_domain::text::{AccountLabel, Identity};
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_store::error::StoreResult;
use countersign_store::page::{Page, PageQuery};
use countersign_store::seam::{Entities, Inserted};
use countersign_store_sql::values::inserted;
use countersign_store_sql::{entity_columns, factor_columns, rows, totp_factor_columns};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, by_id};
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, exists, one};
use crate::store::PostgresStore;
use crate::{events, services};

/// The entities of a living service.
macro_rules! of_service {
    () => {
        "FROM entities e JOIN services s ON s.sid = e.service_sid WHERE e.service_sid = $1"
    };
}

const SID: &str = concat!("SELECT e.sid ", of_service!(), " AND e.identity = $2 FOR UPDATE OF e");
const READ: &str =
    concat!("SELECT ", entity_columns!(), " ", of_service!(), " AND e.identity = $2");
const LIST: &str = concat!("SELECT ", entity_columns!(), " ", of_service!());
const INSERT: &str = "INSERT INTO entities (service_sid, identity, sid, account_sid, created_at, updated_at, \
                      day_began_at, day_factors) VALUES ($1, $2, $3, $4, $5, $6, $5, $7) ON CONFLICT DO NOTHING";
const LABEL: &str = "UPDATE entities SET label = $3, updated_at = $4 WHERE service_sid = $1 AND identity = $2 \
                     AND EXISTS (SELECT 1 FROM services WHERE sid = $1)";
const DELETE: &str = "DELETE FROM entities WHERE service_sid = $1 AND identity = $2";
/// More factors than an entity can have, unless the operator lifts every limit.
const FACTORS: &str = concat!(
    "SELECT ",
    factor_columns!(),
    " FROM factors f WHERE f.entity_sid = $1 ORDER BY f.sid LIMIT 1000"
);
const TOTP_FACTORS: &str = concat!(
    "SELECT ",
    totp_factor_columns!(),
    " FROM totp_factors f WHERE f.entity_sid = $1 ORDER BY f.sid LIMIT 1000"
);
/// The cleaner removes what is below.
const REMOVED: &str =
    "INSERT INTO removals (kind, sid, removed_at) VALUES ('entity', $1, $2) ON CONFLICT DO NOTHING";

/// Inserts an entity for which `day_factors` factors were created. Returns 0 if it exists.
pub(crate) async fn insert(
    db: &Session,
    owner: &Owner,
    created_at: Instant,
    updated_at: Instant,
    day_factors: u32,
) -> Result<usize, DatabaseError> {
    db.execute(
        INSERT,
        params![
            id(owner.service.as_bytes()),
            owner.identity.as_str(),
            id(owner.entity.as_bytes()),
            id(owner.account.as_bytes()),
            created_at.as_micros(),
            updated_at.as_micros(),
            i64::from(day_factors),
        ],
    )
    .await
}

struct Label(ServiceSid, Identity, Option<AccountLabel>, Instant);

#[async_trait]
impl Command for Label {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(service, identity, label, at) = self;
        let label = label.as_ref().map(AccountLabel::as_str);
        let change = params![id(service.as_bytes()), identity.as_str(), label, at.as_micros()];
        Ok(db.execute(LABEL, change).await? > 0)
    }
}

struct Create(Entity);

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let entity = &self.0;
        if !exists(db, services::STAYS, params![id(entity.owner.service.as_bytes())]).await? {
            return Ok(Inserted::NoParent);
        }
        let rows = insert(db, &entity.owner, entity.created_at, entity.updated_at, 0).await?;
        Ok(inserted(rows))
    }
}

/// Stores the deletion events of all living factors of an entity.
async fn tell_of_factors(db: &Session, entity: [u8; 16], at: Instant) -> Result<(), DatabaseError> {
    let (gone, entity) = (EventType::FactorDeleted, params![id(&entity)]);
    let factors =
        all(db, FACTORS, entity, |row| rows::factors::factor(cells_of(row, "factors"))).await?;
    for factor in factors.iter().filter(|factor| !factor.has_lapsed(at)) {
        events::of_factor(db, gone, factor.into(), at).await?;
    }
    let read = |row: &Row| rows::totp_factors::totp_factor(cells_of(row, "totp_factors"));
    let factors = all(db, TOTP_FACTORS, entity, read).await?;
    for factor in factors.iter().filter(|factor| !factor.has_lapsed(at)) {
        events::of_factor(db, gone, factor.into(), at).await?;
    }
    Ok(())
}

struct Delete(ServiceSid, Identity, Instant);

#[async_trait]
impl Command for Delete {
    type Output = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.2, self.2))
    }

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(of, identity, at) = self;
        let (service, identity) = (id(of.as_bytes()), identity.as_str());
        let read = |row: &Row| cells_of(row, "entities").take::<[u8; 16]>();
        let Some(sid) = one(db, SID, params![service, identity], read).await? else {
            return Ok(false);
        };
        if events::has_webhooks(db, *of).await? {
            tell_of_factors(db, sid, *at).await?;
        }
        db.execute(DELETE, params![service, identity]).await?;
        db.execute(REMOVED, params![id(&sid), at.as_micros()]).await?;
        Ok(true)
    }
}

#[async_trait]
impl Entities for PostgresStore {
    async fn create_entity(&self, entity: &Entity) -> StoreResult<Inserted> {
        self.write(Create(entity.clone())).await
    }

    async fn entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
    ) -> StoreResult<Option<Entity>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), identity.as_str()];
        let read = |row: &Row| rows::entities::entity(cells_of(row, "entities"));
        Ok(one(&db, READ, key, read).await?)
    }

    async fn entities(
        &self,
        service: ServiceSid,
        page: PageQuery<EntitySid>,
    ) -> StoreResult<Page<Entity>> {
        let db = self.session().await?;
        let service = id(service.as_bytes());
        let list = Listing { select: LIST, key: "e.sid", params: params![service] };
        let read = |row: &Row| rows::entities::entity(cells_of(row, "entities"));
        let key_of = |entity: &Entity| id(entity.owner.entity.as_bytes());
        Ok(list.page(&db, by_id!(page), read, key_of).await?)
    }

    async fn label_entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
        label: Option<&AccountLabel>,
        at: Instant,
    ) -> StoreResult<bool> {
        self.write(Label(service, identity.clone(), label.cloned(), at)).await
    }

    async fn delete_entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
        at: Instant,
    ) -> StoreResult<bool> {
        self.write(Delete(service, identity.clone(), at)).await
    }
}
