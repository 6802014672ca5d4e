//! Summaries of challenges and pushes.

use async_trait::async_trait;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::summary::CountedChallenge;
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    PeriodSummary, SUMMARY_ROWS, ServiceSummary, Summaries, SummaryCursor, SummaryQuery,
    SummaryStep,
};
use countersign_store_sql::rows::summaries::{
    counted_challenge, counted_push, period_summary, service_summary, with_pushes,
};
use countersign_store_sql::values::limit;
use countersign_store_sql::{counted_challenge_columns, counted_push_columns};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;

statements! {
    CURSOR = "SELECT position FROM summary_cursors WHERE kind = ?1 AND stage = ?2";
    BEGIN = "INSERT INTO summary_cursors (kind, stage, position) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    MOVE = "UPDATE summary_cursors SET position = ?3 WHERE kind = ?1 AND stage = ?2 AND position = ?4";
    CHALLENGES = concat!(
        "SELECT ", counted_challenge_columns!(), " FROM challenges c \
         LEFT JOIN factors f ON f.entity_sid = c.entity_sid AND f.sid = c.factor_sid \
         WHERE c.sid > ?1 AND c.sid < ?2 ORDER BY c.sid LIMIT ?3"
    );
    /// Of a bounded number of challenges, each of which has a bounded number of pushes.
    PUSHES = concat!(
        "SELECT ", counted_push_columns!(), " FROM notifications n \
         WHERE n.challenge_sid > ?1 AND n.challenge_sid <= ?2 ORDER BY n.challenge_sid, n.ordinal"
    );
    ADD = "INSERT INTO summaries (account_sid, grain, begins_at, service_sid, platform, measure, bucket, count) \
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
           ON CONFLICT (account_sid, grain, begins_at, service_sid, platform, measure, bucket) \
           DO UPDATE SET count = count + excluded.count";
    PERIODS = "SELECT begins_at, platform, measure, bucket, sum(count) FROM summaries \
               WHERE account_sid = ?1 AND grain = ?2 AND begins_at >= ?3 AND (?4 IS NULL OR service_sid = ?4) \
               GROUP BY begins_at, platform, measure, bucket ORDER BY begins_at LIMIT ?5";
    SERVICES = "SELECT service_sid, measure, bucket, sum(count) FROM summaries \
                WHERE account_sid = ?1 AND grain = ?2 AND begins_at >= ?3 AND (?4 IS NULL OR service_sid = ?4) \
                GROUP BY service_sid, measure, bucket ORDER BY service_sid LIMIT ?5";
    FORGET = "DELETE FROM summaries WHERE (account_sid, grain, begins_at, service_sid, platform, measure, bucket) IN \
              (SELECT account_sid, grain, begins_at, service_sid, platform, measure, bucket FROM summaries \
              INDEXED BY summaries_by_time WHERE grain = ?1 AND begins_at < ?2 LIMIT ?3)";
}

struct Add(SummaryStep);

impl Command for Add {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let SummaryStep { cursor, from, to, counts } = &self.0;
        let (kind, stage, to) = (cursor.kind.as_str(), cursor.stage.number(), to.as_bytes());
        let moved = match from {
            Some(from) => execute(db, MOVE, params![kind, stage, to, from.as_bytes()])?,
            None => execute(db, BEGIN, params![kind, stage, to])?,
        };
        if moved == 0 {
            return Ok(false);
        }
        for (key, count) in counts {
            let row = params![
                key.account.as_bytes(),
                key.grain.seconds(),
                key.begins_at.as_micros(),
                key.service.as_bytes(),
                key.platform.as_str(),
                key.measure.as_str(),
                key.bucket,
                i64::try_from(*count).unwrap_or(i64::MAX)
            ];
            execute(db, ADD, row)?;
        }
        Ok(true)
    }
}

#[async_trait]
impl Summaries for SqliteStore {
    async fn summary_cursor(&self, cursor: SummaryCursor) -> StoreResult<Option<ChallengeSid>> {
        let key = params![cursor.kind.as_str(), cursor.stage.number()];
        self.read(|db| {
            one(db, CURSOR, key, |row| {
                cells_of(row, "summary_cursors").map(ChallengeSid::from_bytes)
            })
        })
    }

    async fn challenges_to_count(
        &self,
        after: ChallengeSid,
        before: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<(ChallengeSid, Option<CountedChallenge>)>> {
        self.read_blocking(move |db| {
            let range = params![after.as_bytes(), before.as_bytes(), limit(most)];
            let challenges =
                all(db, CHALLENGES, range, |row| counted_challenge(cells_of(row, "challenges")))?;
            let Some((last, _)) = challenges.last() else { return Ok(Vec::new()) };
            let pushes = all(db, PUSHES, params![after.as_bytes(), last.as_bytes()], |row| {
                counted_push(cells_of(row, "notifications"))
            })?;
            Ok(with_pushes(challenges, pushes))
        })
        .await
    }

    async fn add_summary(&self, step: &SummaryStep) -> StoreResult<bool> {
        self.write(Add(step.clone())).await
    }

    async fn summaries(&self, query: SummaryQuery) -> StoreResult<Vec<PeriodSummary>> {
        self.read_blocking(move |db| {
            let service = query.service.as_ref().map(|sid| *sid.as_bytes());
            let (grain, from) = (query.grain.seconds(), query.from.as_micros());
            let key = params![query.account.as_bytes(), grain, from, service, limit(SUMMARY_ROWS)];
            all(db, PERIODS, key, |row| period_summary(cells_of(row, "summaries")))
        })
        .await
    }

    async fn service_summaries(&self, query: SummaryQuery) -> StoreResult<Vec<ServiceSummary>> {
        self.read_blocking(move |db| {
            let service = query.service.as_ref().map(|sid| *sid.as_bytes());
            let (grain, from) = (query.grain.seconds(), query.from.as_micros());
            let key = params![query.account.as_bytes(), grain, from, service, limit(SUMMARY_ROWS)];
            all(db, SERVICES, key, |row| service_summary(cells_of(row, "summaries")))
        })
        .await
    }
}
