//! What happened lately, and what is stuck. The SIDs of challenges are in the order of time, so the newest of an account are
//! a range of an index; where that begins, a walk over so many of its keys says.

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::challenge::{Challenge, MAX_LIFETIME};
use countersign_domain::ending::{Ending, ErrorCode, NotificationStatus, StatusReason};
use countersign_domain::event::CallId;
use countersign_domain::factor::FactorType;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, NotificationSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook_call::{Call, CallState, TRIED_FOR, TakenCall};
use countersign_store::error::StoreResult;
use countersign_store::seam::{
    CallCounts, CallCursor, CallList, NotificationSummary, Recent, Scan, ScanBounds,
};
use tokio_postgres::Row;

use crate::cells::Cells;
use crate::command::Command;
use crate::database::Session;
use crate::params::{id, params};
use crate::rows::{self, challenge_columns};
use crate::statement::{all, living, one};
use crate::trouble::Trouble;
use crate::{PostgresStore, limit};

macro_rules! call_columns {
    () => {
        "id, event, challenge_sid, parameters, happened_at, attempts, state, wake_at, last_error"
    };
}

/// The challenge at which a look has passed as many as it may.
const END: &str = "SELECT sid FROM challenges WHERE account_sid = $4 AND sid >= $1 AND sid < $2 ORDER BY sid DESC LIMIT 1 OFFSET $3";
const CHALLENGES: &str = concat!(
    "SELECT ",
    challenge_columns!(),
    " FROM challenges c",
    living!("c"),
    "WHERE c.sid >= $1 AND c.sid < $2 AND c.account_sid = $3 ORDER BY c.sid DESC LIMIT $4"
);
const FATES: &str = "SELECT n.created_at, n.updated_at, n.ending, n.reason, n.code FROM challenges c \
                     JOIN notifications n ON n.challenge_sid = c.sid AND n.challenge_sid >= $1 AND n.challenge_sid < $2 \
                     WHERE c.sid >= $1 AND c.sid < $2 AND c.account_sid = $3 ORDER BY c.sid DESC LIMIT $4";
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
const ABOUT: &str = concat!(
    "SELECT ",
    call_columns!(),
    " FROM webhook_calls WHERE webhook_sid = $1 AND factor_sid = $2 \
     AND (challenge_sid = $3 OR strpos(parameters, $4) > 0) ORDER BY state, happened_at LIMIT $5"
);
const STATE: &str = "SELECT state FROM webhook_calls WHERE id = $1 AND webhook_sid = $2 FOR UPDATE";
const TAKEN: &str = "SELECT id, webhook_sid, event, happened_at, attempts, taken_at, status FROM calls_taken \
                     WHERE challenge_sid = $1 LIMIT $2";
const HURRY: &str = "UPDATE webhook_calls SET wake_at = least(wake_at, $2) WHERE id = $1";
const REVIVE: &str = "UPDATE webhook_calls SET state = 'due', wake_at = $2, deadline = $3, attempts = 0 WHERE id = $1";

/// The range of an account's keys from `from` on and below `to` that a look passes, and when it ends before its time.
async fn bounded(
    db: &Session,
    account: AccountSid,
    from: ChallengeSid,
    to: ChallengeSid,
    rows: usize,
) -> Result<(ChallengeSid, Option<Instant>), Trouble> {
    let most = limit(rows.saturating_sub(1));
    let range = params![id(from.as_bytes()), id(to.as_bytes()), most, id(account.as_bytes())];
    let read = |row: &Row| Cells::of(row, "challenges").make(ChallengeSid::from_bytes);
    Ok(match one(db, END, range, read).await? {
        Some(end) => (end, Some(end.minted_at())),
        None => (from, None),
    })
}

fn challenge(row: &Row) -> Result<Challenge, Trouble> {
    rows::challenge(&mut Cells::of(row, "challenges"))
}

fn fate(row: &Row) -> Result<NotificationSummary, Trouble> {
    let mut cells = Cells::of(row, "notifications");
    let (created_at, updated_at) =
        (cells.make(Instant::from_micros)?, cells.make(Instant::from_micros)?);
    let status = cells.parse_if_any(NotificationStatus::from_word)?;
    // of a newer release, a reason may be unknown here
    let reason = cells.parse_if_any(|word| Some(StatusReason::from_word(word)))?.flatten();
    let code = cells.make(|code: Option<u32>| code.map(ErrorCode))?;
    let ending = status.map(|status| Ending { status, reason, code });
    Ok(NotificationSummary { created_at, updated_at, ending })
}

fn call(row: &Row) -> Result<Call, Trouble> {
    let mut cells = Cells::of(row, "webhook_calls");
    let (id, event) = (cells.make(CallId)?, cells.take()?);
    let watched = cells.make(|sid: Option<[u8; 16]>| sid.map(ChallengeSid::from_bytes))?;
    let named = cells.parse(|text| {
        let parameters: Vec<(String, String)> = serde_json::from_str(text).ok()?;
        Some(Call::challenge_of(&parameters))
    })?;
    Ok(Call {
        id,
        event,
        challenge: watched.or(named),
        happened_at: cells.make(Instant::from_micros)?,
        attempts: cells.take()?,
        state: cells.parse(CallState::from_word)?,
        wake_at: cells.make(Instant::from_micros)?,
        last_error: cells.take()?,
    })
}

