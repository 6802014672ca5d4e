//! Protection of entities against too many prompts.

use async_trait::async_trait;
use countersign_domain::entity::Owner;
use countersign_domain::protection::Protection;
use countersign_domain::sid::{EntitySid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::Protections;
use countersign_store_sql::paused_columns;
use countersign_store_sql::rows::protections::{paused, protection};
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::pauses::{READ, REPLACE, write};
use crate::session::Session;
use crate::statement::{all, exists, one};
use crate::store::PostgresStore;

/// Openings of challenges lock the same row, so that no other pause begins meanwhile.
const LOCK: &str = "SELECT e.sid FROM entities e JOIN services s ON s.sid = e.service_sid \
                    WHERE e.service_sid = $1 AND e.identity = $2 AND e.sid = $3 FOR NO KEY UPDATE OF e";

const PAUSED: &str = concat!(
    "SELECT ",
    paused_columns!(),
    " FROM protections p CROSS JOIN LATERAL (SELECT * FROM entities WHERE service_sid = $1 AND sid = p.entity_sid OFFSET 0) AS e \
     WHERE p.entity_sid > $2 AND p.reason IS NOT NULL AND (p.paused_until IS NULL OR p.paused_until > $3) \
     AND EXISTS (SELECT FROM services WHERE sid = $1) ORDER BY p.entity_sid LIMIT $4"
);

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

    async fn paused(
        &self,
        service: ServiceSid,
        after: Option<EntitySid>,
        most: usize,
        now: Instant,
    ) -> StoreResult<Vec<(Owner, Protection)>> {
        let db = self.session().await?;
        let after = id(&after.map_or([0; 16], |sid| *sid.as_bytes()));
        let key = params![id(service.as_bytes()), after, now.as_micros(), limit(most)];
        Ok(all(&db, PAUSED, key, |row| paused(cells_of(row, "entities"))).await?)
    }
}
