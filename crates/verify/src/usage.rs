//! Quotas of what an account has stored: kept in memory and judged without a read.
//!
//! Each process counts the whole database when it starts and from time to time after that, in the background and at a small
//! part of a processor's time. Between counts it adds what it stores itself. So a quota is exact for what one process stores,
//! and another process may pass it by what it stores until its next count. Until the first count has ended, only what was
//! stored since the start is known.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_domain::limits::Limits;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::usage::Usage;
use countersign_store::seam::{CountedRow, CountedTable};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Answer, Verify, VerifyError};

/// How long after one count the next one begins,
const COUNT_EVERY: Duration = Duration::from_secs(10 * 60);
/// and how long after it at least, if something was refused meanwhile: perhaps room has been made.
const COUNT_AGAIN: Duration = Duration::from_secs(10);
/// Rows that are read at a time.
const ROWS: usize = 1_000;
/// After each read the count pauses for so many times as long as that took,
const PAUSE: u32 = 19;
/// and for so long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What accounts have stored, and how much that may be.
pub(crate) struct Quotas {
    entities: u32,
    bytes: u64,
    used: Mutex<AllUsed>,
    refused: Notify,
    /// Held while a count runs: there is one at a time.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct AllUsed {
    by_account: HashMap<AccountSid, Used>,
    /// The count that runs.
    count: Option<Count>,
}

/// A count counts what was made until it began, and this process adds what it stores from then on.
struct Count {
    until: Instant,
    /// Records of this process that bear no later time, and are counted by it all the same.
    own: HashSet<[u8; 16]>,
}

/// What one account has stored.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    all: Usage,
    /// The part of it that this process has stored since the running count began, or since the start.
    since: Usage,
}

impl Quotas {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            entities: limits.entities_per_account,
            bytes: limits.stored_bytes_per_account,
            used: Mutex::default(),
            refused: Notify::new(),
            counting: tokio::sync::Mutex::new(()),
        }
    }

    const fn is_off(&self) -> bool {
        self.entities == 0 && self.bytes == 0
    }

    fn used(&self) -> MutexGuard<'_, AllUsed> {
        // Counting cannot panic half way.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for records that are to be stored and were made at that instant. Dropped before it is [kept](Room::keep), the room is free again.
    ///
    /// # Errors
    /// [`VerifyError::TooManyStoredEntities`], [`VerifyError::TooManyStoredBytes`].
    pub(crate) fn take(
        &self,
        account: AccountSid,
        what: Usage,
        records: &[[u8; 16]],
        at: Instant,
    ) -> Answer<Room<'_>> {
        if self.is_off() {
            return Ok(Room(None));
        }
        let mut used = self.used();
        let AllUsed { by_account, count } = &mut *used;
        let has = by_account.entry(account).or_default();
        let then = has.all + what;
        let refused = if what.entities > 0 && exceeds(then.entities, self.entities.into()) {
            Some(VerifyError::TooManyStoredEntities(self.entities))
        } else if what.bytes > 0 && exceeds(then.bytes, self.bytes) {
            Some(VerifyError::TooManyStoredBytes(self.bytes))
        } else {
            None
        };
        if let Some(refused) = refused {
            self.refused.notify_one();
            return Err(refused);
        }
        has.change(what);
        if let Some(count) = count.as_mut().filter(|count| at <= count.until) {
            count.own.extend(records);
        }
        Ok(Room(Some((self, account, what))))
    }

    /// Notes a change that is never refused.
    pub(crate) fn note(&self, account: AccountSid, change: Usage) {
        if !self.is_off() && change != Usage::default() {
            self.used().by_account.entry(account).or_default().change(change);
        }
    }

    /// A count begins.
    fn begin(&self, until: Instant) {
        let mut used = self.used();
        used.count = Some(Count { until, own: HashSet::new() });
        for has in used.by_account.values_mut() {
            has.since = Usage::default();
        }
    }

    /// Adds rows that the count has found.
    fn add(&self, rows: &[CountedRow], found: &mut HashMap<AccountSid, Usage>) {
        let used = self.used();
        let Some(count) = &used.count else { return };
        for row in rows {
            if row.made_at <= count.until && !count.own.contains(&row.key[1]) {
                *found.entry(row.account).or_default() += row.usage;
            }
        }
    }

    /// A count has found this.
    fn end(&self, found: HashMap<AccountSid, Usage>) {
        let mut used = self.used();
        used.count = None;
        for has in used.by_account.values_mut() {
            has.all = has.since;
        }
        for (account, found) in found {
            used.by_account.entry(account).or_default().all += found;
        }
        used.by_account.retain(|_, has| has.all != Usage::default());
    }
}

impl Used {
    fn change(&mut self, change: Usage) {
        self.all += change;
        self.since += change;
    }
}

fn exceeds(has: i64, limit: u64) -> bool {
    limit > 0 && u64::try_from(has).is_ok_and(|has| has > limit)
}

/// Room for something that is being stored.
pub(crate) struct Room<'a>(Option<(&'a Quotas, AccountSid, Usage)>);

impl Room<'_> {
    /// It is stored.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some((quotas, account, what)) = self.0.take() {
            quotas.note(account, -what);
        }
    }
}

