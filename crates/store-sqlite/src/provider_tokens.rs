//! Provider tokens.

use async_trait::async_trait;
use countersign_domain::provider_token::{KeyFingerprint, ProviderToken};
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{PROVIDER_TOKENS_KEPT, ProviderTokens};
use rusqlite::{Connection, Row, params};

use crate::SqliteStore;
use crate::cells::Cells;
use crate::statement::{execute, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;

statements! {
    READ = "SELECT key, version, token, signed_at, forced_at FROM provider_tokens WHERE key = ?1";
    RENEW = "INSERT INTO provider_tokens (key, version, token, signed_at, forced_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (key) DO UPDATE SET version = excluded.version, token = excluded.token, \
             signed_at = excluded.signed_at, forced_at = excluded.forced_at WHERE version = excluded.version - 1";
    FORGET = "DELETE FROM provider_tokens WHERE key IN \
              (SELECT key FROM provider_tokens WHERE signed_at < ?1 ORDER BY signed_at LIMIT 16)";
}

struct Renew(ProviderToken);

impl Command for Renew {
    type Answer = ProviderToken;

    fn run(&self, db: &Connection) -> Result<ProviderToken, Trouble> {
        let new = &self.0;
        let signed_at = new.signed_at.as_micros();
        let forced_at = new.forced_at.map(Instant::as_micros);
        let row = params![new.key, new.version, new.token.as_bytes(), signed_at, forced_at];
        execute(db, RENEW, row)?;
        execute(db, FORGET, [(new.signed_at - PROVIDER_TOKENS_KEPT).as_micros()])?;
        Ok(one(db, READ, [new.key], read)?.unwrap_or_else(|| new.clone()))
    }
}

fn read(row: &Row<'_>) -> Result<ProviderToken, Trouble> {
    let mut cells = Cells::of(row, "provider_tokens");
    Ok(ProviderToken {
        key: cells.take()?,
        version: cells.take()?,
        token: cells.make(Sealed::from_bytes)?,
        signed_at: cells.make(Instant::from_micros)?,
        forced_at: cells.take::<Option<i64>>()?.map(Instant::from_micros),
    })
}

#[async_trait]
impl ProviderTokens for SqliteStore {
    async fn provider_token(&self, key: KeyFingerprint) -> StoreResult<Option<ProviderToken>> {
        self.read(|db| one(db, READ, [key], read))
    }

    async fn renew_provider_token(&self, new: &ProviderToken) -> StoreResult<ProviderToken> {
        self.write(Renew(new.clone())).await
    }
}
