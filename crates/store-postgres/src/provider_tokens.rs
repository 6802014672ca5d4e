//! Provider tokens.

use async_trait::async_trait;
use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{PROVIDER_TOKENS_KEPT, ProviderTokens};
use countersign_store_sql::provider_token_columns;
use countersign_store_sql::rows::provider_tokens::provider_token;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::one;
use crate::store::PostgresStore;

const READ: &str =
    concat!("SELECT ", provider_token_columns!(), " FROM provider_tokens WHERE key = $1");
const RENEW: &str = "INSERT INTO provider_tokens AS t (key, version, token, signed_at, forced_at) \
                     VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (key) DO UPDATE SET version = excluded.version, token = excluded.token, \
                     signed_at = excluded.signed_at, forced_at = excluded.forced_at \
                     WHERE t.version = excluded.version - 1";
const FORGET: &str = "DELETE FROM provider_tokens WHERE key IN \
                      (SELECT key FROM provider_tokens WHERE signed_at < $1 ORDER BY signed_at LIMIT 16)";

struct Renew(ProviderToken);

#[async_trait]
impl Command for Renew {
    type Output = ProviderToken;

    async fn run(&self, db: &Session) -> Result<ProviderToken, DatabaseError> {
        let new = &self.0;
        let key = id(&new.key);
        let signed_at = new.signed_at.as_micros();
        let forced_at = new.forced_at.map(Instant::as_micros);
        let row = params![key, new.version, new.token.as_bytes(), signed_at, forced_at];
        db.execute(RENEW, row).await?;
        let forgotten = (new.signed_at - PROVIDER_TOKENS_KEPT).as_micros();
        db.execute(FORGET, params![forgotten]).await?;
        Ok(one(db, READ, params![key], |row| provider_token(cells_of(row, "provider_tokens")))
            .await?
            .unwrap_or_else(|| new.clone()))
    }
}

#[async_trait]
impl ProviderTokens for PostgresStore {
    async fn provider_token(&self, key: KeyFingerprint) -> StoreResult<Option<ProviderToken>> {
        let db = self.session().await?;
        Ok(one(&db, READ, params![id(&key)], |row| {
            provider_token(cells_of(row, "provider_tokens"))
        })
        .await?)
    }

    async fn renew_provider_token(&self, new: &ProviderToken) -> StoreResult<ProviderToken> {
        self.write(Renew(new.clone())).await
    }
}
