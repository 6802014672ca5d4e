//! The keys that seal stored secrets.

use async_trait::async_trait;
use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::SealingKeys;
use countersign_store_sql::rows::sealing_keys::wrapped_key;
use countersign_store_sql::wrapped_key_columns;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, exists, one};
use crate::store::PostgresStore;

/// A handful of rows.
const READ: &str = concat!(
    "SELECT ",
    wrapped_key_columns!(),
    " FROM sealing_keys WHERE id > 0 ORDER BY id, holder"
);
/// Locks the row that both commands write, so that one runs after the other. The newest key is read after that.
const LOCK: &str = "SELECT id FROM installation WHERE id = 1 FOR UPDATE";
const NEWEST: &str = "SELECT id FROM sealing_keys WHERE id > 0 ORDER BY id DESC LIMIT 1";
const ADD: &str = "INSERT INTO sealing_keys (id, holder, wrapped, created_at, retired_at) VALUES ($1, $2, $3, $4, $5)";
/// The first release that can open what a second key sealed.
const SERVE_FROM: &str =
    "UPDATE installation SET serves_from = greatest(serves_from, 29) WHERE id = 1";
/// A key that the holder cannot open, or that nobody holds.
const LACKING: &str = "SELECT k.id FROM sealing_keys k WHERE NOT EXISTS \
                       (SELECT 1 FROM sealing_keys h WHERE h.id = k.id AND h.holder = $1) LIMIT 1";
const REMOVE: &str = "DELETE FROM sealing_keys WHERE id > 0 AND holder <> $1";
const RETIRE: &str =
    "UPDATE sealing_keys SET retired_at = $2 WHERE id > 0 AND id < $1 AND retired_at IS NULL";
const CHECK: &str = "UPDATE installation SET key_check = $1 WHERE id = 1";

async fn newest(db: &Session) -> Result<Option<i64>, DatabaseError> {
    let number = |row: &Row| cells_of(row, "sealing_keys").take::<i64>();
    one(db, LOCK, &[], number).await?;
    one(db, NEWEST, &[], number).await
}

struct Add(Option<SealingKeyId>, Vec<WrappedKey>);

#[async_trait]
impl Command for Add {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(expected, new) = self;
        if newest(db).await? != expected.map(|id| id.0.into()) {
            return Ok(false);
        }
        for key in new {
            let (number, holder) = (i64::from(key.id.0), id(&key.holder.0));
            let (at, retired_at) =
                (key.created_at.as_micros(), key.retired_at.map(Instant::as_micros));
            let row = params![number, holder, key.wrapped.as_bytes(), at, retired_at];
            db.execute(ADD, row).await?;
        }
        db.execute(SERVE_FROM, &[]).await?;
        Ok(true)
    }
}

struct KeepOnly(KeyHolder, [u8; 32], Instant);

#[async_trait]
impl Command for KeepOnly {
    type Output = bool;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(holder, check, now) = self;
        let holder = id(&holder.0);
        let Some(newest) = newest(db).await? else { return Ok(false) };
        if exists(db, LACKING, params![holder]).await? {
            return Ok(false);
        }
        db.execute(REMOVE, params![holder]).await?;
        db.execute(RETIRE, params![newest, now.as_micros()]).await?;
        db.execute(CHECK, params![check.as_slice()]).await?;
        Ok(true)
    }
}

#[async_trait]
impl SealingKeys for PostgresStore {
    async fn sealing_keys(&self) -> StoreResult<Vec<WrappedKey>> {
        let db = self.session().await?;
        Ok(all(&db, READ, &[], |row| wrapped_key(cells_of(row, "sealing_keys"))).await?)
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
