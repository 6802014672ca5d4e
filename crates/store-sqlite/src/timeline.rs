//! The search of the operator.
//!
//! A bounded number of keys of the index of the account's challenges is walked; only rows between the two ends are compared with the
//! filter. That takes longer than other reads, so it runs on a thread for blocking work.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::entity::Entity;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::page::Order;
use countersign_store::seam::{FoundFactor, Searched, Stretch, TimelineFilter, Timelines};
use countersign_store_sql::rows::entities::entity;
use countersign_store_sql::rows::timeline::{end_of, found_factor, merged};
use countersign_store_sql::values::limit;
use countersign_store_sql::{challenge_columns, entity_columns, found_factor_columns, rows};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::{all, living, one, statements};
use crate::store::SqliteStore;

/// The challenges between two SIDs that fit the filter: status at a time, service and beginning of the question.
macro_rules! challenges {
    ($($rest:tt)*) => {
        concat!(
            "SELECT ", challenge_columns!(), " FROM challenges c INDEXED BY challenges_of_account", living!("c"),
            "WHERE c.sid >= ?1 AND c.sid < ?2 AND c.account_sid = ?3 AND (?5 IS NULL OR ?5 = \
             CASE WHEN c.ended_by IS NOT NULL OR c.state = 'pending' AND c.expires_at <= ?6 THEN 'expired' ELSE c.state END) \
             AND (?7 IS NULL OR c.service_sid = ?7) AND (?8 IS NULL OR lower(substr(c.message, 1, length(?8))) = ?8) ",
            $($rest)*
        )
    };
}

/// The condition that a challenge has an attempt of a platform, an outcome and a code.
macro_rules! with_attempt {
    () => {
        "AND EXISTS (SELECT 1 FROM notifications n \
         LEFT JOIN json_each('[' || replace(rtrim(n.attempts, char(10)), char(10), ',') || ']') a ON true \
         WHERE n.challenge_sid = c.sid AND (?9 IS NULL OR a.value ->> 'platform' = ?9) \
         AND (?10 IS NULL OR a.value ->> 'outcome' = ?10) AND (?11 IS NULL OR a.value ->> 'code' = ?11 OR n.code = ?11)) "
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
            living!("f"),
            "WHERE f.account_sid = ?1 AND ",
            $condition,
            " LIMIT ?4"
        )
    };
}

statements! {
    END_DOWN = "SELECT sid FROM challenges INDEXED BY challenges_of_account \
                WHERE account_sid = ?4 AND sid >= ?1 AND sid < ?2 ORDER BY sid DESC LIMIT 1 OFFSET ?3";
    END_UP = "SELECT sid FROM challenges INDEXED BY challenges_of_account \
              WHERE account_sid = ?4 AND sid >= ?1 AND sid < ?2 ORDER BY sid LIMIT 1 OFFSET ?3";
    DOWN = challenges!("ORDER BY c.sid DESC LIMIT ?4");
    UP = challenges!("ORDER BY c.sid LIMIT ?4");
    ATTEMPTED_DOWN = challenges!(with_attempt!(), "ORDER BY c.sid DESC LIMIT ?4");
    ATTEMPTED_UP = challenges!(with_attempt!(), "ORDER BY c.sid LIMIT ?4");
    ENTITIES_BY_IDENTITY = concat!(
        "SELECT ", entity_columns!(), " FROM entities e INDEXED BY entities_by_identity JOIN services s ON s.sid = e.service_sid \
         WHERE e.account_sid = ?1 AND e.identity >= ?2 AND e.identity < ?3 ORDER BY e.identity, e.service_sid LIMIT ?4"
    );
    ENTITIES_BY_SID = concat!(
        "SELECT ", entity_columns!(), " FROM entities e INDEXED BY entities_of_account JOIN services s ON s.sid = e.service_sid \
         WHERE e.account_sid = ?1 AND e.sid >= ?2 AND e.sid <= ?3 ORDER BY e.sid LIMIT ?4"
    );
    BY_NAME = factors!(
        "factors f INDEXED BY factors_by_name",
        "lower(f.friendly_name) >= ?2 AND lower(f.friendly_name) < ?3 ORDER BY lower(f.friendly_name)"
    );
    TOTP_BY_NAME = factors!(
        "totp_factors f INDEXED BY totp_factors_by_name",
        "lower(f.friendly_name) >= ?2 AND lower(f.friendly_name) < ?3 ORDER BY lower(f.friendly_name)"
    );
    BY_SID = factors!("factors f INDEXED BY factors_of_account", "f.sid >= ?2 AND f.sid <= ?3 ORDER BY f.sid");
    TOTP_BY_SID = factors!(
        "totp_factors f INDEXED BY totp_factors_of_account", "f.sid >= ?2 AND f.sid <= ?3 ORDER BY f.sid"
    );
}