impl Verify {
    /// Counts what accounts have stored, until `stop`. Does nothing without a quota.
    pub async fn keep_counting(self: Arc<Self>, stop: CancellationToken) {
        if self.quotas.is_off() {
            return;
        }
        let count = async {
            loop {
                if let Err(error) = self.count_stored().await {
                    tracing::warn!(%error, "what accounts have stored cannot be counted now");
                }
                self.clock.sleep(COUNT_AGAIN).await;
                tokio::select! {
                    () = self.quotas.refused.notified() => {}
                    () = self.clock.sleep(COUNT_EVERY.saturating_sub(COUNT_AGAIN)) => {}
                }
            }
        };
        stop.run_until_cancelled(count).await;
    }

    /// Counts once what accounts have stored.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_stored(&self) -> Answer<()> {
        let _alone = self.quotas.counting.lock().await;
        self.quotas.begin(self.now());
        let mut found: HashMap<AccountSid, Usage> = HashMap::new();
        for table in CountedTable::ALL {
            let mut after = None;
            loop {
                let began = self.monotonic();
                let rows = self.store.count_stored(table, after, ROWS).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key);
                self.quotas.add(&rows, &mut found);
                let pause = self.monotonic().since(began) * PAUSE;
                self.clock.sleep(pause.min(LONGEST_PAUSE)).await;
            }
        }
        self.quotas.end(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountSid = AccountSid::from_bytes([1; 16]);
    const OTHER: AccountSid = AccountSid::from_bytes([2; 16]);

    fn quotas(entities: u32, bytes: u64) -> Quotas {
        Quotas::new(&Limits {
            entities_per_account: entities,
            stored_bytes_per_account: bytes,
            ..Limits::default()
        })
    }

    const NOON: Instant = Instant::from_seconds(1_767_268_800);

    fn take(quotas: &Quotas, account: AccountSid, what: Usage) -> Answer<Room<'_>> {
        quotas.take(account, what, &[], NOON)
    }

    fn row(n: u8, made_at: Instant) -> CountedRow {
        CountedRow { key: [[n; 16]; 2], account: ACCOUNT, made_at, usage: bytes(100) }
    }

    fn bytes(bytes: i64) -> Usage {
        Usage { entities: 0, bytes }
    }

    #[test]
    fn a_quota_can_be_filled_and_not_passed_and_is_each_accounts_own() {
        let quotas = quotas(2, 5_000);
        take(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        take(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        let refused = take(&quotas, ACCOUNT, Usage::ENTITY).err();
        assert_eq!(refused, Some(VerifyError::TooManyStoredEntities(2)));
        let rest = 5_000 - 2 * Usage::ENTITY.bytes;
        let refused = take(&quotas, ACCOUNT, bytes(rest + 1)).err();
        assert_eq!(refused, Some(VerifyError::TooManyStoredBytes(5_000)));
        take(&quotas, ACCOUNT, bytes(rest)).unwrap().keep();
        take(&quotas, OTHER, Usage::ENTITY).unwrap().keep();
    }

    #[test]
    fn room_that_is_not_kept_and_what_is_deleted_is_free_again() {
        let quotas = quotas(1, 0);
        drop(take(&quotas, ACCOUNT, Usage::ENTITY).unwrap());
        take(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        assert!(take(&quotas, ACCOUNT, Usage::ENTITY).is_err());
        quotas.note(ACCOUNT, -Usage::ENTITY);
        assert!(take(&quotas, ACCOUNT, Usage::ENTITY).is_ok());
    }

    #[test]
    fn who_has_too_much_may_still_store_less() {
        let quotas = quotas(0, 100);
        quotas.note(ACCOUNT, bytes(150));
        assert!(take(&quotas, ACCOUNT, bytes(1)).is_err());
        take(&quotas, ACCOUNT, bytes(-60)).unwrap().keep();
        assert!(take(&quotas, ACCOUNT, bytes(10)).is_ok());
    }

    #[test]
    fn a_count_replaces_what_was_known_and_keeps_what_came_meanwhile() {
        let quotas = quotas(0, 1_000);
        quotas.note(ACCOUNT, bytes(900));
        quotas.note(OTHER, bytes(5));
        quotas.begin(NOON);
        take(&quotas, ACCOUNT, bytes(100)).unwrap().keep();
        quotas.end(HashMap::from([(ACCOUNT, bytes(850))]));
        assert!(take(&quotas, ACCOUNT, bytes(51)).is_err());
        take(&quotas, ACCOUNT, bytes(50)).unwrap().keep();
        assert!(!quotas.used().by_account.contains_key(&OTHER), "nothing of it is left");
    }

    #[test]
    fn a_count_takes_no_record_twice_that_is_stored_while_it_runs() {
        let quotas = quotas(0, 1_000);
        let later = NOON + Duration::from_micros(1);
        quotas.begin(NOON);
        quotas.take(ACCOUNT, bytes(100), &[[1; 16]], NOON).unwrap().keep();
        quotas.take(ACCOUNT, bytes(100), &[[2; 16]], later).unwrap().keep();
        let mut found = HashMap::new();
        quotas.add(&[row(1, NOON), row(2, later), row(3, NOON)], &mut found);
        assert_eq!(found, HashMap::from([(ACCOUNT, bytes(100))]), "what others have stored");
        quotas.end(found);
        assert_eq!(quotas.used().by_account[&ACCOUNT].all, bytes(300));
    }

    #[test]
    fn without_a_quota_nothing_is_refused_or_remembered() {
        let quotas = quotas(0, 0);
        take(&quotas, ACCOUNT, bytes(i64::MAX)).unwrap().keep();
        assert!(quotas.used().by_account.is_empty());
    }
}
