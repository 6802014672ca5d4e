//! Keys that sign tokens of the OpenID provider.

use async_trait::async_trait;
use countersign_domain::signing_key::SigningKey;
use countersign_store::error::StoreResult;
use countersign_store::seam::{SIGNING_KEYS_KEPT, SigningKeys};
use countersign_store_sql::rows::signing_keys::signing_key;
use countersign_store_sql::signing_key_columns;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    /// A handful of rows: a table of its own, read in the order of its key.
    READ = concat!("SELECT ", signing_key_columns!(), " FROM signing_keys WHERE algorithm IN ('ES256', 'RS256') ORDER BY algorithm, version");
    NEWEST = "SELECT version FROM signing_keys WHERE algorithm = ?1 ORDER BY version DESC LIMIT 1";
    ADD = "INSERT INTO signing_keys (algorithm, version, key, created_at) VALUES (?1, ?2, ?3, ?4)";
    FORGET = "DELETE FROM signing_keys WHERE algorithm = ?1 AND version <= ?2";
}

fn read(db: &Connection) -> Result<Vec<SigningKey>, DatabaseError> {
    all(db, READ, (), |row| signing_key(cells_of(row, "signing_keys")))
}

struct Add(SigningKey);

impl Command for Add {
    type Output = Vec<SigningKey>;

    fn run(&self, db: &Connection) -> Result<Vec<SigningKey>, DatabaseError> {
        let SigningKey { algorithm, version, ref key, created_at } = self.0;
        let newest = |row: &Row<'_>| cells_of(row, "signing_keys").take::<i64>();
        let newest = one(db, NEWEST, [algorithm.as_str()], newest)?.unwrap_or(0);
        if newest == version - 1 {
            let at = created_at.as_micros();
            execute(db, ADD, params![algorithm.as_str(), version, key.as_bytes(), at])?;
            execute(db, FORGET, params![algorithm.as_str(), version - SIGNING_KEYS_KEPT])?;
        }
        read(db)
    }
}

#[async_trait]
impl SigningKeys for SqliteStore {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        self.read(read)
    }

    async fn add_signing_key(&self, new: &SigningKey) -> StoreResult<Vec<SigningKey>> {
        self.write(Add(new.clone())).await
    }
}
