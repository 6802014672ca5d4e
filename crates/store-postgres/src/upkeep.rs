//! What keeps the database in shape.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::factor::{FactorType, UNVERIFIED_FOR};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use countersign_store::error::StoreResult;
use countersign_store::health::{Health, PROBE_EVERY};
use countersign_store::seam::{Retention, Upkeep};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bounds::Hurry;
use crate::cells::Cells;
use crate::command::{Command, InDoubt};
use crate::database::{Database, Session};
use crate::params::{Param, id, params};
use crate::statement::{all, one};
use crate::trouble::Trouble;
use crate::{PostgresStore, calls, gather, history, limit};

/// Removes up to so many rows (the last parameter) of those that a condition names.
macro_rules! sweep {
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
const SERVICE_TOKENS: &str = sweep!("access_tokens", "service_sid = $1", "$2");
const SERVICE_WEBHOOKS: &str = sweep!("webhooks", "service_sid = $1", "$2");
/// Its entities count as deleted with it.
const SERVICE_ENTITIES: &str = "WITH gone AS (DELETE FROM entities WHERE service_sid = $1 AND sid = ANY (ARRAY(\
                                SELECT sid FROM entities WHERE service_sid = $1 ORDER BY sid LIMIT $2 FOR UPDATE)) \
                                RETURNING sid) \
                                INSERT INTO removals (kind, sid, removed_at) SELECT 'entity', sid, $3 FROM gone \
                                ON CONFLICT DO NOTHING";
const ENTITY_FACTORS: &str = sweep!("factors", "entity_sid = $1", "$2");
const ENTITY_TOTP_FACTORS: &str = sweep!("totp_factors", "entity_sid = $1", "$2");
/// Held until the end of the transaction, so that nothing is added below them any more.
const ENTITY_CHALLENGES: &str =
    "SELECT sid FROM challenges WHERE entity_sid = $1 ORDER BY sid LIMIT $2 FOR UPDATE";
const DELIVERIES: &str = sweep!("deliveries", "challenge_sid = ANY ($1)", "$2");
/// By their keys, since those of a table in parts have no places of their own.
const NOTIFICATIONS: &str = "WITH gone AS MATERIALIZED (SELECT challenge_sid, ordinal FROM notifications \
                             WHERE challenge_sid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED) \
                             DELETE FROM notifications n USING gone WHERE n.challenge_sid = gone.challenge_sid \
                             AND n.ordinal = gone.ordinal AND n.challenge_sid = ANY ($1)";
const CALLS_TAKEN: &str = "WITH gone AS MATERIALIZED (SELECT challenge_sid, id FROM calls_taken \
                           WHERE challenge_sid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED) \
                           DELETE FROM calls_taken t USING gone WHERE t.challenge_sid = gone.challenge_sid \
                           AND t.id = gone.id AND t.challenge_sid = ANY ($1)";
const CHALLENGES: &str = "DELETE FROM challenges WHERE sid = ANY ($1)";
/// Their rows are gone when that of the challenge goes, whichever part that is in.
const OLD_DELIVERIES: &str =
    sweep!("deliveries", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
/// What lies in a part goes with it.
const OLD_NOTIFICATIONS: &str =
    sweep!("notifications_rest", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
const OLD_CALLS_TAKEN: &str =
    sweep!("calls_taken_rest", "challenge_sid >= $1 AND challenge_sid < $2", "$3");
const OLD_CHALLENGES: &str = sweep!("challenges_rest", "sid >= $1 AND sid < $2", "$3");
const LAPSED_FACTORS: &str = sweep!("factors", "status = 'unverified' AND created_at <= $1", "$2");
const LAPSED_TOTP_FACTORS: &str =
    sweep!("totp_factors", "status = 'unverified' AND created_at <= $1", "$2");
const SPENT_TOKENS: &str = sweep!("access_tokens", "expires_at <= $1", "$2");
const OVER_SESSIONS: &str = sweep!("sessions_ended", "expires_at <= $1", "$2");
/// Whether all tables can be written: one that somebody has locked makes the check fail, as it makes requests fail.
const REACH: &str = "SET LOCAL lock_timeout TO 1000; LOCK TABLE ONLY accounts, ONLY api_keys, ONLY services, ONLY entities, \
                     ONLY factors, ONLY totp_factors, ONLY challenges, ONLY notifications, ONLY deliveries, \
                     ONLY access_tokens, ONLY webhooks, ONLY webhook_calls, ONLY credentials IN ROW EXCLUSIVE MODE";
const READ_ONLY: &str =
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only";
const PULSE: &str = "UPDATE installation SET pulse = pulse + 1 WHERE id = 1";
const KEEP_KEY_CHECK: &str =
    "UPDATE installation SET key_check = coalesce(key_check, $1) WHERE id = 1 RETURNING key_check";
const KEY_CHECK: &str = "SELECT key_check FROM installation WHERE id = 1 AND key_check IS NOT NULL";

/// How many more rows may go in this command.
struct Broom<'a> {
    db: &'a Session,
    left: usize,
}

impl Broom<'_> {
    /// Removes rows by a statement that is bounded itself.
    async fn sweep(&mut self, sql: &str, params: &[Param<'_>]) -> Result<(), Trouble> {
        let rows = self.db.execute(sql, params).await?;
        self.left = self.left.saturating_sub(rows);
        Ok(())
    }

    fn bound(&self) -> i64 {
        limit(self.left)
    }

    /// What lies below a service that was deleted.
    async fn service(&mut self, sid: Uuid, removed_at: i64) -> Result<(), Trouble> {
        self.sweep(SERVICE_TOKENS, params![sid, self.bound()]).await?;
        self.sweep(SERVICE_WEBHOOKS, params![sid, self.bound()]).await?;
        self.sweep(SERVICE_ENTITIES, params![sid, self.bound(), removed_at]).await
    }

    async fn entity(&mut self, sid: Uuid) -> Result<(), Trouble> {
        self.sweep(ENTITY_FACTORS, params![sid, self.bound()]).await?;
        self.sweep(ENTITY_TOTP_FACTORS, params![sid, self.bound()]).await?;
        let challenges = self.sids(ENTITY_CHALLENGES, params![sid, self.bound()]).await?;
        self.challenges(challenges).await
    }

    /// Challenges after all that they hold: as long as a challenge's row is there, the rest is found by it.
    async fn challenges(&mut self, mut sids: Vec<Uuid>) -> Result<(), Trouble> {
        self.sweep(DELIVERIES, params![sids, self.bound()]).await?;
        self.sweep(NOTIFICATIONS, params![sids, self.bound()]).await?;
        self.sweep(CALLS_TAKEN, params![sids, self.bound()]).await?;
        // with nothing left, there may be more below them
        sids.truncate(self.left);
        self.sweep(CHALLENGES, params![sids]).await
    }

    /// What lies below deleted services and entities. The mark of one that is done with is a row like the others.
    async fn removals(&mut self) -> Result<(), Trouble> {
        for kind in ["service", "entity"] {
            while self.left > 0 {
                let read = |row: &Row| {
                    let mut cells = Cells::of(row, "removals");
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
                    self.sweep(REMOVAL_DONE, params![kind, sid]).await?;
                }
            }
        }
        Ok(())
    }

    async fn sids(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Uuid>, Trouble> {
        all(self.db, sql, params, |row| Cells::of(row, "challenges").make(|sid| id(&sid))).await
    }
}

struct Clean(Instant, Retention, usize);

#[async_trait]
impl Command for Clean {
    type Answer = usize;
    const HURRY: Hurry = Hurry::Duty;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0, self.0))
    }

    async fn run(&self, db: &Session) -> Result<usize, Trouble> {
        let Self(now, retention, most) = *self;
        let mut broom = Broom { db, left: most };
        broom.removals().await?;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        broom.sweep(LAPSED_FACTORS, params![lapsed, broom.bound()]).await?;
        broom.sweep(LAPSED_TOTP_FACTORS, params![lapsed, broom.bound()]).await?;
        broom.sweep(calls::FORGET, params![now.as_micros(), broom.bound()]).await?;
        broom.sweep(SPENT_TOKENS, params![now.as_micros(), broom.bound()]).await?;
        broom.sweep(OVER_SESSIONS, params![now.as_micros(), broom.bound()]).await?;
        for kind in [FactorType::Push, FactorType::Totp] {
            let first = id(ChallengeSid::least(kind, Instant::from_micros(0)).as_bytes());
            let beyond = id(ChallengeSid::least(kind, retention.beyond(now)).as_bytes());
            for sql in [OLD_DELIVERIES, OLD_NOTIFICATIONS, OLD_CALLS_TAKEN, OLD_CHALLENGES] {
                broom.sweep(sql, params![first, beyond, broom.bound()]).await?;
            }
        }
        Ok(most - broom.left)
    }
}

