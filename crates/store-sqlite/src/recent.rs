//! Single challenges, and the calls that fail.
//!
//! The SIDs of challenges are in the order of time, so the newest challenges of an account are a range of an index. A walk over a
//! bounded number of its keys finds where that range begins. That takes longer than other reads, so it runs on a thread for blocking
//! work.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::challenge::{Challenge, MAX_LIFETIME};
use countersign_domain::event::CallId;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, NotificationSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::EventType;
use countersign_domain::webhook_call::{Call, CallState, TRIED_FOR, TakenCall};
use countersign_store::error::StoreResult;
use countersign_store::page::Cursor;
use countersign_store::seam::{CallCounts, CallCursor, CallList, Recent, WebhookState};
use countersign_store_sql::cells::RowResult;
use countersign_store_sql::rows::calls::{CallPage, call, taken_call, webhook_state};
use countersign_store_sql::values::limit;
use countersign_store_sql::{call_columns, challenge_columns, rows, taken_call_columns};
use rusqlite::{Connection, Row, params};

use crate::call_order::state_of_new;
use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::statement::{all, execute, living, one, statements};
use crate::store::SqliteStore;

statements! {
    /// The challenge at which a scan has read as many as it may.
    END = "SELECT sid FROM challenges INDEXED BY challenges_of_account \
           WHERE account_sid = ?4 AND sid >= ?1 AND sid < ?2 ORDER BY sid DESC LIMIT 1 OFFSET ?3";
    CHALLENGE = concat!(
        "SELECT ", challenge_columns!(), " FROM challenges c", living!("c"),
        "WHERE c.sid = ?1 AND c.account_sid = ?2"
    );
    OF_NOTIFICATION = "SELECT n.challenge_sid FROM challenges c INDEXED BY challenges_of_account \
                       JOIN notifications n ON n.challenge_sid = c.sid \
                       WHERE c.account_sid = ?4 AND c.sid >= ?1 AND c.sid < ?2 AND n.sid = ?3 ORDER BY c.sid DESC LIMIT 1";
    /// A covering index holds all of it.
    WAITING = "SELECT count(*), min(happened_at) FROM webhook_calls INDEXED BY webhook_calls_in_order \
               WHERE webhook_sid = ?1 AND state IN ('due', 'behind', 'leased')";
    FAILING_COUNT = "SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_failing \
                     WHERE webhook_sid = ?1 AND last_error IS NOT NULL AND state <> 'failed'";
    GIVEN_UP_COUNT = "SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_given_up \
                      WHERE webhook_sid = ?1 AND state = 'failed'";
    /// Each count reads a range of an index.
    STATES = "SELECT w.service_sid, w.sid, w.friendly_name, \
              (SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_in_order \
              WHERE webhook_sid = w.sid AND state IN ('due', 'behind', 'leased')), \
              (SELECT min(happened_at) FROM webhook_calls INDEXED BY webhook_calls_in_order \
              WHERE webhook_sid = w.sid AND state IN ('due', 'behind', 'leased')), \
              (SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_failing \
              WHERE webhook_sid = w.sid AND last_error IS NOT NULL AND state <> 'failed'), \
              (SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_given_up \
              WHERE webhook_sid = w.sid AND state = 'failed'), \
              coalesce((SELECT last_error FROM webhook_calls INDEXED BY webhook_calls_failing \
              WHERE webhook_sid = w.sid AND last_error IS NOT NULL AND state <> 'failed' ORDER BY wake_at, id LIMIT 1), \
              (SELECT last_error FROM webhook_calls INDEXED BY webhook_calls_given_up \
              WHERE webhook_sid = w.sid AND state = 'failed' ORDER BY wake_at DESC, id DESC LIMIT 1)) \
              FROM services s JOIN webhooks w ON w.service_sid = s.sid WHERE s.account_sid = ?1 ORDER BY s.sid, w.sid LIMIT ?2";
    FAILING = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls INDEXED BY webhook_calls_failing \
         WHERE webhook_sid = ?1 AND last_error IS NOT NULL AND state <> 'failed' AND (wake_at, id) > (?2, ?3) \
         ORDER BY wake_at, id LIMIT ?4"
    );
    GIVEN_UP = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls INDEXED BY webhook_calls_given_up \
         WHERE webhook_sid = ?1 AND state = 'failed' AND (wake_at, id) < (?2, ?3) \
         ORDER BY wake_at DESC, id DESC LIMIT ?4"
    );
    FAILING_BACKWARDS = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls INDEXED BY webhook_calls_failing \
         WHERE webhook_sid = ?1 AND last_error IS NOT NULL AND state <> 'failed' AND (wake_at, id) < (?2, ?3) \
         ORDER BY wake_at DESC, id DESC LIMIT ?4"
    );
    GIVEN_UP_BACKWARDS = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls INDEXED BY webhook_calls_given_up \
         WHERE webhook_sid = ?1 AND state = 'failed' AND (wake_at, id) > (?2, ?3) \
         ORDER BY wake_at, id LIMIT ?4"
    );
    ABOUT = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 \
         AND (challenge_sid = ?3 OR instr(parameters, ?4) > 0) ORDER BY state, happened_at LIMIT ?5"
    );
    TAKEN = concat!("SELECT ", taken_call_columns!(), " FROM calls_taken WHERE challenge_sid = ?1 LIMIT ?2");
    FACTOR_AND_STATE = "SELECT factor_sid, state FROM webhook_calls WHERE id = ?1 AND webhook_sid = ?2";
    /// Waiting calls of a list, those of event `?2` or of all if it is empty, the earliest first.
    TO_RESEND_FAILING = "SELECT id FROM webhook_calls INDEXED BY webhook_calls_failing \
                         WHERE webhook_sid = ?1 AND last_error IS NOT NULL AND state <> 'failed' AND state = 'due' \
                         AND wake_at > ?3 AND (?2 = '' OR event = ?2) ORDER BY wake_at, id LIMIT ?4";
    TO_RESEND_GIVEN_UP = "SELECT id FROM webhook_calls INDEXED BY webhook_calls_given_up \
                          WHERE webhook_sid = ?1 AND state = 'failed' AND wake_at > ?3 AND (?2 = '' OR event = ?2) \
                          ORDER BY wake_at, id LIMIT ?4";
    MAKE_DUE = "UPDATE webhook_calls SET wake_at = min(wake_at, ?2) WHERE id = ?1";
    REVIVE = "UPDATE webhook_calls SET state = ?2, wake_at = ?3, deadline = ?4, attempts = 0 WHERE id = ?1";
}

