//! The keys that seal stored secrets.

use async_trait::async_trait;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::SealingKeys;
use countersign_store_sql::rows::sealing_keys::wrapped_key;
use countersign_store_sql::wrapped_key_columns;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, exists, one, statements};
use crate::store::SqliteStore;

statements! {
    /// A handful of rows: a table of its own, read in the order of its key.
    READ = concat!("SELECT ", wrapped_key_columns!(), " FROM sealing_keys WHERE id > 0 ORDER BY id, holder");
    NEWEST = "SELECT id FROM sealing_keys WHERE id > 0 ORDER BY id DESC LIMIT 1";
    ADD = "INSERT INTO sealing_keys (id, holder, wrapped, created_at, retired_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    /// The first release that can open what a second key sealed.
    SERVE_FROM = "UPDATE installation SET serves_from = max(serves_from, 29) WHERE id = 1";
    /// A key that the holder cannot open, or that nobody holds.
    LACKING = "SELECT 1 FROM sealing_keys k WHERE id > 0 AND NOT EXISTS (SELECT 1 FROM sealing_keys h WHERE h.id = k.id AND h.holder = ?1)";
    REMOVE = "DELETE FROM sealing_keys WHERE id > 0 AND holder <> ?1";
    RETIRE = "UPDATE sealing_keys SET retired_at = ?2 WHERE id > 0 AND id < ?1 AND retired_at IS NULL";
    CHECK = "UPDATE installation SET key_check = ?1 WHERE id = 1";
}

fn newest(db: &Connection) -> Result<Option<i64>, DatabaseError> {
    one(db, NEWEST, (), |row: &Row<'_>| cells_of(row, "sealing_keys").take())
}

struct Add(Option<SealingKeyId>, Vec<WrappedKey>);

impl Command for Add {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(expected, new) = self;
        if newest(db)? != expected.map(|id| id.0.into()) {
            return Ok(false);
        }
        for key in new {
            let (at, retired_at) =
                (key.created_at.as_micros(), key.retired_at.map(Instant::as_micros));
            let row = params![key.id.0, key.holder.0, key.wrapped.as_bytes(), at, retired_at];
            execute(db, ADD, row)?;
        }
        execute(db, SERVE_FROM, ())?;
        Ok(true)
    }
}

struct KeepOnly(KeyHolder, [u8; 32], Instant);

impl Command for KeepOnly {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(holder, check, now) = self;
        let Some(newest) = newest(db)? else { return Ok(false) };
        if exists(db, LACKING, [holder.0])? {
            return Ok(false);
        }
        execute(db, REMOVE, [holder.0])?;
        execute(db, RETIRE, params![newest, now.as_micros()])?;
        execute(db, CHECK, [*check])?;
        Ok(true)
    }
}

#[async_trait]
impl SealingKeys for SqliteStore {
    async fn sealing_keys(&self) -> StoreResult<Vec<WrappedKey>> {
        self.read(|db| all(db, READ, (), |row| wrapped_key(cells_of(row, "sealing_keys"))))
    }

    async fn add_sealing_keys(
        &self,
        newest: Option<SealingKeyId>,
        new: &[WrappedKey],
    ) -> StoreResult<bool> {
        self.write(Add(newest, new.to_vec())).await
    }

    async fn keep_only_holder(
        &self,
        holder: KeyHolder,
        check: [u8; 32],
        now: Instant,
    ) -> StoreResult<bool> {
        self.write(KeepOnly(holder, check, now)).await
    }
}
