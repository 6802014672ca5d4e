//! What keeps the database in shape.

use async_trait::async_trait;
use countersign_domain::factor::{FactorType, UNVERIFIED_FOR};
use countersign_domain::sid::ChallengeSid;
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{Retention, Upkeep};
use rusqlite::{Connection, Params, params};

use crate::cells::Cells;
use crate::statement::{all, execute, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, calls, entities, limit, sessions};

statements! {
    REMOVAL = "SELECT sid, removed_at FROM removals WHERE kind = ?1 LIMIT 1";
    REMOVAL_DONE = "DELETE FROM removals WHERE kind = ?1 AND sid = ?2";
    SERVICE_TOKENS = "DELETE FROM access_tokens WHERE service_sid = ?1 AND sid IN (SELECT sid FROM access_tokens \
                      WHERE service_sid = ?1 LIMIT ?2)";
    SERVICE_WEBHOOKS = "DELETE FROM webhooks WHERE service_sid = ?1 AND sid IN (SELECT sid FROM webhooks \
                        WHERE service_sid = ?1 LIMIT ?2)";
    SERVICE_ENTITIES = "SELECT sid FROM entities WHERE service_sid = ?1 ORDER BY sid LIMIT ?2";
    SERVICE_ENTITY = "DELETE FROM entities WHERE service_sid = ?1 AND sid = ?2";
    ENTITY_FACTORS = "DELETE FROM factors WHERE entity_sid = ?1 AND sid IN (SELECT sid FROM factors \
                      WHERE entity_sid = ?1 LIMIT ?2)";
    ENTITY_TOTP_FACTORS = "DELETE FROM totp_factors WHERE entity_sid = ?1 AND sid IN (SELECT sid FROM totp_factors \
                           WHERE entity_sid = ?1 LIMIT ?2)";
    ENTITY_CHALLENGES = "SELECT sid FROM challenges WHERE entity_sid = ?1 ORDER BY sid LIMIT ?2";
    DELIVERIES = "DELETE FROM deliveries WHERE challenge_sid = ?1 AND notification_sid IN (SELECT notification_sid \
                  FROM deliveries WHERE challenge_sid = ?1 LIMIT ?2)";
    NOTIFICATIONS = "DELETE FROM notifications WHERE challenge_sid = ?1 AND ordinal IN (SELECT ordinal \
                     FROM notifications WHERE challenge_sid = ?1 LIMIT ?2)";
    CALLS_TAKEN = "DELETE FROM calls_taken WHERE challenge_sid = ?1 AND id IN (SELECT id FROM calls_taken \
                   WHERE challenge_sid = ?1 LIMIT ?2)";
    /// Also of challenges that were removed before a call about them was taken.
    OLD_CALLS_TAKEN = "DELETE FROM calls_taken WHERE (challenge_sid, id) IN (SELECT challenge_sid, id FROM calls_taken \
                       WHERE challenge_sid >= ?1 AND challenge_sid < ?2 LIMIT ?3)";
    CHALLENGE = "DELETE FROM challenges WHERE sid = ?1";
    OLD_CHALLENGES = "SELECT sid FROM challenges WHERE sid >= ?1 AND sid < ?2 ORDER BY sid LIMIT ?3";
    LAPSED_FACTORS = "DELETE FROM factors WHERE rowid IN (SELECT rowid FROM factors \
                      WHERE status = 'unverified' AND created_at <= ?1 LIMIT ?2)";
    LAPSED_TOTP_FACTORS = "DELETE FROM totp_factors WHERE rowid IN (SELECT rowid FROM totp_factors \
                           WHERE status = 'unverified' AND created_at <= ?1 LIMIT ?2)";
    SPENT_TOKENS = "DELETE FROM access_tokens WHERE (service_sid, sid) IN (SELECT service_sid, sid FROM access_tokens \
                    WHERE expires_at <= ?1 LIMIT ?2)";
    PULSE = "UPDATE installation SET pulse = pulse + 1 WHERE id = 1";
    KEEP_KEY_CHECK = "UPDATE installation SET key_check = coalesce(key_check, ?1) WHERE id = 1 RETURNING key_check";
    KEY_CHECK = "SELECT key_check FROM installation WHERE id = 1 AND key_check IS NOT NULL";
}

/// How many more rows may go in this command.
struct Broom<'a> {
    db: &'a Connection,
    left: usize,
}

