//! Cleaning, and the checks of the database itself.

use async_trait::async_trait;
use countersign_domain::audit;
use countersign_domain::backchannel::KEPT_FOR;
use countersign_domain::factor::FactorType;
use countersign_domain::factor::UNVERIFIED_FOR;
use countersign_domain::one_time_right::REMEMBERED_FOR;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::summary::Grain;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Retention, Upkeep};
use countersign_store_sql::values::limit;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{Param, id, params};
use crate::probe::{CheckWritable, TestWrite};
use crate::session::Session;
use crate::statement::{all, one};
use crate::store::PostgresStore;
use crate::time_limits::TimeLimit;
use crate::{calls, gather, history};

/// Removes rows that meet a condition, at most as many as the last parameter.
macro_rules! delete {
    ($table:literal, $condition:literal, $most:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ",
            $table,
            " WHERE ",
            $condition,
            " LIMIT ",
            $most,
            " FOR UPDATE SKIP LOCKED))"
        )
    };
}

const REMOVAL: &str = "SELECT sid, removed_at FROM removals WHERE kind = $1 LIMIT 1";
const REMOVAL_DONE: &str = "DELETE FROM removals WHERE kind = $1 AND sid = $2";
const SERVICE_TOKENS: &str = delete!("access_tokens", "service_sid = $1", "$2");
const SERVICE_WEBHOOKS: &str = delete!("webhooks", "service_sid = $1", "$2");
const SERVICE_INTEGRATIONS: &str = delete!("integrations", "service_sid = $1", "$2");
/// The entities of a deleted service become deleted entities.
const SERVICE_ENTITIES: &str = "WITH gone AS (DELETE FROM entities WHERE service_sid = $1 AND sid = ANY (ARRAY(\
                                SELECT sid FROM entities WHERE service_sid = $1 ORDER BY sid LIMIT $2 FOR UPDATE)) \
                                RETURNING sid) \
                                INSERT INTO removals (kind, sid, removed_at) SELECT 'entity', sid, $3 FROM gone \
                                ON CONFLICT DO NOTHING";
const ENTITY_FACTORS: &str = delete!("factors", "entity_sid = $1", "$2");
const ENTITY_TOTP_FACTORS: &str = delete!("totp_factors", "entity_sid = $1", "$2");
const ENTITY_GROUPS: &str = delete!("challenge_groups", "entity_sid = $1", "$2");
const ENTITY_PROTECTION: &str = delete!("protections", "entity_sid = $1", "$2");
/// Erases the openings of entries about a deleted person. The commitments stay.
const ENTITY_OPENINGS: &str = "UPDATE tlog_entries SET salt = NULL, opening = NULL, entity_sid = NULL WHERE number = ANY (ARRAY(\
                               SELECT number FROM tlog_entries WHERE entity_sid = $1 AND salt IS NOT NULL LIMIT $2 \
                               FOR UPDATE SKIP LOCKED))";
/// Locked until the end of the transaction, so that nothing is added below them.
const ENTITY_CHALLENGES: &str =
    "SELECT sid FROM challenges WHERE entity_sid = $1 ORDER BY sid LIMIT $2 FOR UPDATE";
const DELIVERIES: &str = delete!("deliveries", "challenge_sid = ANY ($1)", "$2");
/// By their keys, since a `ctid` is unique only within a partition.
const NOTIFICATIONS: &str = "WITH gone AS MATERIALIZED (SELECT challenge_sid, ordinal FROM notifications \
                             WHERE challenge_sid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED) \
                             DELETE FROM notifications n USING gone WHERE n.challenge_sid = gone.challenge_sid \
                             AND n.ordinal = gone.ordinal AND n.challenge_sid = ANY ($1)";
const CALLS_TAKEN: &str = "WITH gone AS MATERIALIZED (SELECT challenge_sid, id FROM calls_taken \
                           WHERE challenge_sid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED) \
                           DELETE FROM calls_taken t USING gone WHERE t.challenge_sid = gone.challenge_sid \
                           AND t.id = gone.id AND t.challenge_sid = ANY ($1)";
const SIGNED_ANSWERS: &str = "WITH gone AS MATERIALIZED (SELECT challenge_sid FROM signed_answers \
                              WHERE challenge_sid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED) \
                              DELETE FROM signed_answers s USING gone WHERE s.challenge_sid = gone.challenge_sid \
                              AND s.challenge_sid = ANY ($1)";
