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
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{column, id, params};
use crate::session::Session;
use crate::statement::{all, factor_of, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;

const CURSOR: &str = "SELECT position FROM summary_cursors WHERE kind = $1 AND stage = $2";
const BEGIN: &str = "INSERT INTO summary_cursors (kind, stage, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
/// Locks the cursor, so that of two processes at the same place one counts.
const MOVE: &str =
    "UPDATE summary_cursors SET position = $3 WHERE kind = $1 AND stage = $2 AND position = $4";
const CHALLENGES: &str = concat!(
    "SELECT ",
    counted_challenge_columns!(),
    " FROM challenges c",
    factor_of!("c", "factors" as "f"),
    "WHERE c.sid > $1 AND c.sid < $2 ORDER BY c.sid LIMIT $3"
);
/// Of a bounded number of challenges, each of which has a bounded number of pushes.
const PUSHES: &str = concat!(
    "SELECT ",
    counted_push_columns!(),
    " FROM notifications n WHERE n.challenge_sid > $1 AND n.challenge_sid <= $2 \
     ORDER BY n.challenge_sid, n.ordinal"
);
/// In the order of the keys, so that two processes that count different stages lock the rows in the same order.
const ADD: &str = "INSERT INTO summaries AS s (account_sid, grain, begins_at, service_sid, platform, measure, bucket, count) \
                   SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) \
                   ON CONFLICT (account_sid, grain, begins_at, service_sid, platform, measure, bucket) \
                   DO UPDATE SET count = s.count + excluded.count";
const PERIODS: &str = "SELECT begins_at, platform, measure, bucket, sum(count)::bigint FROM summaries \
                       WHERE account_sid = $1 AND grain = $2 AND begins_at >= $3 AND ($4 IS NULL OR service_sid = $4) \
                       GROUP BY begins_at, platform, measure, bucket ORDER BY begins_at LIMIT $5";
const SERVICES: &str = "SELECT service_sid, measure, bucket, sum(count)::bigint FROM summaries \
                        WHERE account_sid = $1 AND grain = $2 AND begins_at >= $3 AND ($4 IS NULL OR service_sid = $4) \
                        GROUP BY service_sid, measure, bucket ORDER BY service_sid LIMIT $5";

struct Add(SummaryStep);

#[async_trait]
impl Command for Add {
    type Output = bool;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let SummaryStep { cursor, from, to, counts } = &self.0;
        let (kind, stage) = (cursor.kind.as_str(), i64::from(cursor.stage.number()));
        let to = id(to.as_bytes());
        let moved = match from {
            Some(from) => db.execute(MOVE, params![kind, stage, to, id(from.as_bytes())]).await?,
            None => db.execute(BEGIN, params![kind, stage, to]).await?,
        };
        if moved == 0 {
            return Ok(false);
        }
        if counts.is_empty() {
            return Ok(true);
        }
        let rows: Vec<_> = counts.iter().collect();
        let accounts = column(&rows, |(key, _)| id(key.account.as_bytes()));
        let grains = column(&rows, |(key, _)| key.grain.seconds());
        let begins = column(&rows, |(key, _)| key.begins_at.as_micros());
        let services = column(&rows, |(key, _)| id(key.service.as_bytes()));
        let platforms = column(&rows, |(key, _)| key.platform.as_str());
        let measures = column(&rows, |(key, _)| key.measure.as_str());
        let buckets = column(&rows, |(key, _)| i64::from(key.bucket));
        let numbers = column(&rows, |(_, count)| i64::try_from(**count).unwrap_or(i64::MAX));
        let rows =
            params![accounts, grains, begins, services, platforms, measures, buckets, numbers];
        db.execute(ADD, rows).await?;
        Ok(true)
    }
}

#[async_trait]
impl Summaries for PostgresStore {
    async fn summary_cursor(&self, cursor: SummaryCursor) -> StoreResult<Option<ChallengeSid>> {
        let db = self.session().await?;
        let key = params![cursor.kind.as_str(), i64::from(cursor.stage.number())];
        let read = |row: &Row| cells_of(row, "summary_cursors").map(ChallengeSid::from_bytes);
        Ok(one(&db, CURSOR, key, read).await?)
    }

    async fn challenges_to_count(
        &self,
        after: ChallengeSid,
        before: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<(ChallengeSid, Option<CountedChallenge>)>> {
        let db = self.session().await?;
        let after = id(after.as_bytes());
        let range = params![after, id(before.as_bytes()), limit(most)];
        let read = |row: &Row| counted_challenge(cells_of(row, "challenges"));
        let challenges = all(&db, CHALLENGES, range, read).await?;
        let Some((last, _)) = challenges.last() else { return Ok(Vec::new()) };
        let read = |row: &Row| counted_push(cells_of(row, "notifications"));
        let pushes = all(&db, PUSHES, params![after, id(last.as_bytes())], read).await?;
        Ok(with_pushes(challenges, pushes))
    }

    async fn add_summary(&self, step: &SummaryStep) -> StoreResult<bool> {
        self.write(Add(step.clone())).await
    }

    async fn summaries(&self, query: SummaryQuery) -> StoreResult<Vec<PeriodSummary>> {
        let db = self.session().await?;
        let service = query.service.map(|sid| id(sid.as_bytes()));
        let (account, grain) = (id(query.account.as_bytes()), query.grain.seconds());
        let key = params![account, grain, query.from.as_micros(), service, limit(SUMMARY_ROWS)];
        let read = |row: &Row| period_summary(cells_of(row, "summaries"));
        Ok(all(&db, PERIODS, key, read).await?)
    }

    async fn service_summaries(&self, query: SummaryQuery) -> StoreResult<Vec<ServiceSummary>> {
        let db = self.session().await?;
        let service = query.service.map(|sid| id(sid.as_bytes()));
        let (account, grain) = (id(query.account.as_bytes()), query.grain.seconds());
        let key = params![account, grain, query.from.as_micros(), service, limit(SUMMARY_ROWS)];
        let read = |row: &Row| service_summary(cells_of(row, "summaries"));
        Ok(all(&db, SERVICES, key, read).await?)
    }
}