/// A commit like any other.
struct Pulse;

#[async_trait]
impl Command for Pulse {
    type Answer = ();

    async fn run(&self, db: &Session) -> Result<(), Trouble> {
        db.run_script(REACH).await?;
        db.execute(PULSE, &[]).await.map(|_| ())
    }
}

struct KeepKeyCheck([u8; 32]);

#[async_trait]
impl Command for KeepKeyCheck {
    type Answer = [u8; 32];

    async fn run(&self, db: &Session) -> Result<[u8; 32], Trouble> {
        let read = |row: &Row| Cells::of(row, "installation").take();
        let kept = one(db, KEEP_KEY_CHECK, params![self.0.as_slice()], read).await?;
        kept.ok_or_else(|| Trouble::Corrupt("installation".to_owned()))
    }
}

/// Goes as far as a command does before it writes. It writes nothing.
struct Look;

#[async_trait]
impl Command for Look {
    type Answer = ();
    const IN_DOUBT: InDoubt = InDoubt::RunsAgain;

    async fn run(&self, db: &Session) -> Result<(), Trouble> {
        let read = |row: &Row| Cells::of(row, "installation").take();
        if one::<bool>(db, READ_ONLY, &[], read).await?.unwrap_or(true) {
            return Err(Trouble::NoConnection("the database is read-only".to_owned()));
        }
        db.run_script(REACH).await
    }
}