const CHALLENGES: &str = "DELETE FROM challenges WHERE sid = ANY ($1)";
/// Removed before their challenge, in whichever partition that is.
const OLD_DELIVERIES: &str =
    delete!("deliveries", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
/// Rows in partitions are dropped with those.
const OLD_NOTIFICATIONS: &str =
    delete!("notifications_rest", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
const OLD_CALLS_TAKEN: &str =
    delete!("calls_taken_rest", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
const OLD_SIGNED_ANSWERS: &str =
    delete!("signed_answers_rest", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
const OLD_GROUPS: &str = delete!("challenge_groups", "sid >= $1 AND sid < $2", "$3");
const OLD_CHALLENGES: &str = delete!("challenges_rest", "sid >= $1 AND sid < $2", "$3");
const LAPSED_FACTORS: &str = delete!("factors", "status = 'unverified' AND created_at <= $1", "$2");
const LAPSED_TOTP_FACTORS: &str =
    delete!("totp_factors", "status = 'unverified' AND created_at <= $1", "$2");
const SPENT_TOKENS: &str = delete!("access_tokens", "expires_at <= $1", "$2");
const OLD_SUMMARIES: &str = delete!("summaries", "grain = $1 AND begins_at < $2", "$3");
/// Handles the rows of older servers that share the database.
const SESSIONS_ENDED: &str = delete!("sessions_ended", "expires_at <= $1", "$2");
const EXPIRED_SESSIONS: &str = delete!("console_sessions", "expires_at <= $1", "$2");
const OLD_BACKCHANNEL: &str = delete!("backchannel_requests", "deadline <= $1", "$2");
const USED_RIGHTS: &str = delete!("rights_used", "until <= $1", "$2");
const OLD_AUDIT_ENTRIES: &str = delete!("audit_entries", "at <= $1", "$2");
const KEEP_KEY_CHECK: &str =
    "UPDATE installation SET key_check = coalesce(key_check, $1) WHERE id = 1 RETURNING key_check";
const KEY_CHECK: &str = "SELECT key_check FROM installation WHERE id = 1 AND key_check IS NOT NULL";

/// The rows that one command may still remove.
struct Cleanup<'a> {
    db: &'a Session,
    left: usize,
}

impl Cleanup<'_> {
    /// Removes rows by a bounded statement.
    async fn remove(&mut self, sql: &str, params: &[Param<'_>]) -> Result<(), DatabaseError> {
        let rows = self.db.execute(sql, params).await?;
        self.left = self.left.saturating_sub(rows);
        Ok(())
    }

    fn bound(&self) -> i64 {
        limit(self.left)
    }

    /// Removes what is below a deleted service.
    async fn service(&mut self, sid: Uuid, removed_at: i64) -> Result<(), DatabaseError> {
        self.remove(SERVICE_TOKENS, params![sid, self.bound()]).await?;
        self.remove(SERVICE_WEBHOOKS, params![sid, self.bound()]).await?;
        self.remove(SERVICE_INTEGRATIONS, params![sid, self.bound()]).await?;
        self.remove(SERVICE_ENTITIES, params![sid, self.bound(), removed_at]).await
    }

    async fn entity(&mut self, sid: Uuid) -> Result<(), DatabaseError> {
        self.remove(ENTITY_FACTORS, params![sid, self.bound()]).await?;
        self.remove(ENTITY_TOTP_FACTORS, params![sid, self.bound()]).await?;
        self.remove(ENTITY_PROTECTION, params![sid, self.bound()]).await?;
        self.remove(ENTITY_GROUPS, params![sid, self.bound()]).await?;
        self.remove(ENTITY_OPENINGS, params![sid, self.bound()]).await?;
        let challenges = self.sids(ENTITY_CHALLENGES, params![sid, self.bound()]).await?;
        self.challenges(challenges).await
    }

    /// Removes challenges after everything below them, which is found by the row of the challenge.
    async fn challenges(&mut self, mut sids: Vec<Uuid>) -> Result<(), DatabaseError> {
        self.remove(DELIVERIES, params![sids, self.bound()]).await?;
        self.remove(NOTIFICATIONS, params![sids, self.bound()]).await?;
        self.remove(CALLS_TAKEN, params![sids, self.bound()]).await?;
        self.remove(SIGNED_ANSWERS, params![sids, self.bound()]).await?;
        // A challenge stays if the bound was reached, since more rows may be below it.
        sids.truncate(self.left);
        self.remove(CHALLENGES, params![sids]).await
    }

    /// Removes what is below deleted services and entities. The mark of a finished one is a row that counts like the others.
    async fn removals(&mut self) -> Result<(), DatabaseError> {
        for kind in ["service", "entity"] {
            while self.left > 0 {
                let read = |row: &Row| {
                    let mut cells = cells_of(row, "removals");
                    Ok((cells.take::<[u8; 16]>()?, cells.take::<i64>()?))
                };
                let removal = one(self.db, REMOVAL, params![kind], read).await?;
                let Some((sid, removed_at)) = removal else {
                    break;
                };
                let sid = id(&sid);
                if kind == "service" {
                    self.service(sid, removed_at).await?;
                } else {
                    self.entity(sid).await?;
                }
                if self.left > 0 {
                    self.remove(REMOVAL_DONE, params![kind, sid]).await?;
                }
            }
        }
        Ok(())
    }

    async fn sids(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Uuid>, DatabaseError> {
        all(self.db, sql, params, |row| cells_of(row, "challenges").map(|sid| id(&sid))).await
    }
}

struct Clean(Instant, Retention, usize);

#[async_trait]
impl Command for Clean {
    type Output = usize;
    const TIME_LIMIT: TimeLimit = TimeLimit::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let Self(now, retention, most) = *self;
        let mut cleanup = Cleanup { db, left: most };
        cleanup.removals().await?;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        cleanup.remove(LAPSED_FACTORS, params![lapsed, cleanup.bound()]).await?;
        cleanup.remove(LAPSED_TOTP_FACTORS, params![lapsed, cleanup.bound()]).await?;
        cleanup.remove(calls::FORGET, params![now.as_micros(), cleanup.bound()]).await?;
        cleanup.remove(SPENT_TOKENS, params![now.as_micros(), cleanup.bound()]).await?;
        for grain in Grain::ALL {
            let old = (now - grain.kept()).as_micros();
            cleanup.remove(OLD_SUMMARIES, params![grain.seconds(), old, cleanup.bound()]).await?;
        }
        cleanup.remove(SESSIONS_ENDED, params![now.as_micros(), cleanup.bound()]).await?;
        cleanup.remove(EXPIRED_SESSIONS, params![now.as_micros(), cleanup.bound()]).await?;
        let over = (now - KEPT_FOR).as_micros();
        cleanup.remove(OLD_BACKCHANNEL, params![over, cleanup.bound()]).await?;
        let over = (now - REMEMBERED_FOR).as_micros();
        cleanup.remove(USED_RIGHTS, params![over, cleanup.bound()]).await?;
        let old = (now - audit::KEPT).as_micros();
        cleanup.remove(OLD_AUDIT_ENTRIES, params![old, cleanup.bound()]).await?;
        for kind in [FactorType::Push, FactorType::Totp] {
            let first = id(ChallengeSid::least(kind, Instant::from_micros(0)).as_bytes());
            let beyond = id(ChallengeSid::least(kind, retention.beyond(now)).as_bytes());
            for sql in [
                OLD_GROUPS,
                OLD_DELIVERIES,
                OLD_NOTIFICATIONS,
                OLD_CALLS_TAKEN,
                OLD_SIGNED_ANSWERS,
                OLD_CHALLENGES,
            ] {
                cleanup.remove(sql, params![first, beyond, cleanup.bound()]).await?;
            }
        }
        Ok(most - cleanup.left)
    }
}

struct KeepKeyCheck([u8; 32]);

#[async_trait]
impl Command for KeepKeyCheck {
    type Output = [u8; 32];

    async fn run(&self, db: &Session) -> Result<[u8; 32], DatabaseError> {
        let read = |row: &Row| cells_of(row, "installation").take();
        let kept = one(db, KEEP_KEY_CHECK, params![self.0.as_slice()], read).await?;
        kept.ok_or_else(|| DatabaseError::Corrupt("installation".to_owned()))
    }
}

#[async_trait]
impl Upkeep for PostgresStore {
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize> {
        self.make_room(now, retention).await?;
        self.write(Clean(now, retention, most)).await
    }

    async fn make_room(&self, now: Instant, retention: Retention) -> StoreResult<()> {
        // Continues when the caller goes away, as every command does.
        let db = self.db.clone();
        let making = tokio::spawn(async move { history::maintain(&db, now, retention).await });
        Ok(making.await.map_err(|_| gather::broken())??)
    }

    async fn check(&self) -> StoreResult<()> {
        self.write(TestWrite).await
    }

    async fn is_writable(&self) -> StoreResult<()> {
        self.health.status()?;
        Ok(self.db.transact(&CheckWritable).await?)
    }

    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]> {
        let kept = {
            let db = self.session().await?;
            let read = |row: &Row| cells_of(row, "installation").take();
            one(&db, KEY_CHECK, &[], read).await?
        };
        match kept {
            Some(kept) => Ok(kept),
            None => self.write(KeepKeyCheck(value)).await,
        }
    }
}
