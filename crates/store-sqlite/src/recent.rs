//! What happened lately, and what is stuck. The SIDs of challenges are in the order of time, so the newest of an account are
//! a range of an index; where that begins, a walk over so many of its keys says. That takes longer than other reads, so it
//! runs on a thread for such work.

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
use rusqlite::{Connection, Row, params};

use crate::cells::Cells;
use crate::rows::{self, challenge_columns};
use crate::statement::{all, execute, living, one, statements};
use crate::trouble::Trouble;
use crate::writer::Command;
use crate::{SqliteStore, events, limit};

macro_rules! call_columns {
    () => {
        "id, event, challenge_sid, parameters, happened_at, attempts, state, wake_at, last_error"
    };
}

statements! {
    /// The challenge at which a look has passed as many as it may.
    END = "SELECT sid FROM challenges INDEXED BY challenges_of_account \
           WHERE account_sid = ?4 AND sid >= ?1 AND sid < ?2 ORDER BY sid DESC LIMIT 1 OFFSET ?3";
    CHALLENGES = concat!(
        "SELECT ", challenge_columns!(), " FROM challenges c INDEXED BY challenges_of_account", living!("c"),
        "WHERE c.sid >= ?1 AND c.sid < ?2 AND c.account_sid = ?3 ORDER BY c.sid DESC LIMIT ?4"
    );
    FATES = "SELECT n.created_at, n.updated_at, n.ending, n.reason, n.code FROM challenges c INDEXED BY challenges_of_account \
             JOIN notifications n ON n.challenge_sid = c.sid \
             WHERE c.sid >= ?1 AND c.sid < ?2 AND c.account_sid = ?3 ORDER BY c.sid DESC LIMIT ?4";
    CHALLENGE = concat!(
        "SELECT ", challenge_columns!(), " FROM challenges c", living!("c"),
        "WHERE c.sid = ?1 AND c.account_sid = ?2"
    );
    OF_NOTIFICATION = "SELECT n.challenge_sid FROM challenges c INDEXED BY challenges_of_account \
                       JOIN notifications n ON n.challenge_sid = c.sid \
                       WHERE c.account_sid = ?4 AND c.sid >= ?1 AND c.sid < ?2 AND n.sid = ?3 ORDER BY c.sid DESC LIMIT 1";
    /// All of it is in the index.
    WAITING = "SELECT count(*), min(happened_at) FROM webhook_calls INDEXED BY webhook_calls_in_order \
               WHERE webhook_sid = ?1 AND state IN ('due', 'behind', 'leased')";
    FAILING_COUNT = "SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_failing \
                     WHERE webhook_sid = ?1 AND last_error IS NOT NULL AND state <> 'failed'";
    GIVEN_UP_COUNT = "SELECT count(*) FROM webhook_calls INDEXED BY webhook_calls_given_up \
                      WHERE webhook_sid = ?1 AND state = 'failed'";
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
    ABOUT = concat!(
        "SELECT ", call_columns!(), " FROM webhook_calls WHERE webhook_sid = ?1 AND factor_sid = ?2 \
         AND (challenge_sid = ?3 OR instr(parameters, ?4) > 0) ORDER BY state, happened_at LIMIT ?5"
    );
    TAKEN = "SELECT id, webhook_sid, event, happened_at, attempts, taken_at, status FROM calls_taken \
             WHERE challenge_sid = ?1 LIMIT ?2";
    LINE = "SELECT factor_sid, state FROM webhook_calls WHERE id = ?1 AND webhook_sid = ?2";
    HURRY = "UPDATE webhook_calls SET wake_at = min(wake_at, ?2) WHERE id = ?1";
    REVIVE = "UPDATE webhook_calls SET state = ?2, wake_at = ?3, deadline = ?4, attempts = 0 WHERE id = ?1";
}

/// The range of an account's keys from `from` on and below `to` that a look passes, and when it ends before its time.
fn bounded(
    db: &Connection,
    account: AccountSid,
    from: ChallengeSid,
    to: ChallengeSid,
    rows: usize,
) -> Result<(ChallengeSid, Option<Instant>), Trouble> {
    let most = limit(rows.saturating_sub(1));
    let key = params![from.as_bytes(), to.as_bytes(), most, account.as_bytes()];
    let end = one(db, END, key, |row| Cells::of(row, "challenges").make(ChallengeSid::from_bytes))?;
    Ok(match end {
        Some(end) => (end, Some(end.minted_at())),
        None => (from, None),
    })
}

fn challenge(row: &Row<'_>) -> Result<Challenge, Trouble> {
    rows::challenge(&mut Cells::of(row, "challenges"))
}

