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
use rusqlite::{Connection, Params, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, one, statements};
use crate::store::SqliteStore;
use crate::test_write::TestWrite;
use crate::{
    audit_trail, backchannel, calls, entities, one_time_rights, sessions, summaries, transparency,
};

statements! {
    REMOVAL = "SELECT sid, removed_at FROM removals WHERE kind = ?1 LIMIT 1";
    REMOVAL_DONE = "DELETE FROM removals WHERE kind = ?1 AND sid = ?2";
    SERVICE_TOKENS = "DELETE FROM access_tokens WHERE service_sid = ?1 AND sid IN (SELECT sid FROM access_tokens \
                      WHERE service_sid = ?1 LIMIT ?2)";
    SERVICE_WEBHOOKS = "DELETE FROM webhooks WHERE service_sid = ?1 AND sid IN (SELECT sid FROM webhooks \
                        WHERE service_sid = ?1 LIMIT ?2)";
    SERVICE_INTEGRATIONS = "DELETE FROM integrations WHERE service_sid = ?1 AND sid IN (SELECT sid FROM integrations \
                            WHERE service_sid = ?1 LIMIT ?2)";
    SERVICE_ENTITIES = "SELECT sid FROM entities WHERE service_sid = ?1 ORDER BY sid LIMIT ?2";
    SERVICE_ENTITY = "DELETE FROM entities WHERE service_sid = ?1 AND sid = ?2";
    ENTITY_FACTORS = "DELETE FROM factors WHERE entity_sid = ?1 AND sid IN (SELECT sid FROM factors \
                      WHERE entity_sid = ?1 LIMIT ?2)";
    ENTITY_TOTP_FACTORS = "DELETE FROM totp_factors WHERE entity_sid = ?1 AND sid IN (SELECT sid FROM totp_factors \
                           WHERE entity_sid = ?1 LIMIT ?2)";
    ENTITY_PROTECTION = "DELETE FROM protections WHERE entity_sid = ?1";
    ENTITY_GROUPS = "DELETE FROM challenge_groups WHERE sid IN (SELECT sid FROM challenge_groups \
                     WHERE entity_sid = ?1 LIMIT ?2)";
    ENTITY_CHALLENGES = "SELECT sid FROM challenges WHERE entity_sid = ?1 ORDER BY sid LIMIT ?2";
    DELIVERIES = "DELETE FROM deliveries WHERE challenge_sid = ?1 AND notification_sid IN (SELECT notification_sid \
                  FROM deliveries WHERE challenge_sid = ?1 LIMIT ?2)";
    NOTIFICATIONS = "DELETE FROM notifications WHERE challenge_sid = ?1 AND ordinal IN (SELECT ordinal \
                     FROM notifications WHERE challenge_sid = ?1 LIMIT ?2)";
    SIGNED_ANSWER = "DELETE FROM signed_answers WHERE challenge_sid = ?1";
    CALLS_TAKEN = "DELETE FROM calls_taken WHERE challenge_sid = ?1 AND id IN (SELECT id FROM calls_taken \
                   WHERE challenge_sid = ?1 LIMIT ?2)";
    /// Includes calls that were taken after their challenge was removed.
    OLD_CALLS_TAKEN = "DELETE FROM calls_taken WHERE (challenge_sid, id) IN (SELECT challenge_sid, id FROM calls_taken \
                       WHERE challenge_sid >= ?1 AND challenge_sid < ?2 LIMIT ?3)";
    CHALLENGE = "DELETE FROM challenges WHERE sid = ?1";
    OLD_GROUPS = "DELETE FROM challenge_groups WHERE sid IN (SELECT sid FROM challenge_groups \
                  WHERE sid >= ?1 AND sid < ?2 LIMIT ?3)";
    OLD_CHALLENGES = "SELECT sid FROM challenges WHERE sid >= ?1 AND sid < ?2 ORDER BY sid LIMIT ?3";
    LAPSED_FACTORS = "DELETE FROM factors WHERE rowid IN (SELECT rowid FROM factors \
                      WHERE status = 'unverified' AND created_at <= ?1 LIMIT ?2)";
    LAPSED_TOTP_FACTORS = "DELETE FROM totp_factors WHERE rowid IN (SELECT rowid FROM totp_factors \
                           WHERE status = 'unverified' AND created_at <= ?1 LIMIT ?2)";
    SPENT_TOKENS = "DELETE FROM access_tokens WHERE (service_sid, sid) IN (SELECT service_sid, sid FROM access_tokens \
                    WHERE expires_at <= ?1 LIMIT ?2)";
    /// Handles the rows of older servers that share the database.
    SESSIONS_ENDED = "DELETE FROM sessions_ended WHERE (account_sid, id) IN (SELECT account_sid, id FROM sessions_ended \
                      WHERE expires_at <= ?1 LIMIT ?2)";
    KEEP_KEY_CHECK = "UPDATE installation SET key_check = coalesce(key_check, ?1) WHERE id = 1 RETURNING key_check";
    KEY_CHECK = "SELECT key_check FROM installation WHERE id = 1 AND key_check IS NOT NULL";
}

