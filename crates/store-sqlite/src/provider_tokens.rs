//! Provider tokens.

use async_trait::async_trait;
use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{PROVIDER_TOKENS_KEPT, ProviderTokens};
use countersign_store_sql::provider_token_columns;
use countersign_store_sql::rows::provider_tokens::provider_token;
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{execute, one, statements};
use crate::store::SqliteStore;

statements! {
    READ = concat!("SELECT ", provider_token_columns!(), " FROM provider_tokens WHERE key = ?1");
    RENEW = "INSERT INTO provider_tokens (key, version, token, signed_at, forced_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (key) DO UPDATE SET version = excluded.version, token = excluded.token, \
             signed_at = excluded.signed_at, forced_at = excluded.forced_at WHERE version = excluded.version - 1";
    FORGET = "DELETE FROM provider_tokens WHERE key IN \
              (SELECT key FROM provider_tokens WHERE signed_at < ?1 ORDER BY signed_at LIMIT 16)";
}

struct Renew(ProviderToken);

impl Command for Renew {
    type Output = ProviderToken;

    fn run(&self, db: &Connection) -> Result<ProviderToken, DatabaseError> {
        let new = &self.0;
        let signed_at = new.signed_at.as_micros();
        let forced_at = new.forced_at.map(Instant::as_micros);
        let row = params![new.key, new.version, new.token.as_bytes(), signed_at, forced_at];
        execute(db, RENEW, row)?;
        execute(db, FORGET, [(new.signed_at - PROVIDER_TOKENS_KEPT).as_micros()])?;
        Ok(one(db, READ, [new.key], |row| provider_token(cells_of(row, "provider_tokens")))?
            .unwrap_or_else(|| new.clone()))
    }
}

#[async_trait]
impl ProviderTokens for SqliteStore {
    async fn provider_token(&self, key: KeyFingerprint) -> StoreResult<Option<ProviderToken>> {
        self.read(|db| one(db, READ, [key], |row| provider_token(cells_of(row, "provider_tokens"))))
    }

    async fn renew_provider_token(&self, new: &ProviderToken) -> StoreResult<ProviderToken> {
        self.write(Renew(new.clone())).await
    }
}
