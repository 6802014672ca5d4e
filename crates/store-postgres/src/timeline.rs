//! The search of the operator.
//!
//! A bounded number of keys of the index of the account's challenges is walked; only rows between the two ends are compared with the
//! filter.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::entity::Entity;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::Order;
use countersign_store::seam::{FoundFactor, Searched, Stretch, TimelineFilter, Timelines};
use countersign_store_sql::rows::entities::entity;
use countersign_store_sql::rows::timeline::{end_of, found_factor, merged};
use countersign_store_sql::values::limit;
use countersign_store_sql::{challenge_columns, entity_columns, found_factor_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::{Param, id, params};
use crate::session::Session;
use crate::statement::{all, living, one};
use crate::store::PostgresStore;

/// The challenges between two SIDs that fit the filter: status at a time, service and beginning of the question.
macro_rules! challenges {
    ($($rest:tt)*) => {
        concat!(
            "SELECT ", challenge_columns!(), " FROM challenges c", living!("c"),
            "WHERE c.sid >= $1 AND c.sid < $2 AND c.account_sid = $3 AND ($5 IS NULL OR $5 = \
             CASE WHEN c.ended_by IS NOT NULL OR c.state = 'pending' AND c.expires_at <= $6 THEN 'expired' ELSE c.state END) \
             AND ($7 IS NULL OR c.service_sid = $7) \
             AND ($8 IS NULL OR lower(left(c.message, length($8)) COLLATE \"C\") = $8) ",
            $($rest)*
        )
    };
}

/// The condition that a challenge has an attempt of a platform, an outcome and a code.
macro_rules! with_attempt {
    () => {
        "AND EXISTS (SELECT 1 FROM notifications n LEFT JOIN LATERAL \
         (SELECT NULLIF(line, '')::jsonb AS it FROM string_to_table(n.attempts, chr(10)) AS line) AS a ON true \
         WHERE n.challenge_sid = c.sid AND n.challenge_sid >= $1 AND n.challenge_sid < $2 \
         AND ($9 IS NULL OR a.it ->> 'platform' = $9) AND ($10 IS NULL OR a.it ->> 'outcome' = $10) \
         AND ($11 IS NULL OR (a.it ->> 'code')::bigint = $11 OR n.code = $11) OFFSET 0) "
    };
}

/// The factors of a table that an index finds.
macro_rules! factors {
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT ",
            found_factor_columns!(),
            " FROM ",
            $table,
            " f",
            living!("f"),
            "WHERE f.account_sid = $1 AND ",
            $condition,
            " LIMIT $4"
        )
    };
}

/// The factors of a table whose name begins with a text.
macro_rules! named {
    ($table:literal) => {
        factors!(
            $table,
            "lower(f.friendly_name COLLATE \"C\") >= $2 AND lower(f.friendly_name COLLATE \"C\") < $3 \
             ORDER BY lower(f.friendly_name COLLATE \"C\")"
        )
    };
}

const END_DOWN: &str = "SELECT sid FROM challenges WHERE account_sid = $4 AND sid >= $1 AND sid < $2 \
                        ORDER BY sid DESC LIMIT 1 OFFSET $3";
const END_UP: &str = "SELECT sid FROM challenges WHERE account_sid = $4 AND sid >= $1 AND sid < $2 \
                      ORDER BY sid LIMIT 1 OFFSET $3";
const DOWN: &str = challenges!("ORDER BY c.sid DESC LIMIT $4");
const UP: &str = challenges!("ORDER BY c.sid LIMIT $4");
const ATTEMPTED_DOWN: &str = challenges!(with_attempt!(), "ORDER BY c.sid DESC LIMIT $4");
const ATTEMPTED_UP: &str = challenges!(with_attempt!(), "ORDER BY c.sid LIMIT $4");
const ENTITIES_BY_IDENTITY: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entities e JOIN services s ON s.sid = e.service_sid WHERE e.account_sid = $1 \
     AND e.identity COLLATE \"C\" >= $2 AND e.identity COLLATE \"C\" < $3 \
     ORDER BY e.identity COLLATE \"C\", e.service_sid LIMIT $4"
);
const ENTITIES_BY_SID: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entities e JOIN services s ON s.sid = e.service_sid WHERE e.account_sid = $1 \
     AND e.sid >= $2 AND e.sid <= $3 ORDER BY e.sid LIMIT $4"
);
const BY_NAME: &str = named!("factors");
const TOTP_BY_NAME: &str = named!("totp_factors");
const BY_SID: &str = factors!("factors", "f.sid >= $2 AND f.sid <= $3 ORDER BY f.sid");
const TOTP_BY_SID: &str = factors!("totp_factors", "f.sid >= $2 AND f.sid <= $3 ORDER BY f.sid");