/// The rows that one command may still remove.
struct Cleanup<'a> {
    db: &'a Connection,
    left: usize,
}

impl Cleanup<'_> {
    /// Removes rows by a bounded statement.
    fn remove(&mut self, sql: &str, params: impl Params) -> Result<(), DatabaseError> {
        let rows = execute(self.db, sql, params)?;
        self.left = self.left.saturating_sub(rows);
        Ok(())
    }

    fn bound(&self) -> i64 {
        limit(self.left)
    }

    /// Removes what is below a deleted service. Its entities become deleted entities.
    fn service(&mut self, sid: &[u8; 16], removed_at: i64) -> Result<(), DatabaseError> {
        self.remove(SERVICE_TOKENS, params![sid, self.bound()])?;
        self.remove(SERVICE_WEBHOOKS, params![sid, self.bound()])?;
        self.remove(SERVICE_INTEGRATIONS, params![sid, self.bound()])?;
        let entities = self.sids(SERVICE_ENTITIES, params![sid, self.bound()])?;
        for entity in entities {
            execute(self.db, entities::REMOVED, params![entity, removed_at])?;
            self.remove(SERVICE_ENTITY, params![sid, entity])?;
        }
        Ok(())
    }

    fn entity(&mut self, sid: &[u8; 16]) -> Result<(), DatabaseError> {
        self.remove(ENTITY_FACTORS, params![sid, self.bound()])?;
        self.remove(ENTITY_TOTP_FACTORS, params![sid, self.bound()])?;
        if self.left > 0 {
            self.remove(ENTITY_PROTECTION, [sid])?;
        }
        self.remove(ENTITY_GROUPS, params![sid, self.bound()])?;
        self.remove(transparency::ERASE, params![sid, self.bound()])?;
        let challenges = self.sids(ENTITY_CHALLENGES, params![sid, self.bound()])?;
        self.challenges(&challenges)
    }

    /// Removes challenges, each after everything below it, which is found by the row of the challenge.
    fn challenges(&mut self, sids: &[[u8; 16]]) -> Result<(), DatabaseError> {
        for sid in sids {
            self.remove(DELIVERIES, params![sid, self.bound()])?;
            self.remove(NOTIFICATIONS, params![sid, self.bound()])?;
            self.remove(CALLS_TAKEN, params![sid, self.bound()])?;
            if self.left > 0 {
                self.remove(SIGNED_ANSWER, [sid])?;
            }
            if self.left == 0 {
                break;
            }
            self.remove(CHALLENGE, [sid])?;
        }
        Ok(())
    }

    /// Removes what is below deleted services and entities. The mark of a finished one is a row that counts like the others.
    fn removals(&mut self) -> Result<(), DatabaseError> {
        for kind in ["service", "entity"] {
            while self.left > 0 {
                let removal = one(self.db, REMOVAL, [kind], |row| {
                    let mut cells = cells_of(row, "removals");
                    Ok((cells.take::<[u8; 16]>()?, cells.take::<i64>()?))
                })?;
                let Some((sid, removed_at)) = removal else {
                    break;
                };
                if kind == "service" {
                    self.service(&sid, removed_at)?;
                } else {
                    self.entity(&sid)?;
                }
                if self.left > 0 {
                    self.remove(REMOVAL_DONE, params![kind, sid])?;
                }
            }
        }
        Ok(())
    }

    fn sids(&self, sql: &str, params: impl Params) -> Result<Vec<[u8; 16]>, DatabaseError> {
        all(self.db, sql, params, |row| cells_of(row, "challenges").take())
    }
}

struct Clean(Instant, Retention, usize);

