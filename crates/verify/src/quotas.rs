//! Quotas of what an account has stored, kept in memory and judged without a read.
//!
//! Between two [counts](crate::counting) of the database a process adds what it stores itself. A quota is therefore exact for
//! one process; several processes together may exceed it by what each of them stores until its next count. Until the first
//! count has ended, a process knows only what it has stored since its start.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_domain::limits::Limits;
use countersign_domain::sid::AccountSid;
use countersign_domain::time::Instant;
use countersign_domain::usage::Usage;
use countersign_store::seam::CountedRow;
use tokio::sync::Notify;

use crate::error::{VerifyError, VerifyResult};

/// The storage that accounts use and may use.
pub(crate) struct Quotas {
    entities: u32,
    bytes: u64,
    used: Mutex<AllUsed>,
    /// Notified when a quota refused something.
    refused: Notify,
    /// Held while a count runs, so that one runs at a time.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct AllUsed {
    by_account: HashMap<AccountSid, Used>,
    /// The count that is running.
    count: Option<Count>,
}

/// A running count. It finds what was made until it began; the process adds what it stores from then on.
struct Count {
    until: Instant,
    /// Records that this process stored since then, although their own time is earlier. The count must not add them again.
    own: HashSet<[u8; 16]>,
}

/// The storage that one account uses.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    all: Usage,
    /// The part that this process has stored since the running count began, or since its start.
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

    /// Whether there is no quota.
    pub(crate) const fn is_off(&self) -> bool {
        self.entities == 0 && self.bytes == 0
    }

    fn used(&self) -> MutexGuard<'_, AllUsed> {
        // No code between lock and unlock can panic.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves room for records that were made at `at` and are about to be stored. A reservation that is dropped before it is
    /// [kept](Reservation::keep) is free again.
    ///
    /// # Errors
    /// [`VerifyError::TooManyStoredEntities`], [`VerifyError::TooManyStoredBytes`].
    pub(crate) fn reserve(
        &self,
        account: AccountSid,
        usage: Usage,
        records: &[[u8; 16]],
        at: Instant,
    ) -> VerifyResult<Reservation<'_>> {
        if self.is_off() {
            return Ok(Reservation(None));
        }
        let mut used = self.used();
        let AllUsed { by_account, count } = &mut *used;
        let stored = by_account.entry(account).or_default();
        let then = stored.all + usage;
        let refused = if usage.entities > 0 && exceeds(then.entities, self.entities.into()) {
            Some(VerifyError::TooManyStoredEntities(self.entities))
        } else if usage.bytes > 0 && exceeds(then.bytes, self.bytes) {
            Some(VerifyError::TooManyStoredBytes(self.bytes))
        } else {
            None
        };
        if let Some(refused) = refused {
            self.refused.notify_one();
            return Err(refused);
        }
        stored.change(usage);
        if let Some(count) = count.as_mut().filter(|count| at <= count.until) {
            count.own.extend(records);
        }
        Ok(Reservation(Some((self, account, usage))))
    }

    /// Adds a change that is never refused.
    pub(crate) fn record(&self, account: AccountSid, change: Usage) {
        if !self.is_off() && change != Usage::default() {
            self.used().by_account.entry(account).or_default().change(change);
        }
    }

    /// Waits until a quota has refused something since the last call.
    pub(crate) async fn refused(&self) {
        self.refused.notified().await;
    }

    /// Waits until no count runs, and keeps others from starting.
    pub(crate) async fn lock_counting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.counting.lock().await
    }

    /// Begins a count of what was made until now.
    pub(crate) fn begin_count(&self, until: Instant) {
        let mut used = self.used();
        used.count = Some(Count { until, own: HashSet::new() });
        for stored in used.by_account.values_mut() {
            stored.since = Usage::default();
        }
    }

    /// Adds rows that the running count has read to `found`.
    pub(crate) fn add_rows(&self, rows: &[CountedRow], found: &mut HashMap<AccountSid, Usage>) {
        let used = self.used();
        let Some(count) = &used.count else { return };
        for row in rows {
            if row.made_at <= count.until && !count.own.contains(&row.key[1]) {
                *found.entry(row.account).or_default() += row.usage;
            }
        }
    }

    /// Ends the count, which has found this.
    pub(crate) fn end_count(&self, found: HashMap<AccountSid, Usage>) {
        let mut used = self.used();
        used.count = None;
        for stored in used.by_account.values_mut() {
            stored.all = stored.since;
        }
        for (account, found) in found {
            used.by_account.entry(account).or_default().all += found;
        }
        used.by_account.retain(|_, stored| stored.all != Usage::default());
    }
}

impl Used {
    fn change(&mut self, change: Usage) {
        self.all += change;
        self.since += change;
    }
}