impl Broom<'_> {
    /// Removes rows by a statement that is bounded itself.
    fn sweep(&mut self, sql: &str, params: impl Params) -> Result<(), Trouble> {
        let rows = execute(self.db, sql, params)?;
        self.left = self.left.saturating_sub(rows);
        Ok(())
    }

    fn bound(&self) -> i64 {
        limit(self.left)
    }

    /// What lies below a service that was deleted. Its entities count as deleted with it.
    fn service(&mut self, sid: &[u8; 16], removed_at: i64) -> Result<(), Trouble> {
        self.sweep(SERVICE_TOKENS, params![sid, self.bound()])?;
        self.sweep(SERVICE_WEBHOOKS, params![sid, self.bound()])?;
        let entities = self.sids(SERVICE_ENTITIES, params![sid, self.bound()])?;
        for entity in entities {
            execute(self.db, entities::REMOVED, params![entity, removed_at])?;
            self.sweep(SERVICE_ENTITY, params![sid, entity])?;
        }
        Ok(())
    }

    fn entity(&mut self, sid: &[u8; 16]) -> Result<(), Trouble> {
        self.sweep(ENTITY_FACTORS, params![sid, self.bound()])?;
        self.sweep(ENTITY_TOTP_FACTORS, params![sid, self.bound()])?;
        let challenges = self.sids(ENTITY_CHALLENGES, params![sid, self.bound()])?;
        self.challenges(&challenges)
    }

    /// Challenges, each after all that it holds: as long as its row is there, the rest is found by it.
    fn challenges(&mut self, sids: &[[u8; 16]]) -> Result<(), Trouble> {
        for sid in sids {
            self.sweep(DELIVERIES, params![sid, self.bound()])?;
            self.sweep(NOTIFICATIONS, params![sid, self.bound()])?;
            self.sweep(CALLS_TAKEN, params![sid, self.bound()])?;
            if self.left == 0 {
                break;
            }
            self.sweep(CHALLENGE, [sid])?;
        }
        Ok(())
    }

    /// What lies below deleted services and entities. The mark of one that is done with is a row like the others.
    fn removals(&mut self) -> Result<(), Trouble> {
        for kind in ["service", "entity"] {
            while self.left > 0 {
                let removal = one(self.db, REMOVAL, [kind], |row| {
                    let mut cells = Cells::of(row, "removals");
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
                    self.sweep(REMOVAL_DONE, params![kind, sid])?;
                }
            }
        }
        Ok(())
    }

    fn sids(&self, sql: &str, params: impl Params) -> Result<Vec<[u8; 16]>, Trouble> {
        all(self.db, sql, params, |row| Cells::of(row, "challenges").take())
    }
}

struct Clean(Instant, Retention, usize);

impl Command for Clean {
    type Answer = usize;

    fn run(&self, db: &Connection) -> Result<usize, Trouble> {
        let Self(now, retention, most) = *self;
        let mut broom = Broom { db, left: most };
        broom.removals()?;
        let lapsed = (now - UNVERIFIED_FOR).as_micros();
        broom.sweep(LAPSED_FACTORS, params![lapsed, broom.bound()])?;
        broom.sweep(LAPSED_TOTP_FACTORS, params![lapsed, broom.bound()])?;
        broom.sweep(calls::FORGET, params![now.as_micros(), broom.bound()])?;
        broom.sweep(SPENT_TOKENS, params![now.as_micros(), broom.bound()])?;
        broom.sweep(sessions::FORGET, params![now.as_micros(), broom.bound()])?;
        for kind in [FactorType::Push, FactorType::Totp] {
            let first = ChallengeSid::least(kind, Instant::from_micros(0));
            let beyond = ChallengeSid::least(kind, retention.beyond(now));
            let (first, beyond) = (first.as_bytes(), beyond.as_bytes());
            broom.sweep(OLD_CALLS_TAKEN, params![first, beyond, broom.bound()])?;
            let range = params![first, beyond, broom.bound()];
            let old = broom.sids(OLD_CHALLENGES, range)?;
            broom.challenges(&old)?;
        }
        Ok(most - broom.left)
    }
}

/// A commit like any other.
pub(crate) struct Pulse;

impl Command for Pulse {
    type Answer = ();

    fn run(&self, db: &Connection) -> Result<(), Trouble> {
        execute(db, PULSE, ()).map(|_| ())
    }
}

struct KeepKeyCheck([u8; 32]);

impl Command for KeepKeyCheck {
    type Answer = [u8; 32];

    fn run(&self, db: &Connection) -> Result<[u8; 32], Trouble> {
        let kept = one(db, KEEP_KEY_CHECK, [self.0], |row| Cells::of(row, "installation").take())?;
        kept.ok_or_else(|| Trouble::Corrupt("installation".to_owned()))
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn clean(&self, now: Instant, retention: Retention, most: usize) -> StoreResult<usize> {
        self.write(Clean(now, retention, most)).await
    }

    async fn check(&self) -> StoreResult<()> {
        self.write(Pulse).await
    }

    async fn is_writable(&self) -> StoreResult<()> {
        self.writer.fares_well()?;
        self.read(|db| one(db, KEY_CHECK, (), |_| Ok(()))).map(drop)
    }

    async fn key_check(&self, value: [u8; 32]) -> StoreResult<[u8; 32]> {
        let kept =
            self.read(|db| one(db, KEY_CHECK, (), |row| Cells::of(row, "installation").take()))?;
        match kept {
            Some(kept) => Ok(kept),
            None => self.write(KeepKeyCheck(value)).await,
        }
    }
}