fn fate(row: &Row<'_>) -> Result<NotificationSummary, Trouble> {
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

fn call(row: &Row<'_>) -> Result<Call, Trouble> {
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

fn taken(row: &Row<'_>) -> Result<TakenCall, Trouble> {
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

impl Command for Resend {
    type Answer = bool;

    fn run(&self, db: &Connection) -> Result<bool, Trouble> {
        let Self(webhook, id, now) = self;
        let found = one(db, LINE, params![id.0, webhook.as_bytes()], |row| {
            let mut cells = Cells::of(row, "webhook_calls");
            Ok((cells.take::<[u8; 16]>()?, cells.parse(CallState::from_word)?))
        })?;
        match found {
            Some((_, CallState::Due)) => {
                execute(db, HURRY, params![id.0, now.as_micros()])?;
                Ok(true)
            }
            Some((factor, CallState::Failed)) => {
                let turn = events::turn(db, webhook.as_bytes(), &factor)?;
                let deadline = (*now + TRIED_FOR).as_micros();
                execute(db, REVIVE, params![id.0, turn, now.as_micros(), deadline])?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[async_trait]
impl Recent for SqliteStore {
    async fn recent_challenges(
        &self,
        account: AccountSid,
        before: ChallengeSid,
        look: ScanBounds,
        most: usize,
    ) -> StoreResult<Scan<Challenge>> {
        self.read_aside(move |db| {
            let from = ChallengeSid::least(before.kind(), look.since);
            let (from, ended_at) = bounded(db, account, from, before, look.rows)?;
            let range =
                params![from.as_bytes(), before.as_bytes(), account.as_bytes(), limit(most)];
            Ok(Scan { items: all(db, CHALLENGES, range, challenge)?, ended_at })
        })
        .await
    }

    async fn recent_notifications(
        &self,
        account: AccountSid,
        until: Instant,
        look: ScanBounds,
    ) -> StoreResult<Scan<NotificationSummary>> {
        self.read_aside(move |db| {
            let [from, to] =
                [look.since, until].map(|at| ChallengeSid::least(FactorType::Push, at));
            let (from, ended_at) = bounded(db, account, from, to, look.rows)?;
            let range =
                params![from.as_bytes(), to.as_bytes(), account.as_bytes(), limit(look.rows)];
            Ok(Scan { items: all(db, FATES, range, fate)?, ended_at })
        })
        .await
    }

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
        self.read_aside(move |db| {
            let made = sid.minted_at();
            let from = ChallengeSid::least(FactorType::Push, made - MAX_LIFETIME);
            let to = ChallengeSid::least(FactorType::Push, made + Duration::from_millis(1));
            let (from, _) = bounded(db, account, from, to, rows)?;
            let key = params![from.as_bytes(), to.as_bytes(), sid.as_bytes(), account.as_bytes()];
            let found = one(db, OF_NOTIFICATION, key, |row| {
                Cells::of(row, "notifications").take::<[u8; 16]>()
            })?;
            match found {
                Some(found) => one(db, CHALLENGE, [&found, account.as_bytes()], challenge),
                None => Ok(None),
            }
        })
        .await
    }

    async fn call_counts(&self, webhook: WebhookSid) -> StoreResult<CallCounts> {
        self.read_aside(move |db| {
            let waiting = one(db, WAITING, [webhook.as_bytes()], |row| {
                let mut cells = Cells::of(row, "webhook_calls");
                let waiting = cells.make(<u64 as From<u32>>::from)?;
                Ok((waiting, cells.make(|at: Option<i64>| at.map(Instant::from_micros))?))
            })?;
            let (waiting, oldest) = waiting.unwrap_or_default();
            let count = |sql| {
                let count = one(db, sql, [webhook.as_bytes()], |row| {
                    Cells::of(row, "webhook_calls").make(<u64 as From<u32>>::from)
                });
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
        after: Option<CallCursor>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        let (sql, start) = match list {
            CallList::Failing => (FAILING, (i64::MIN, [0; 16])),
            CallList::GivenUp => (GIVEN_UP, (i64::MAX, [0; 16])),
        };
        let (at, id) = after.map_or(start, |mark| (mark.wake_at.as_micros(), mark.id.0));
        self.read(|db| all(db, sql, params![webhook.as_bytes(), at, id, limit(most)], call))
    }

    async fn calls_about(
        &self,
        webhook: WebhookSid,
        factor: FactorSid,
        challenge: Option<ChallengeSid>,
        most: usize,
    ) -> StoreResult<Vec<Call>> {
        // in every text there is an empty one
        let named = challenge.map(|sid| sid.to_string()).unwrap_or_default();
        let watched = challenge.as_ref().map(ChallengeSid::as_bytes);
        self.read(|db| {
            let key = params![webhook.as_bytes(), factor.as_bytes(), watched, named, limit(most)];
            all(db, ABOUT, key, call)
        })
    }

    async fn taken_calls(
        &self,
        challenge: ChallengeSid,
        most: usize,
    ) -> StoreResult<Vec<TakenCall>> {
        self.read(|db| all(db, TAKEN, params![challenge.as_bytes(), limit(most)], taken))
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
