//! The storage used by accounts, for their quotas: whole tables, read some rows at a time.

use async_trait::async_trait;
use countersign_store::error::StoreResult;
use countersign_store::seam::{CountedKey, CountedRow, CountedTable, Usages};
use countersign_store_sql::rows::usage::counted_row;
use countersign_store_sql::values::limit;
use rusqlite::params;

use crate::cells::cells_of;
use crate::statement::{all, statements};
use crate::store::SqliteStore;

statements! {
    ENTITIES = "SELECT service_sid, sid, account_sid, created_at, coalesce(octet_length(label), 0) FROM entities \
                WHERE (service_sid, sid) > (?1, ?2) ORDER BY service_sid, sid LIMIT ?3";
    FACTORS = "SELECT entity_sid, sid, account_sid, created_at, octet_length(friendly_name) + octet_length(app_id) + \
               octet_length(sdk_version) + coalesce(octet_length(token), 0) + coalesce(octet_length(metadata), 0) FROM factors \
               WHERE (entity_sid, sid) > (?1, ?2) ORDER BY entity_sid, sid LIMIT ?3";
    TOTP_FACTORS = "SELECT entity_sid, sid, account_sid, created_at, octet_length(friendly_name) + octet_length(secret) \
                    FROM totp_factors WHERE (entity_sid, sid) > (?1, ?2) ORDER BY entity_sid, sid LIMIT ?3";
    CHALLENGES = "SELECT sid, sid, account_sid, created_at, octet_length(message) + octet_length(fields) + \
                  coalesce(octet_length(hidden_details), 0) + coalesce(octet_length(metadata), 0) + \
                  coalesce((SELECT octet_length(jws) FROM signed_answers WHERE challenge_sid = challenges.sid), 0) \
                  FROM challenges \
                  WHERE sid > ?2 ORDER BY sid LIMIT ?3";
    SERVICES = "SELECT sid, sid, account_sid, created_at, octet_length(logo) FROM services \
                WHERE sid > ?2 AND logo IS NOT NULL ORDER BY sid LIMIT ?3";
}

const fn statement(table: CountedTable) -> &'static str {
    match table {
        CountedTable::Entities => ENTITIES,
        CountedTable::Factors => FACTORS,
        CountedTable::TotpFactors => TOTP_FACTORS,
        CountedTable::Challenges => CHALLENGES,
        CountedTable::Services => SERVICES,
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
        self.read_blocking(move |db| {
            all(db, statement(table), params![first, second, limit(most)], |row| {
                counted_row(cells_of(row, "usage"), table)
            })
        })
        .await
    }
}
