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
use countersign_store_sql::paging::keyed;
use countersign_store_sql::values::inserted;
use countersign_store_sql::{entity_columns, factor_columns, rows, totp_factor_columns};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::paging::{Listing, downwards, upwards};
use crate::statement::{all, execute, exists, one, statements};
use crate::store::SqliteStore;
use crate::{events, services};

/// The entities of a living service.
macro_rules! of_service {
    () => {
        "FROM entities e JOIN services s ON s.sid = e.service_sid WHERE e.service_sid = ?1"
    };
}

statements! {
    SID = concat!("SELECT e.sid ", of_service!(), " AND e.identity = ?2");
    READ = concat!("SELECT ", entity_columns!(), " ", of_service!(), " AND e.identity = ?2");
    UP = upwards!("e.sid"; "SELECT ", entity_columns!(), " ", of_service!());
    DOWN = downwards!("e.sid"; "SELECT ", entity_columns!(), " ", of_service!());
    INSERT = "INSERT INTO entities (service_sid, identity, sid, account_sid, created_at, updated_at, day_began_at, \
              day_factors) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, ?7) ON CONFLICT DO NOTHING";
    LABEL = "UPDATE entities SET label = ?3, updated_at = ?4 WHERE service_sid = ?1 AND identity = ?2 \
             AND EXISTS (SELECT 1 FROM services WHERE sid = ?1)";
    DELETE = "DELETE FROM entities WHERE service_sid = ?1 AND identity = ?2";
    /// More factors than an entity can have, unless the operator lifts every limit.
    FACTORS = concat!("SELECT ", factor_columns!(), " FROM factors f WHERE f.entity_sid = ?1 ORDER BY f.sid LIMIT 1000");
    TOTP_FACTORS = concat!(
        "SELECT ", totp_factor_columns!(), " FROM totp_factors f WHERE f.entity_sid = ?1 ORDER BY f.sid LIMIT 1000"
    );
    /// The cleaner removes what is below.
    REMOVED = "INSERT INTO removals (kind, sid, removed_at) VALUES ('entity', ?1, ?2) ON CONFLICT DO NOTHING";
}

/// Inserts an entity for which `day_factors` factors were created. Returns 0 if it exists.
pub(crate) fn insert(
    db: &Connection,
    owner: &Owner,
    created_at: Instant,
    updated_at: Instant,
    day_factors: u32,
) -> Result<usize, DatabaseError> {
    execute(
        db,
        INSERT,
        params![
            owner.service.as_bytes(),
            owner.identity.as_str(),
            owner.entity.as_bytes(),
            owner.account.as_bytes(),
            created_at.as_micros(),
            updated_at.as_micros(),
            day_factors,
        ],
    )
}

struct Label(ServiceSid, Identity, Option<AccountLabel>, Instant);

impl Command for Label {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(service, identity, label, at) = self;
        let label = label.as_ref().map(AccountLabel::as_str);
        let change = params![service.as_bytes(), identity.as_str(), label, at.as_micros()];
        Ok(execute(db, LABEL, change)? > 0)
    }
}

struct Create(Entity);

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let entity = &self.0;
        if !exists(db, services::EXISTS, [entity.owner.service.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let rows = insert(db, &entity.owner, entity.created_at, entity.updated_at, 0)?;
        Ok(inserted(rows))
    }
}

/// Stores the deletion events of all living factors of an entity.
fn tell_of_factors(db: &Connection, entity: [u8; 16], at: Instant) -> Result<(), DatabaseError> {
    let gone = EventType::FactorDeleted;
    let factors =
        all(db, FACTORS, [entity], |row| rows::factors::factor(cells_of(row, "factors")))?;
    for factor in factors.iter().filter(|factor| !factor.has_lapsed(at)) {
        events::of_factor(db, gone, factor, at)?;
    }
    let factors = all(db, TOTP_FACTORS, [entity], |row| {
        rows::totp_factors::totp_factor(cells_of(row, "totp_factors"))
    })?;
    for factor in factors.iter().filter(|factor| !factor.has_lapsed(at)) {
        events::of_factor(db, gone, factor, at)?;
    }
    Ok(())
}

struct Delete(ServiceSid, Identity, Instant);

impl Command for Delete {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(service, identity, at) = self;
        let key = params![service.as_bytes(), identity.as_str()];
        let Some(sid) = one(db, SID, key, |row| cells_of(row, "entities").take::<[u8; 16]>())?
        else {
            return Ok(false);
        };
        if events::has_webhooks(db, *service)? {
            tell_of_factors(db, sid, *at)?;
        }
        execute(db, DELETE, key)?;
        execute(db, REMOVED, params![sid, at.as_micros()])?;
        Ok(true)
    }
}

#[async_trait]
impl Entities for SqliteStore {
    async fn create_entity(&self, entity: &Entity) -> StoreResult<Inserted> {
        self.write(Create(entity.clone())).await
    }

    async fn entity(
        &self,
        service: ServiceSid,
        identity: &Identity,
    ) -> StoreResult<Option<Entity>> {
        self.read(|db| {
            let key = params![service.as_bytes(), identity.as_str()];
            one(db, READ, key, |row| rows::entities::entity(cells_of(row, "entities")))
        })
    }

    async fn entities(
        &self,
        service: ServiceSid,
        page: PageQuery<EntitySid>,
    ) -> StoreResult<Page<Entity>> {
        let listing = Listing { up: UP, down: DOWN, owner: service.as_bytes(), filters: &[] };
        self.read(|db| {
            listing.page(
                db,
                keyed(page, |sid| *sid.as_bytes()),
                |row| rows::entities::entity(cells_of(row, "entities")),
                |entity| *entity.owner.entity.as_bytes(),
            )
        })
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