/// The last challenge of a stretch that is read, if there are more of them than may be.
fn end(
    db: &Connection,
    account: AccountSid,
    stretch: &Stretch,
) -> Result<Option<ChallengeSid>, DatabaseError> {
    let most = limit(stretch.rows.saturating_sub(1));
    let sql = if stretch.order == Order::Descending { END_DOWN } else { END_UP };
    let key = params![stretch.from.as_bytes(), stretch.to.as_bytes(), most, account.as_bytes()];
    one(db, sql, key, |row| cells_of(row, "challenges").map(ChallengeSid::from_bytes))
}

fn search(
    db: &Connection,
    account: AccountSid,
    filter: &TimelineFilter,
    stretch: Stretch,
    now: Instant,
) -> Result<Searched, DatabaseError> {
    let ended_at = end(db, account, &stretch)?;
    let is_down = stretch.order == Order::Descending;
    let (from, to) = stretch.read_until(ended_at);
    let status = filter.status.map(ChallengeStatus::as_str);
    let service = filter.service.as_ref().map(ServiceSid::as_bytes);
    let message = filter.message.as_ref().map(|text| text.to_ascii_lowercase());
    let (most, now) = (limit(stretch.most), now.as_micros());
    let attempt = &filter.attempt;
    let code = attempt.code.map(|code| code.0);
    let mut key: Vec<&dyn ToSql> = vec![
        from.as_bytes(),
        to.as_bytes(),
        account.as_bytes(),
        &most,
        &status,
        &now,
        &service,
        &message,
    ];
    let sql = match (attempt.is_empty(), is_down) {
        (true, true) => DOWN,
        (true, false) => UP,
        (false, true) => ATTEMPTED_DOWN,
        (false, false) => ATTEMPTED_UP,
    };
    if !attempt.is_empty() {
        key.extend([&attempt.platform as &dyn ToSql, &attempt.outcome, &code]);
    }
    let read = |row: &Row<'_>| rows::challenges::challenge(&mut cells_of(row, "challenges"));
    Ok(Searched { items: all(db, sql, key.as_slice(), read)?, ended_at })
}

#[async_trait]
impl Timelines for SqliteStore {
    async fn timeline(
        &self,
        account: AccountSid,
        filter: &TimelineFilter,
        stretch: Stretch,
        now: Instant,
    ) -> StoreResult<Searched> {
        let filter = filter.clone();
        self.read_blocking(move |db| search(db, account, &filter, stretch, now)).await
    }

    async fn entities_by_identity(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<Entity>> {
        let key = params![account.as_bytes(), beginning, end_of(beginning), limit(most)];
        self.read(|db| all(db, ENTITIES_BY_IDENTITY, key, |row| entity(cells_of(row, "entities"))))
    }

    async fn entities_by_sid(
        &self,
        account: AccountSid,
        (first, last): (EntitySid, EntitySid),
        most: usize,
    ) -> StoreResult<Vec<Entity>> {
        let key = params![account.as_bytes(), first.as_bytes(), last.as_bytes(), limit(most)];
        self.read(|db| all(db, ENTITIES_BY_SID, key, |row| entity(cells_of(row, "entities"))))
    }

    async fn factors_by_name(
        &self,
        account: AccountSid,
        beginning: &str,
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>> {
        let beginning = beginning.to_ascii_lowercase();
        let key = params![account.as_bytes(), beginning, end_of(&beginning), limit(most)];
        self.read(|db| {
            let push = all(db, BY_NAME, key, |row| found_factor(cells_of(row, "factors")))?;
            let totp =
                all(db, TOTP_BY_NAME, key, |row| found_factor(cells_of(row, "totp_factors")))?;
            Ok(merged(push, totp, most, |it| it.friendly_name.as_str().to_ascii_lowercase()))
        })
    }

    async fn factors_by_sid(
        &self,
        account: AccountSid,
        (first, last): (FactorSid, FactorSid),
        most: usize,
    ) -> StoreResult<Vec<FoundFactor>> {
        let key = params![account.as_bytes(), first.as_bytes(), last.as_bytes(), limit(most)];
        self.read(|db| {
            let push = all(db, BY_SID, key, |row| found_factor(cells_of(row, "factors")))?;
            let totp =
                all(db, TOTP_BY_SID, key, |row| found_factor(cells_of(row, "totp_factors")))?;
            Ok(merged(push, totp, most, |it| it.sid))
        })
    }
}