fn exceeds(stored: i64, limit: u64) -> bool {
    limit > 0 && u64::try_from(stored).is_ok_and(|stored| stored > limit)
}

/// Room for something that is being stored.
pub(crate) struct Reservation<'a>(Option<(&'a Quotas, AccountSid, Usage)>);

impl Reservation<'_> {
    /// Keeps the room: the records are stored.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some((quotas, account, usage)) = self.0.take() {
            quotas.record(account, -usage);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    fn reserve(
        quotas: &Quotas,
        account: AccountSid,
        usage: Usage,
    ) -> VerifyResult<Reservation<'_>> {
        quotas.reserve(account, usage, &[], NOON)
    }

    fn row(n: u8, made_at: Instant) -> CountedRow {
        CountedRow { key: [[n; 16]; 2], account: ACCOUNT, made_at, usage: bytes(100) }
    }

    fn bytes(bytes: i64) -> Usage {
        Usage { entities: 0, bytes }
    }

    #[test]
    fn each_account_can_fill_its_quota_and_not_exceed_it() {
        let quotas = quotas(2, 5_000);
        reserve(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        reserve(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        let refused = reserve(&quotas, ACCOUNT, Usage::ENTITY).err();
        assert_eq!(refused, Some(VerifyError::TooManyStoredEntities(2)));
        let rest = 5_000 - 2 * Usage::ENTITY.bytes;
        let refused = reserve(&quotas, ACCOUNT, bytes(rest + 1)).err();
        assert_eq!(refused, Some(VerifyError::TooManyStoredBytes(5_000)));
        reserve(&quotas, ACCOUNT, bytes(rest)).unwrap().keep();
        reserve(&quotas, OTHER, Usage::ENTITY).unwrap().keep();
    }

    #[test]
    fn dropped_reservations_and_deleted_records_free_their_room() {
        let quotas = quotas(1, 0);
        drop(reserve(&quotas, ACCOUNT, Usage::ENTITY).unwrap());
        reserve(&quotas, ACCOUNT, Usage::ENTITY).unwrap().keep();
        assert!(reserve(&quotas, ACCOUNT, Usage::ENTITY).is_err());
        quotas.record(ACCOUNT, -Usage::ENTITY);
        assert!(reserve(&quotas, ACCOUNT, Usage::ENTITY).is_ok());
    }

    #[test]
    fn an_account_over_its_quota_may_still_store_less() {
        let quotas = quotas(0, 100);
        quotas.record(ACCOUNT, bytes(150));
        assert!(reserve(&quotas, ACCOUNT, bytes(1)).is_err());
        reserve(&quotas, ACCOUNT, bytes(-60)).unwrap().keep();
        assert!(reserve(&quotas, ACCOUNT, bytes(10)).is_ok());
    }

    #[test]
    fn a_count_replaces_the_known_usage_and_keeps_what_was_stored_meanwhile() {
        let quotas = quotas(0, 1_000);
        quotas.record(ACCOUNT, bytes(900));
        quotas.record(OTHER, bytes(5));
        quotas.begin_count(NOON);
        reserve(&quotas, ACCOUNT, bytes(100)).unwrap().keep();
        quotas.end_count(HashMap::from([(ACCOUNT, bytes(850))]));
        assert!(reserve(&quotas, ACCOUNT, bytes(51)).is_err());
        reserve(&quotas, ACCOUNT, bytes(50)).unwrap().keep();
        assert!(
            !quotas.used().by_account.contains_key(&OTHER),
            "an account without usage is forgotten"
        );
    }

    #[test]
    fn a_count_adds_no_record_twice_that_is_stored_while_it_runs() {
        let quotas = quotas(0, 1_000);
        let later = NOON + Duration::from_micros(1);
        quotas.begin_count(NOON);
        quotas.reserve(ACCOUNT, bytes(100), &[[1; 16]], NOON).unwrap().keep();
        quotas.reserve(ACCOUNT, bytes(100), &[[2; 16]], later).unwrap().keep();
        let mut found = HashMap::new();
        quotas.add_rows(&[row(1, NOON), row(2, later), row(3, NOON)], &mut found);
        assert_eq!(
            found,
            HashMap::from([(ACCOUNT, bytes(100))]),
            "only the record of another process"
        );
        quotas.end_count(found);
        assert_eq!(quotas.used().by_account[&ACCOUNT].all, bytes(300));
    }

    #[test]
    fn without_a_quota_nothing_is_refused_or_counted() {
        let quotas = quotas(0, 0);
        reserve(&quotas, ACCOUNT, bytes(i64::MAX)).unwrap().keep();
        assert!(quotas.used().by_account.is_empty());
    }
}