/// Tries to write every second until that succeeds.
pub(crate) fn probe(db: &Database, health: &Arc<Health>) {
    let (db, health) = (db.clone(), Arc::clone(health));
    tokio::spawn(async move {
        while health.keep_probing() {
            tokio::time::sleep(PROBE_EVERY).await;
            let outcome = db.transact(&Pulse).await.map_err(StoreError::from);
            health.record(outcome.as_ref().err());
        }
    });
}

#[async_trait]
impl Upkeep for PostgresStore {
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize> {
        // goes on when the caller goes away, as every command does
        let db = self.db.clone();
        let tending = tokio::spawn(async move { history::tend(&db, now, retention).await });
        tending.await.map_err(|_| gather::broken())??;
        self.write(Clean(now, retention, most)).await
    }

    async fn check(&self) -> StoreResult<()> {
        self.write(Pulse).await
    }

    async fn is_writable(&self) -> StoreResult<()> {
        self.health.status()?;
        Ok(self.db.transact(&Look).await?)
    }

    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]> {
        let kept = {
            let db = self.session().await?;
            let read = |row: &Row| Cells::of(row, "installation").take();
            one(&db, KEY_CHECK, &[], read).await?
        };
        match kept {
            Some(kept) => Ok(kept),
            None => self.write(KeepKeyCheck(value)).await,
        }
    }
}
