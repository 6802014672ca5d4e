//! Protection of entities against too many prompts.

use async_trait::async_trait;
use countersign_domain::entity::Owner;
use countersign_domain::protection::Protection;
use countersign_domain::sid::EntitySid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Protections;
use countersign_store_sql::rows::protections::protection;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::pauses::{READ, REPLACE, write};
use crate::session::Session;
use crate::statement::{exists, one};
use crate::store::PostgresStore;

/// Openings of challenges lock the same row, so that no other pause begins meanwhile.
const LOCK: &str = "SELECT e.sid FROM entities e JOIN services s ON s.sid = e.service_sid \
                    WHERE e.service_sid = $1 AND e.identity = $2 AND e.sid = $3 FOR NO KEY UPDATE OF e";

struct Protect(Owner, Protection);

#[async_trait]
impl Command for Protect {
    type Output = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.1.counts_from, self.1.counts_from))
    }

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(owner, protection) = self;
        let (service, entity) = (id(owner.service.as_bytes()), id(owner.entity.as_bytes()));
        if !exists(db, LOCK, params![service, owner.identity.as_str(), entity]).await? {
            return Ok(false);
        }
        write(db, REPLACE, &[(owner.entity, *protection)]).await?;
        Ok(true)
    }
}

#[async_trait]
impl Protections for PostgresStore {
    async fn protection(&self, entity: EntitySid) -> StoreResult<Option<Protection>> {
        let db = self.session().await?;
        let key = params![[id(entity.as_bytes())].to_vec()];
        let read = |row: &Row| Ok(protection(cells_of(row, "protections"))?.1);
        Ok(one(&db, READ, key, read).await?)
    }

    async fn protect(&self, owner: &Owner, protection: Protection) -> StoreResult<bool> {
        self.write(Protect(owner.clone(), protection)).await
    }
}
