//! Protection of entities against too many prompts.

use async_trait::async_trait;
use countersign_domain::entity::Owner;
use countersign_domain::protection::Protection;
use countersign_domain::sid::EntitySid;
use countersign_store::error::StoreResult;
use countersign_store::seam::Protections;
use rusqlite::{Connection, params};

use crate::command::Command;
use crate::error::DatabaseError;
use crate::pauses::{read, write};
use crate::statement::{exists, statements};
use crate::store::SqliteStore;

statements! {
    ENTITY = "SELECT 1 FROM entities e JOIN services s ON s.sid = e.service_sid \
              WHERE e.service_sid = ?1 AND e.identity = ?2 AND e.sid = ?3";
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
}