fn taken(row: &Row) -> Result<TakenCall, Trouble> {
    let mut cells = Cells::of(row, "calls_taken");
    Ok(TakenCall {
        id: cells.make(CallId)?,
        webhook: cells.make(WebhookSid::from_bytes)?,
        event: cells.take()?,
        happened_at: cells.make(Instant::from_micros)?,
        attempts: cells.take()?,
        taken_at: cells.make(Instant::from_micros)?,
        status: cells.take()?,
    })
}

struct Resend(WebhookSid, CallId, Instant);

#[async_trait]
impl Command for Resend {
    type Answer = bool;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.2, self.2))
    }

    async fn run(&self, db: &Session) -> Result<bool, Trouble> {
        let Self(webhook, call, now) = self;
        let (webhook_id, call) = (id(webhook.as_bytes()), id(&call.0));
        let read = |row: &Row| Cells::of(row, "webhook_calls").parse(CallState::from_word);
        match one(db, STATE, params![call, webhook_id], read).await? {
            Some(CallState::Due) => {
                db.execute(HURRY, params![call, now.as_micros()]).await?;
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

#[async_trait]
impl Recent for PostgresStore {
    async fn recent_challenges(
        &self,
        account: AccountSid,
        before: ChallengeSid,
        look: ScanBounds,
        most: usize,
    ) -> StoreResult<Scan<Challenge>> {
        let db = self.session().await?;
        let from = ChallengeSid::least(before.kind(), look.since);
        let (from, ended_at) = bounded(&db, account, from, before, look.rows).await?;
        let range = params![
            id(from.as_bytes()),
            id(before.as_bytes()),
            id(account.as_bytes()),
            limit(most)
        ];
        Ok(Scan { items: all(&db, CHALLENGES, range, challenge).await?, ended_at })
    }

    async fn recent_notifications(
        &self,
        account: AccountSid,
        until: Instant,
        look: ScanBounds,
    ) -> StoreResult<Scan<NotificationSummary>> {
        let db = self.session().await?;
        let [from, to] = [look.since, until].map(|at| ChallengeSid::least(FactorType::Push, at));
        let (from, ended_at) = bounded(&db, account, from, to, look.rows).await?;
        let range = params![
            id(from.as_bytes()),
            id(to.as_bytes()),
            id(account.as_bytes()),
            limit(look.rows)
        ];
        Ok(Scan { items: all(&db, FATES, range, fate).await?, ended_at })
    }

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
        let (from, _) = bounded(&db, account, from, to, rows).await?;
        let (from, to) = (id(from.as_bytes()), id(to.as_bytes()));
        let key = params![from, to, id(sid.as_bytes()), id(account.as_bytes())];
        let read = |row: &Row| Cells::of(row, "notifications").take::<[u8; 16]>();
        let Some(found) = one(&db, OF_NOTIFICATION, key, read).await? else {
            return Ok(None);
        };
        let key = params![id(&found), id(account.as_bytes())];
        Ok(one(&db, CHALLENGE, key, challenge).await?)
    }

    async fn call_counts(&self, webhook: WebhookSid) -> StoreResult<CallCounts> {
        let db = self.session().await?;
        let read = |row: &Row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok(CallCounts {
                waiting: cells.make(i64::cast_unsigned)?,
                oldest: cells.make(|at: Option<i64>| at.map(Instant::from_micros))?,
                failing: cells.make(i64::cast_unsigned)?,
                given_up: cells.make(i64::cast_unsigned)?,
            })
        };
        let counts = one(&db, COUNTS, params![id(webhook.as_bytes())], read).await?;
        Ok(counts.unwrap_or_default())
    }

    async fn list_calls(
        &self,
        webhook: WebhookSid,
        list: CallList,
        after: Option<CallCursor>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let db = self.session().await?;
        let (sql, start) = match list {
            CallList::Failing => (FAILING, (i64::MIN, [0; 16])),
            CallList::GivenUp => (GIVEN_UP, (i64::MAX, [0; 16])),
        };
        let (at, call_id) = after.map_or(start, |mark| (mark.wake_at.as_micros(), mark.id.0));
        let key = params![id(webhook.as_bytes()), at, id(&call_id), limit(most)];
        Ok(all(&db, sql, key, call).await?)
    }

    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let db = self.session().await?;
        // in every text there is an empty one
        let named = challenge.map(|sid| sid.to_string()).unwrap_or_default();
        let watched = challenge.as_ref().map(|sid| id(sid.as_bytes()));
        let (webhook, factor) = (id(webhook.as_bytes()), id(factor.as_bytes()));
        let key = params![webhook, factor, watched, named.as_str(), limit(most)];
        Ok(all(&db, ABOUT, key, call).await?)
    }

    async fn taken_calls(
        &self,
        challenge: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<TakenCall>> {
        let db = self.session().await?;
        let key = params![id(challenge.as_bytes()), limit(most)];
        Ok(all(&db, TAKEN, key, taken).await?)
    }

    async fn resend_call(
        &self,
        webhook: WebhookSid,
        id: CallId,
        now: Instant,
    ) -> StoreResult<bool> {
        self.write(Resend(webhook, id, now)).await
    }
}
