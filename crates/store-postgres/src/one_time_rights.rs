//! Rights that count once.

use async_trait::async_trait;
use countersign_domain::one_time_right::RightId;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::OneTimeRights;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::one;
use crate::store::PostgresStore;

const USE: &str = "INSERT INTO rights_used (id, until) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET is_misused = true \
                   RETURNING is_misused";
const READ: &str = "SELECT is_misused FROM rights_used WHERE id = $1";

struct Use(RightId, Instant);

#[async_trait]
impl Command for Use {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let is_misused = |row: &Row| cells_of(row, "rights_used").take::<bool>();
        let used = params![id(&self.0.0), self.1.as_micros()];
        Ok(one(db, USE, used, is_misused).await? == Some(false))
    }
}

#[async_trait]
impl OneTimeRights for PostgresStore {
    async fn use_right(&self, id: RightId, until: Instant) -> StoreResult<bool> {
        self.write(Use(id, until)).await
    }

    async fn is_right_misused(&self, right: RightId) -> StoreResult<bool> {
        let db = self.session().await?;
        let read = |row: &Row| cells_of(row, "rights_used").take();
        Ok(one(&db, READ, params![id(&right.0)], read).await?.unwrap_or(false))
    }
}
