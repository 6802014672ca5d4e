//! Single challenges, and the calls that fail.
//!
//! The SIDs of challenges are in the order of time, so the newest challenges of an account are a range of an index. A walk over a
//! bounded number of its keys finds where that range begins.

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
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::session::Session;
use crate::statement::{all, living, one};
use crate::store::PostgresStore;

/// The challenge at which a scan has read as many as it may.
const END: &str = "SELECT sid FROM challenges WHERE account_sid = $4 AND sid >= $1 AND sid < $2 ORDER BY sid DESC LIMIT 1 OFFSET $3";
const CHALLENGE: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    " FROM challenges c",
    living!("c"),
    "WHERE c.sid = $1 AND c.account_sid = $2"
);
const OF_NOTIFICATION: &str = "SELECT n.challenge_sid FROM challenges c \
                               JOIN notifications n ON n.challenge_sid = c.sid AND n.challenge_sid >= $1 AND n.challenge_sid < $2 \
                               WHERE c.account_sid = $4 AND c.sid >= $1 AND c.sid < $2 AND n.sid = $3 \
                               ORDER BY c.sid DESC LIMIT 1";
const COUNTS: &str = "SELECT waiting, oldest, (SELECT count(*) FROM webhook_calls \
                      WHERE webhook_sid = $1 AND last_error IS NOT NULL AND state <> 'failed') AS failing, \
                      (SELECT count(*) FROM webhook_calls WHERE webhook_sid = $1 AND state = 'failed') AS given_up \
                      FROM (SELECT count(*) AS waiting, min(happened_at) AS oldest FROM webhook_calls \
                      WHERE webhook_sid = $1 AND state IN ('due', 'behind', 'leased')) AS waiting";
/// Each count reads a range of an index.
const STATES: &str = "SELECT w.service_sid, w.sid, w.friendly_name, c.waiting, c.oldest, c.failing, c.given_up, c.error \
                      FROM services s CROSS JOIN LATERAL \
                      (SELECT * FROM webhooks WHERE service_sid = s.sid OFFSET 0) AS w CROSS JOIN LATERAL \
                      (SELECT q.waiting, q.oldest, (SELECT count(*) FROM webhook_calls \
                      WHERE webhook_sid = w.sid AND last_error IS NOT NULL AND state <> 'failed') AS failing, \
                      (SELECT count(*) FROM webhook_calls WHERE webhook_sid = w.sid AND state = 'failed') AS given_up, \
                      coalesce((SELECT last_error FROM webhook_calls WHERE webhook_sid = w.sid \
                      AND last_error IS NOT NULL AND state <> 'failed' ORDER BY wake_at, id LIMIT 1), \
                      (SELECT last_error FROM webhook_calls WHERE webhook_sid = w.sid AND state = 'failed' \
                      ORDER BY wake_at DESC, id DESC LIMIT 1)) AS error \
                      FROM (SELECT count(*) AS waiting, min(happened_at) AS oldest FROM webhook_calls \
                      WHERE webhook_sid = w.sid AND state IN ('due', 'behind', 'leased')) AS q) AS c \
                      WHERE s.account_sid = $1 ORDER BY w.service_sid, w.sid LIMIT $2";
