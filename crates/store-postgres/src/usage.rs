//! The storage used by accounts, for their quotas: whole tables, read some rows at a time.

use async_trait::async_trait;
use countersign_store::error::StoreResult;
use countersign_store::seam::{CountedKey, CountedRow, CountedTable, Usages};
use countersign_store_sql::rows::usage::counted_row;
use countersign_store_sql::values::limit;
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::params::{id, params};
use crate::statement::all;
use crate::store::PostgresStore;

const ENTITIES: &str = "SELECT service_sid, sid, account_sid, created_at, \
                        coalesce(octet_length(label), 0)::bigint FROM entities \
                        WHERE (service_sid, sid) > ($1, $2) ORDER BY service_sid, sid LIMIT $3";
const FACTORS: &str = "SELECT entity_sid, sid, account_sid, created_at, (octet_length(friendly_name) + octet_length(app_id) + \
                       octet_length(sdk_version) + coalesce(octet_length(token), 0) + coalesce(octet_length(metadata), 0))::bigint \
                       FROM factors WHERE (entity_sid, sid) > ($1, $2) ORDER BY entity_sid, sid LIMIT $3";
const TOTP_FACTORS: &str = "SELECT entity_sid, sid, account_sid, created_at, \
                            (octet_length(friendly_name) + octet_length(secret))::bigint FROM totp_factors \
                            WHERE (entity_sid, sid) > ($1, $2) ORDER BY entity_sid, sid LIMIT $3";
const CHALLENGES: &str = "SELECT sid, sid, account_sid, created_at, (octet_length(message) + octet_length(fields) + \
                          coalesce(octet_length(hidden_details), 0) + coalesce(octet_length(metadata), 0) + \
                          coalesce((SELECT octet_length(jws) FROM signed_answers WHERE challenge_sid = challenges.sid), 0))::bigint \
                          FROM challenges \
                          WHERE sid >= $1 AND sid > $2 ORDER BY sid LIMIT $3";
const SERVICES: &str = "SELECT sid, sid, account_sid, created_at, octet_length(logo)::bigint FROM services \
                        WHERE sid >= $1 AND sid > $2 AND logo IS NOT NULL ORDER BY sid LIMIT $3";

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
impl Usages for PostgresStore {
    async fn count_stored(
        &self,
        table: CountedTable,
        after: Option<CountedKey>,
        most: usize,
    ) -> StoreResult<Vec<CountedRow>> {
        let [first, second] = after.unwrap_or_default();
        let read = |row: &Row| counted_row(cells_of(row, "usage"), table);
        let db = self.session().await?;
        let after = params![id(&first), id(&second), limit(most)];
        Ok(all(&db, statement(table), after, read).await?)
    }
}