impl Command for Clean {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let Self(now, retention, most) = *self;
        let mut cleanup = Cleanup { db, left: most };
        cleanup.removals()?;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        cleanup.remove(LAPSED_FACTORS, params![lapsed, cleanup.bound()])?;
        cleanup.remove(LAPSED_TOTP_FACTORS, params![lapsed, cleanup.bound()])?;
        cleanup.remove(calls::FORGET, params![now.as_micros(), cleanup.bound()])?;
        cleanup.remove(SPENT_TOKENS, params![now.as_micros(), cleanup.bound()])?;
        for grain in Grain::ALL {
            let old = (now - grain.kept()).as_micros();
            cleanup.remove(summaries::FORGET, params![grain.seconds(), old, cleanup.bound()])?;
        }
        cleanup.remove(SESSIONS_ENDED, params![now.as_micros(), cleanup.bound()])?;
        cleanup.remove(sessions::EXPIRED, params![now.as_micros(), cleanup.bound()])?;
        let over = (now - KEPT_FOR).as_micros();
        cleanup.remove(backchannel::FORGET, params![over, cleanup.bound()])?;
        let over = (now - REMEMBERED_FOR).as_micros();
        cleanup.remove(one_time_rights::FORGET, params![over, cleanup.bound()])?;
        let old = (now - audit::KEPT).as_micros();
        cleanup.remove(audit_trail::OLD, params![old, cleanup.bound()])?;
        for kind in [FactorType::Push, FactorType::Totp] {
            let first = ChallengeSid::least(kind, Instant::from_micros(0));
            let beyond = ChallengeSid::least(kind, retention.beyond(now));
            let (first, beyond) = (first.as_bytes(), beyond.as_bytes());
            cleanup.remove(OLD_CALLS_TAKEN, params![first, beyond, cleanup.bound()])?;
            cleanup.remove(OLD_GROUPS, params![first, beyond, cleanup.bound()])?;
            let range = params![first, beyond, cleanup.bound()];
            let old = cleanup.sids(OLD_CHALLENGES, range)?;
            cleanup.challenges(&old)?;
        }
        Ok(most - cleanup.left)
    }
}

struct KeepKeyCheck([u8; 32]);

impl Command for KeepKeyCheck {
    type Output = [u8; 32];

    fn run(&self, db: &Connection) -> Result<[u8; 32], DatabaseError> {
        let kept = one(db, KEEP_KEY_CHECK, [self.0], |row| cells_of(row, "installation").take())?;
        kept.ok_or_else(|| DatabaseError::Corrupt("installation".to_owned()))
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize> {
        self.write(Clean(now, retention, most)).await
    }

    async fn check(&self) -> StoreResult<()> {
        self.write(TestWrite).await
    }

    async fn is_writable(&self) -> StoreResult<()> {
        self.check_writer()?;
        self.read(|db| one(db, KEY_CHECK, (), |_| Ok(()))).map(drop)
    }

    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]> {
        let kept =
            self.read(|db| one(db, KEY_CHECK, (), |row| cells_of(row, "installation").take()))?;
        match kept {
            Some(kept) => Ok(kept),
            None => self.write(KeepKeyCheck(value)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use countersign_domain::challenge::Verdict;
    use countersign_domain::signed_answer::SignedAnswer;
    use countersign_store::conformance::Fixture;
    use countersign_store::seam::{Answer, Recorded};

    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn a_signed_answer_is_removed_with_its_challenge() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(path.clone(), Options::default()).unwrap();
        let fixture = Fixture::new(Arc::new(store));
        let factor = fixture.factor().await;
        let answer_signed = async || {
            let sid = fixture.challenge(&factor).await.sid;
            let signed = SignedAnswer { jws: "a.b.c".to_owned(), key: factor.key };
            let answer = Answer {
                signed: Some(signed),
                ..Answer::new(sid, Verdict::Approved, fixture.now())
            };
            assert_eq!(fixture.store.answer_challenge(answer).await, Ok(Recorded::Done));
        };
        let kept = || -> i64 {
            let count = "SELECT count(*) FROM signed_answers";
            let file = Connection::open(&path).unwrap();
            file.query_row(count, (), |row| row.get(0)).unwrap()
        };
        answer_signed().await;
        answer_signed().await;
        assert_eq!(kept(), 2);
        let retention = Retention { challenges: Duration::from_secs(60 * 60) };
        fixture.pass(25 * 60 * 60);
        answer_signed().await;
        // Removes one row at a time.
        while fixture.store.clean(fixture.now(), retention, 1).await.unwrap() > 0 {}
        assert_eq!(kept(), 1, "that of the new challenge");
        let owner = &factor.owner;
        fixture.store.delete_entity(owner.service, &owner.identity, fixture.now()).await.unwrap();
        while fixture.store.clean(fixture.now(), retention, 1).await.unwrap() > 0 {}
        assert_eq!(kept(), 0);
    }
}