const FAILING: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND last_error IS NOT NULL AND state <> 'failed' \
     AND (wake_at, id) > ($2, $3) ORDER BY wake_at, id LIMIT $4"
);
const GIVEN_UP: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND state = 'failed' AND (wake_at, id) < ($2, $3) \
     ORDER BY wake_at DESC, id DESC LIMIT $4"
);
const FAILING_BACKWARDS: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND last_error IS NOT NULL AND state <> 'failed' \
     AND (wake_at, id) < ($2, $3) ORDER BY wake_at DESC, id DESC LIMIT $4"
);
const GIVEN_UP_BACKWARDS: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND state = 'failed' AND (wake_at, id) > ($2, $3) \
     ORDER BY wake_at, id LIMIT $4"
);
const ABOUT: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND factor_sid = $2 \
     AND (challenge_sid = $3 OR strpos(parameters, $4) > 0) ORDER BY state, happened_at LIMIT $5"
);
const STATE: &str = "SELECT state FROM webhook_calls WHERE id = $1 AND webhook_sid = $2 FOR UPDATE";
const TAKEN: &str = concat!(
    "SELECT ",
    taken_call_columns!(),
    " FROM calls_taken WHERE challenge_sid = $1 LIMIT $2"
);
/// Waiting calls, those of event `$3` or of all if it is empty, the earliest first.
const RESEND_FAILING: &str = "WITH chosen AS (SELECT id FROM webhook_calls WHERE webhook_sid = $1 AND last_error IS NOT NULL \
     AND state <> 'failed' AND state = 'due' AND wake_at > $2 AND ($3 = '' OR event = $3) ORDER BY wake_at, id LIMIT $4 FOR UPDATE) \
     UPDATE webhook_calls c SET wake_at = $2 FROM chosen WHERE c.id = chosen.id";
const RESEND_GIVEN_UP: &str = "WITH chosen AS (SELECT id FROM webhook_calls WHERE webhook_sid = $1 AND state = 'failed' \
     AND ($3 = '' OR event = $3) ORDER BY wake_at, id LIMIT $4 FOR UPDATE) \
     UPDATE webhook_calls c SET state = 'due', wake_at = $2, deadline = $5, attempts = 0 FROM chosen WHERE c.id = chosen.id";
const MAKE_DUE: &str = "UPDATE webhook_calls SET wake_at = least(wake_at, $2) WHERE id = $1";
const REVIVE: &str = "UPDATE webhook_calls SET state = 'due', wake_at = $2, deadline = $3, attempts = 0 WHERE id = $1";

/// Where a scan of an account's challenges from `from` on and below `to` begins, and its end if it stops at the bound of `rows`.
async fn scan_start(
    db: &Session,
    account: AccountSid,
    from: ChallengeSid,
    to: ChallengeSid,
    rows: usize,
) -> Result<(ChallengeSid, Option<Instant>), DatabaseError> {
    let most = limit(rows.saturating_sub(1));
    let range = params![id(from.as_bytes()), id(to.as_bytes()), most, id(account.as_bytes())];
    let read = |row: &Row| cells_of(row, "challenges").map(ChallengeSid::from_bytes);
    Ok(match one(db, END, range, read).await? {
        Some(end) => (end, Some(end.minted_at())),
        None => (from, None),
    })
}

fn challenge(row: &Row) -> RowResult<Challenge> {
    rows::challenges::challenge(&mut cells_of(row, "challenges"))
}

struct Resend(WebhookSid, CallId, Instant);

#[async_trait]
impl Command for Resend {
    type Output = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.2, self.2))
    }

    async fn run(&self, db: &Session) -> Result<bool, DatabaseError> {
        let Self(webhook, call, now) = self;
        let (webhook_id, call) = (id(webhook.as_bytes()), id(&call.0));
        let read = |row: &Row| cells_of(row, "webhook_calls").parse(CallState::from_word);
        match one(db, STATE, params![call, webhook_id], read).await? {
            Some(CallState::Due) => {
                db.execute(MAKE_DUE, params![call, now.as_micros()]).await?;
                Ok(true)
            }
            Some(CallState::Failed) => {
                let deadline = (*now + TRIED_FOR).as_micros();
                db.execute(REVIVE, params![call, now.as_micros(), deadline]).await?;
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

#[async_trait]
impl Command for ResendAll {
    type Output = usize;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.now, self.now))
    }

    async fn run(&self, db: &Session) -> Result<usize, DatabaseError> {
        let webhook = id(self.webhook.as_bytes());
        let event = self.event.map_or("", EventType::as_str);
        let (now, most) = (self.now.as_micros(), limit(self.most));
        match self.list {
            CallList::Failing => {
                db.execute(RESEND_FAILING, params![webhook, now, event, most]).await
            }
            CallList::GivenUp => {
                let deadline = (self.now + TRIED_FOR).as_micros();
                db.execute(RESEND_GIVEN_UP, params![webhook, now, event, most, deadline]).await
            }
        }
    }
}

