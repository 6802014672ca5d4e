//! What accounts have stored, for their quotas: a walk through whole tables, some rows at a time.

use async_trait::async_trait;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{CountedKey, CountedRow, CountedTable, Usages};
use rusqlite::params;

use crate::cells::Cells;
use crate::statement::{all, statements};
use crate::{SqliteStore, limit};

statements! {
    ENTITIES = "SELECT service_sid, sid, account_sid, created_at, 0 FROM entities \
                WHERE (service_sid, sid) > (?1, ?2) ORDER BY service_sid, sid LIMIT ?3";
    FACTORS = "SELECT entity_sid, sid, account_sid, created_at, octet_length(friendly_name) + octet_length(app_id) + \
               octet_length(sdk_version) + coalesce(octet_length(token), 0) + coalesce(octet_length(metadata), 0) FROM factors \
               WHERE (entity_sid, sid) > (?1, ?2) ORDER BY entity_sid, sid LIMIT ?3";
    TOTP_FACTORS = "SELECT entity_sid, sid, account_sid, created_at, octet_length(friendly_name) + octet_length(secret) \
                    FROM totp_factors WHERE (entity_sid, sid) > (?1, ?2) ORDER BY entity_sid, sid LIMIT ?3";
    CHALLENGES = "SELECT sid, sid, account_sid, created_at, octet_length(message) + octet_length(fields) + \
                  coalesce(octet_length(hidden_details), 0) + coalesce(octet_length(metadata), 0) FROM challenges \
                  WHERE sid > ?2 ORDER BY sid LIMIT ?3";
}

const fn statement(table: CountedTable) -> &'static str {
    match table {
        CountedTable::Entities => ENTITIES,
        CountedTable::Factors => FACTORS,
        CountedTable::TotpFactors => TOTP_FACTORS,
        CountedTable::Challenges => CHALLENGES,
    }
}

#[async_trait]
impl Usages for SqliteStore {
    async fn count_stored(
        &self,
        table: CountedTable,
        after: Option<CountedKey>,
        most: usize,
    ) -> StoreResult<Vec<CountedRow>> {
        let [first, second] = after.unwrap_or_default();
        self.read_aside(move |db| {
            all(db, statement(table), params![first, second, limit(most)], |row| {
                let mut cells = Cells::of(row, "usage");
                let key = [cells.take()?, cells.take()?];
                let account = cells.make(AccountSid::from_bytes)?;
                let made_at = cells.make(Instant::from_micros)?;
                Ok(CountedRow { key, account, made_at, usage: table.usage(cells.take()?) })
            })
        })
        .await
    }
}
