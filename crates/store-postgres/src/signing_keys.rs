//! Keys that sign tokens of the OpenID provider.

use async_trait::async_trait;
use countersign_domain::signing_key::SigningKey;
use countersign_store::error::StoreResult;
use countersign_store::seam::{SIGNING_KEYS_KEPT, SigningKeys};
use countersign_store_sql::rows::signing_keys::signing_key;
use countersign_store_sql::signing_key_columns;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::params;
use crate::session::Session;
use crate::statement::all;
use crate::store::PostgresStore;

/// A handful of rows.
const READ: &str = concat!(
    "SELECT ",
    signing_key_columns!(),
    " FROM signing_keys WHERE algorithm IN ('ES256', 'RS256') ORDER BY algorithm, version"
);
const ADD: &str = "INSERT INTO signing_keys (algorithm, version, key, created_at) SELECT $1, $2, $3, $4 \
                   WHERE coalesce((SELECT max(version) FROM signing_keys WHERE algorithm = $1), 0) = $2 - 1 \
                   ON CONFLICT DO NOTHING";
const FORGET: &str = "DELETE FROM signing_keys WHERE algorithm = $1 AND version <= $2";

async fn read(db: &Session) -> Result<Vec<SigningKey>, DatabaseError> {
    all(db, READ, &[], |row| signing_key(cells_of(row, "signing_keys"))).await
}

struct Add(SigningKey);

#[async_trait]
impl Command for Add {
    type Output = Vec<SigningKey>;

    async fn run(&self, db: &Session) -> Result<Vec<SigningKey>, DatabaseError> {
        let SigningKey { algorithm, version, ref key, created_at } = self.0;
        let (algorithm, created_at) = (algorithm.as_str(), created_at.as_micros());
        if db.execute(ADD, params![algorithm, version, key.as_bytes(), created_at]).await? > 0 {
            db.execute(FORGET, params![algorithm, version - SIGNING_KEYS_KEPT]).await?;
        }
        read(db).await
    }
}

#[async_trait]
impl SigningKeys for PostgresStore {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        Ok(read(&self.session().await?).await?)
    }

    async fn add_signing_key(&self, new: &SigningKey) -> StoreResult<Vec<SigningKey>> {
        self.write(Add(new.clone())).await
    }
}
