//! Protection of entities against too many prompts.

use async_trait::async_trait;
use countersign_domain::entity::Owner;
use countersign_domain::protection::Protection;
use countersign_domain::sid::{EntitySid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Protections;
use countersign_store_sql::paused_columns;
use countersign_store_sql::rows::protections::paused;
use countersign_store_sql::values::limit;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::pauses::{read, write};
use crate::statement::{all, exists, statements};
use crate::store::SqliteStore;

statements! {
    ENTITY = "SELECT 1 FROM entities e JOIN services s ON s.sid = e.service_sid \
              WHERE e.service_sid = ?1 AND e.identity = ?2 AND e.sid = ?3";
    PAUSED = concat!(
        "SELECT ", paused_columns!(), " FROM protections p CROSS JOIN entities e WHERE p.entity_sid > ?2 \
         AND e.service_sid = ?1 AND e.sid = p.entity_sid AND p.reason IS NOT NULL \
         AND (p.paused_until IS NULL OR p.paused_until > ?3) \
         AND EXISTS (SELECT 1 FROM services WHERE sid = ?1) ORDER BY p.entity_sid LIMIT ?4"
    );
}

struct Protect(Owner, Protection);

impl Command for Protect {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(owner, protection) = self;
        let (service, entity) = (owner.service.as_bytes(), owner.entity.as_bytes());
        if !exists(db, ENTITY, params![service, owner.identity.as_str(), entity])? {
            return Ok(false);
        }
        write(db, owner.entity, *protection)?;
        Ok(true)
    }
}

#[async_trait]
impl Protections for SqliteStore {
    async fn protection(&self, entity: EntitySid) -> StoreResult<Option<Protection>> {
        self.read(|db| read(db, entity))
    }

    async fn protect(&self, owner: &Owner, protection: Protection) -> StoreResult<bool> {
        self.write(Protect(owner.clone(), protection)).await
    }

    async fn paused(
        &self,
        service: ServiceSid,
        after: Option<EntitySid>,
        most: usize,
        now: Instant,
    ) -> StoreResult<Vec<(Owner, Protection)>> {
        let after = after.map_or([0; 16], |sid| *sid.as_bytes());
        let key = params![service.as_bytes(), after, now.as_micros(), limit(most)];
        self.read(|db| all(db, PAUSED, key, |row| paused(cells_of(row, "entities"))))
    }
}