#[async_trait]
impl Recent for PostgresStore {
    async fn challenge_of_account(
        &self,
        account: AccountSid,
        sid: ChallengeSid,
    ) -> StoreResult<Option<Challenge>> {
        let db = self.session().await?;
        let key = params![id(sid.as_bytes()), id(account.as_bytes())];
        Ok(one(&db, CHALLENGE, key, challenge).await?)
    }

    async fn challenge_of_notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
        rows: usize,
    ) -> StoreResult<Option<Challenge>> {
        let db = self.session().await?;
        let made = sid.minted_at();
        let from = ChallengeSid::least(FactorType::Push, made - MAX_LIFETIME);
        let to = ChallengeSid::least(FactorType::Push, made + Duration::from_millis(1));
        let (from, _) = scan_start(&db, account, from, to, rows).await?;
        let (from, to) = (id(from.as_bytes()), id(to.as_bytes()));
        let key = params![from, to, id(sid.as_bytes()), id(account.as_bytes())];
        let read = |row: &Row| cells_of(row, "notifications").take::<[u8; 16]>();
        let Some(found) = one(&db, OF_NOTIFICATION, key, read).await? else {
            return Ok(None);
        };
        let key = params![id(&found), id(account.as_bytes())];
        Ok(one(&db, CHALLENGE, key, challenge).await?)
    }

    async fn webhook_states(
        &self,
        account: AccountSid,
        most: usize,
    ) -> StoreResult<Vec<WebhookState>> {
        let db = self.session().await?;
        let read = |row: &Row| webhook_state(cells_of(row, "webhooks"));
        Ok(all(&db, STATES, params![id(account.as_bytes()), limit(most)], read).await?)
    }

    async fn call_counts(&self, webhook: WebhookSid) -> StoreResult<CallCounts> {
        let db = self.session().await?;
        let read = |row: &Row| {
            let mut cells = cells_of(row, "webhook_calls");
            Ok(CallCounts {
                waiting: cells.take()?,
                oldest: cells.map_if_any(Instant::from_micros)?,
                failing: cells.take()?,
                given_up: cells.take()?,
            })
        };
        let counts = one(&db, COUNTS, params![id(webhook.as_bytes())], read).await?;
        Ok(counts.unwrap_or_default())
    }

    async fn list_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        at: Option<Cursor<CallCursor>>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let db = self.session().await?;
        let page = CallPage::at(list, at);
        let sql = match (list, page.upwards) {
            (CallList::Failing, true) => FAILING,
            (CallList::Failing, false) => FAILING_BACKWARDS,
            (CallList::GivenUp, false) => GIVEN_UP,
            (CallList::GivenUp, true) => GIVEN_UP_BACKWARDS,
        };
        let (at, call_id) = page.beyond;
        let key = params![id(webhook.as_bytes()), at, id(&call_id), limit(most)];
        let calls = all(&db, sql, key, |row| call(cells_of(row, "webhook_calls"))).await?;
        Ok(page.in_order(calls))
    }

    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let db = self.session().await?;
        // Every text contains the empty text.
        let named = challenge.map(|sid| sid.to_string()).unwrap_or_default();
        let watched = challenge.as_ref().map(|sid| id(sid.as_bytes()));
        let (webhook, factor) = (id(webhook.as_bytes()), id(factor.as_bytes()));
        let key = params![webhook, factor, watched, named.as_str(), limit(most)];
        Ok(all(&db, ABOUT, key, |row| call(cells_of(row, "webhook_calls"))).await?)
    }

    async fn taken_calls(
        &self,
        challenge: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<TakenCall>> {
        let db = self.session().await?;
        let key = params![id(challenge.as_bytes()), limit(most)];
        Ok(all(&db, TAKEN, key, |row| taken_call(cells_of(row, "calls_taken"))).await?)
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
