//! Rights that count once.

use async_trait::async_trait;
use countersign_domain::one_time_right::RightId;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::OneTimeRights;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{one, statements};
use crate::store::SqliteStore;

statements! {
    USE = "INSERT INTO rights_used (id, until) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET is_misused = 1 RETURNING is_misused";
    READ = "SELECT is_misused FROM rights_used WHERE id = ?1";
    FORGET = "DELETE FROM rights_used WHERE id IN (SELECT id FROM rights_used WHERE until <= ?1 LIMIT ?2)";
}

struct Use(RightId, Instant);

impl Command for Use {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let is_misused = |row: &Row<'_>| cells_of(row, "rights_used").take::<bool>();
        Ok(one(db, USE, params![self.0.0, self.1.as_micros()], is_misused)? == Some(false))
    }
}

#[async_trait]
impl OneTimeRights for SqliteStore {
    async fn use_right(&self, id: RightId, until: Instant) -> StoreResult<bool> {
        self.write(Use(id, until)).await
    }

    async fn is_right_misused(&self, id: RightId) -> StoreResult<bool> {
        let read = |row: &Row<'_>| cells_of(row, "rights_used").take();
        Ok(self.read(|db| one(db, READ, [id.0], read))?.unwrap_or(false))
    }
}