/// The last challenge of a stretch that is read, if there are more of them than may be.
async fn end(
    db: &Session,
    account: AccountSid,
    stretch: &Stretch,
) -> Result<Option<ChallengeSid>, DatabaseError> {
    let most = limit(stretch.rows.saturating_sub(1));
    let sql = if stretch.order == Order::Descending { END_DOWN } else { END_UP };
    let (from, to) = (id(stretch.from.as_bytes()), id(stretch.to.as_bytes()));
    let key = params![from, to, most, id(account.as_bytes())];
    one(db, sql, key, |row| cells_of(row, "challenges").map(ChallengeSid::from_bytes)).await
}

/// Reads factors from both tables.
async fn factors(
    db: &Session,
    [push, totp]: [&str; 2],
    key: &[Param<'_>],
) -> Result<[Vec<FoundFactor>; 2], DatabaseError> {
    let read = |row: &Row| found_factor(cells_of(row, "factors"));
    Ok([all(db, push, key, read).await?, all(db, totp, key, read).await?])
}

#[async_trait]
impl Timelines for PostgresStore {
    async fn timeline(
        &self,
        account: AccountSid,
        filter: &TimelineFilter,
        stretch: Stretch,
        now: Instant,
    ) -> StoreResult<Searched> {
        let db = self.session().await?;
        let ended_at = end(&db, account, &stretch).await?;
        let is_down = stretch.order == Order::Descending;
        let (from, to) = stretch.read_until(ended_at);
        let (from, to, account) = (id(from.as_bytes()), id(to.as_bytes()), id(account.as_bytes()));
        let status = filter.status.map(ChallengeStatus::as_str);
        let service = filter.service.map(|service| id(service.as_bytes()));
        let message = filter.message.as_ref().map(|text| text.to_ascii_lowercase());
        let message = message.as_deref();
        let (most, now) = (limit(stretch.most), now.as_micros());
        let attempt = &filter.attempt;
        let (platform, outcome) = (attempt.platform.as_deref(), attempt.outcome.as_deref());
        let code = attempt.code.map(|code| i64::from(code.0));
        let of_challenge = params![from, to, account, most, status, now, service, message];
        let mut key = of_challenge.to_vec();
        let of_attempt: &[Param<'_>] = params![platform, outcome, code];
        let sql = match (attempt.is_empty(), is_down) {
            (true, true) => DOWN,
            (true, false) => UP,
            (false, true) => ATTEMPTED_DOWN,
            (false, false) => ATTEMPTED_UP,
        };
        if !attempt.is_empty() {
            key.extend(of_attempt);
        }
        let read = |row: &Row| rows::challenges::challenge(&mut cells_of(row, "challenges"));
        Ok(Searched { items: all(&db, sql, &key, read).await?, ended_at })
    }

    async fn entities_by_identity(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<Entity>> {
        let db = self.session().await?;
        let end = end_of(beginning);
        let key = params![id(account.as_bytes()), beginning, end.as_str(), limit(most)];
        Ok(all(&db, ENTITIES_BY_IDENTITY, key, |row| entity(cells_of(row, "entities"))).await?)
    }

    async fn entities_by_sid(
        &self,
        account: AccountSid,
        (first, last): (EntitySid, EntitySid),
        most: usize,
    ) -> StoreResult<Vec<Entity>> {
        let db = self.session().await?;
        let (first, last) = (id(first.as_bytes()), id(last.as_bytes()));
        let key = params![id(account.as_bytes()), first, last, limit(most)];
        Ok(all(&db, ENTITIES_BY_SID, key, |row| entity(cells_of(row, "entities"))).await?)
    }

    async fn factors_by_name(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>> {
        let db = self.session().await?;
        let beginning = beginning.to_ascii_lowercase();
        let end = end_of(&beginning);
        let key = params![id(account.as_bytes()), beginning.as_str(), end.as_str(), limit(most)];
        let [push, totp] = factors(&db, [BY_NAME, TOTP_BY_NAME], key).await?;
        Ok(merged(push, totp, most, |it| it.friendly_name.as_str().to_ascii_lowercase()))
    }

    async fn factors_by_sid(
        &self,
        account: AccountSid,
        (first, last): (FactorSid, FactorSid),
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>> {
        let db = self.session().await?;
        let (first, last) = (id(first.as_bytes()), id(last.as_bytes()));
        let key = params![id(account.as_bytes()), first, last, limit(most)];
        let [push, totp] = factors(&db, [BY_SID, TOTP_BY_SID], key).await?;
        Ok(merged(push, totp, most, |it| it.sid))
    }
}