/// Where a scan of an account's challenges from `from` on and below `to` begins, and its end if it stops at the bound of `rows`.
fn scan_start(
    db: &Connection,
    account: AccountSid,
    from: ChallengeSid,
    to: ChallengeSid,
    rows: usize,
) -> Result<(ChallengeSid, Option<Instant>), DatabaseError> {
    let most = limit(rows.saturating_sub(1));
    let key = params![from.as_bytes(), to.as_bytes(), most, account.as_bytes()];
    let end = one(db, END, key, |row| cells_of(row, "challenges").map(ChallengeSid::from_bytes))?;
    Ok(match end {
        Some(end) => (end, Some(end.minted_at())),
        None => (from, None),
    })
}

fn challenge(row: &Row<'_>) -> RowResult<Challenge> {
    rows::challenges::challenge(&mut cells_of(row, "challenges"))
}

struct Resend(WebhookSid, CallId, Instant);

impl Command for Resend {
    type Output = bool;

    fn run(&self, db: &Connection) -> Result<bool, DatabaseError> {
        let Self(webhook, id, now) = self;
        let found = one(db, FACTOR_AND_STATE, params![id.0, webhook.as_bytes()], |row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok((cells.take::<[u8; 16]>()?, cells.parse(CallState::from_word)?))
        })?;
        match found {
            Some((_, CallState::Due)) => {
                execute(db, MAKE_DUE, params![id.0, now.as_micros()])?;
                Ok(true)
            }
            Some((factor, CallState::Failed)) => {
                let state = state_of_new(db, webhook.as_bytes(), &factor)?;
                let deadline = (*now + TRIED_FOR).as_micros();
                execute(db, REVIVE, params![id.0, state, now.as_micros(), deadline])?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

struct ResendAll {
    webhook: WebhookSid,
    list: CallList,
    event: Option<EventType>,
    now: Instant,
    most: usize,
}

impl Command for ResendAll {
    type Output = usize;

    fn run(&self, db: &Connection) -> Result<usize, DatabaseError> {
        let (sql, after) = match self.list {
            CallList::Failing => (TO_RESEND_FAILING, self.now.as_micros()),
            CallList::GivenUp => (TO_RESEND_GIVEN_UP, i64::MIN),
        };
        let event = self.event.map_or("", EventType::as_str);
        let key = params![self.webhook.as_bytes(), event, after, limit(self.most)];
        let calls = all(db, sql, key, |row| cells_of(row, "webhook_calls").map(CallId))?;
        let mut resent = 0;
        for call in calls {
            resent += usize::from(Resend(self.webhook, call, self.now).run(db)?);
        }
        Ok(resent)
    }
}

#[async_trait]
impl Recent for SqliteStore {
    async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> StoreResult<Option<Challenge>> {
        self.read(|db| one(db, CHALLENGE, [sid.as_bytes(), account.as_bytes()], challenge))
    }

    async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
        rows: usize,
    ) -> StoreResult<Option<Challenge>> {
        self.read_blocking(move |db| {
            let made = sid.minted_at();
            let from = ChallengeSid::least(FactorType::Push, made - MAX_LIFETIME);
            let to = ChallengeSid::least(FactorType::Push, made + Duration::from_millis(1));
            let (from, _) = scan_start(db, account, from, to, rows)?;
            let key = params![from.as_bytes(), to.as_bytes(), sid.as_bytes(), account.as_bytes()];
            let found = one(db, OF_NOTIFICATION, key, |row| {
                cells_of(row, "notifications").take::<[u8; 16]>()
            })?;
            match found {
                Some(found) => one(db, CHALLENGE, [&found, account.as_bytes()], challenge),
                None => Ok(None),
            }
        })
        .await
    }

    async fn webhook_states(
        &self,
        account: AccountSid,
        most: usize,
    ) -> StoreResult<Vec<WebhookState>> {
        self.read_blocking(move |db| {
            all(db, STATES, params![account.as_bytes(), limit(most)], |row| {
                webhook_state(cells_of(row, "webhooks"))
            })
        })
        .await
    }

    async fn call_counts(&self, webhook: WebhookSid) -> StoreResult<CallCounts> {
        self.read_blocking(move |db| {
            let waiting = one(db, WAITING, [webhook.as_bytes()], |row| {
                let mut cells = cells_of(row, "webhook_calls");
                let waiting = cells.take()?;
                Ok((waiting, cells.map_if_any(Instant::from_micros)?))
            })?;
            let (waiting, oldest) = waiting.unwrap_or_default();
            let count = |sql| {
                let count =
                    one(db, sql, [webhook.as_bytes()], |row| cells_of(row, "webhook_calls").take());
                count.map(Option::unwrap_or_default)
            };
            let (failing, given_up) = (count(FAILING_COUNT)?, count(GIVEN_UP_COUNT)?);
            Ok(CallCounts { waiting, oldest, failing, given_up })
        })
        .await
    }

    async fn list_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        at: Option<Cursor<CallCursor>>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let page = CallPage::at(list, at);
        let sql = match (list, page.upwards) {
            (CallList::Failing, true) => FAILING,
            (CallList::Failing, false) => FAILING_BACKWARDS,
            (CallList::GivenUp, false) => GIVEN_UP,
            (CallList::GivenUp, true) => GIVEN_UP_BACKWARDS,
        };
        let (at, id) = page.beyond;
        let calls = self.read(|db| {
            all(db, sql, params![webhook.as_bytes(), at, id, limit(most)], |row| {
                call(cells_of(row, "webhook_calls"))
            })
        })?;
        Ok(page.in_order(calls))
    }

    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        // Every text contains the empty text.
        let named = challenge.map(|sid| sid.to_string()).unwrap_or_default();
        let watched = challenge.as_ref().map(ChallengeSid::as_bytes);
        self.read(|db| {
            let key = params![webhook.as_bytes(), factor.as_bytes(), watched, named, limit(most)];
            all(db, ABOUT, key, |row| call(cells_of(row, "webhook_calls")))
        })
    }

    async fn taken_calls(
        &self,
        challenge: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<TakenCall>> {
        self.read(|db| {
            all(db, TAKEN, params![challenge.as_bytes(), limit(most)], |row| {
                taken_call(cells_of(row, "calls_taken"))
            })
        })
    }

    async fn resend_call(
        &self,
        webhook: WebhookSid,
        id: CallId,
        now: Instant,
    ) -> StoreResult<bool> {
        self.write(Resend(webhook, id, now)).await
    }

    async fn resend_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        event: Option<EventType>,
        now: Instant,
        most: usize,
    ) -> StoreResult<usize> {
        self.write(ResendAll { webhook, list, event, now, most }).await
    }
}
